"""A served installation on loopback with a person in it, for clients of all kinds."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from tests.conftest import PASSWORD
from tests.support.server import ServerProcess
from tests.support.sqlite import put_migrated_database

EMAIL = "ada@example.org"
SCOPES = ["pipelines:read", "pipelines:write", "pipelines:execute", "webhooks:trigger"]


@dataclass(frozen=True)
class Served:
    """The server, and a key of Ada's that may do all a key may do."""

    server: ServerProcess
    key: str

    @property
    def database(self) -> Path:
        """The file of its database."""
        return self.server.data_dir / "stepiq.db"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """`stepiq serve` with Ada, who may do everything; the demo model takes some time."""
    folder = tmp_path_factory.mktemp("served") / "data"
    put_migrated_database(folder)
    server = ServerProcess(folder, STEPIQ_DEMO_PACE_MS="40", OUTBOUND_ALLOWLIST="127.0.0.1")
    server.start()
    try:
        made = server.command("user", "create", EMAIL, "--password-stdin", stdin=PASSWORD)
        assert made.returncode == 0, made.stderr
        with httpx.Client(base_url=server.url + "/api", trust_env=False) as http:
            token = http.post("/auth/login", json={"email": EMAIL, "password": PASSWORD}).json()["token"]
            asked = {"name": "Tests", "scopes": SCOPES}
            key = http.post("/user/api-keys", json=asked, headers={"Authorization": f"Bearer {token}"})
        assert key.status_code == 201, key.text
        yield Served(server, key.json()["key"])
    finally:
        server.stop()
