"""Every command of `stepiq`, while a server runs on the same data: both go on."""

import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.conftest import PASSWORD
from tests.support.server import ROOT, ServerProcess
from tests.support.sqlite import put_migrated_database

ADA = "ada@example.org"
STEPS = [{"id": "said", "type": "transform", "template": "Hello {{input.who}}"}]
DEFINITION = {"name": "Said", "version": 1, "input": {"schema": {"who": {"type": "string"}}}, "steps": STEPS}
EXAMPLE = str(ROOT / "examples" / "order_totals.yaml")
OTHER = "seven purple submarines"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    data = tmp_path_factory.mktemp("beside") / "data"
    put_migrated_database(data)
    made = ServerProcess(data)
    made.start()
    yield made
    made.stop()


def _told(server: ServerProcess, *arguments: str, stdin: str = "") -> str:
    done = server.command(*arguments, stdin=stdin)
    assert done.returncode == 0, (arguments, done.stderr)
    return done.stdout


@pytest.fixture(scope="module")
def api(server: ServerProcess) -> Iterator[httpx.Client]:
    """Somebody whom the command line made, signed in."""
    made = _told(server, "user", "create", ADA, "--password-stdin", "--plan", "starter", stdin=PASSWORD + "\n")
    with httpx.Client(base_url=f"{server.url}/api", trust_env=False, timeout=30) as client:
        answer = client.post("/auth/login", json={"email": ADA, "password": PASSWORD})
        assert answer.json()["user"]["id"] == made.strip() and answer.json()["user"]["plan"] == "starter"
        client.headers["Authorization"] = f"Bearer {answer.json()['token']}"
        yield client


def test_people_and_their_credits(server: ServerProcess, api: httpx.Client) -> None:
    assert f"{ADA}  starter  user" in _told(server, "user", "list")
    api.get("/user/usage")  # grants the month
    _told(server, "user", "credits", ADA, "--set", "12.5")
    assert api.get("/user/usage").json()["credits_remaining"] == 12.5
    assert " 0 problems" in _told(server, "ledger", "verify")


def test_a_key_works_at_once(server: ServerProcess, api: httpx.Client) -> None:
    key = {"X-API-Key": _told(server, "api-key", "create", ADA).strip()}
    with httpx.Client(base_url=f"{server.url}/api", trust_env=False, headers=key) as program:
        pipeline = program.post("/pipelines", json=DEFINITION).json()["id"]
        run = program.post(f"/pipelines/{pipeline}/run", json={"input_data": {"who": "Ada"}}).json()
        hook = program.post(f"/webhooks/{pipeline}", json={"who": "Bob"})
        assert hook.status_code == 202
        ended = [program.get(f"/runs/{run_id}/stream").status_code for run_id in (run["id"], hook.json()["run_id"])]
        assert ended == [200, 200] and program.get(f"/runs/{run['id']}").json()["output_data"] == "Hello Ada"
    assert [item["name"] for item in api.get("/user/api-keys").json()["items"]] == ["Made by stepiq api-key create"]
    only = {"X-API-Key": _told(server, "api-key", "create", ADA, "--scope", "pipelines:read").strip()}
    refused = httpx.post(f"{server.url}/api/pipelines", json=DEFINITION, headers=only, trust_env=False)
    assert refused.status_code == 403 and refused.json()["code"] == "SCOPE"
    assert " 0 problems" in _told(server, "audit", "verify")


def test_files_are_checked_and_run(server: ServerProcess, api: httpx.Client, tmp_path: Path) -> None:
    file = tmp_path / "said.yaml"
    file.write_text(json.dumps(DEFINITION))
    assert json.loads(_told(server, "validate", "--json", str(file)))["valid"]
    assert _told(server, "run", str(file), "--input", "who=you") == "Hello you\n"
    assert api.get("/health").status_code == 200


def test_the_schema_the_jobs_and_the_link(server: ServerProcess, api: httpx.Client) -> None:
    assert _told(server, "migrate") == "The database is up to date.\n"
    assert _told(server, "jobs", "run", "key_cleanup") == "key_cleanup: 0 done\n"
    link = server.command("owner-link")
    assert link.returncode == 1 and "exists already" in link.stderr
    worker = server.command("worker")
    assert worker.returncode == 2 and "PostgreSQL" in worker.stderr
    assert api.get("/user/me").status_code == 200


def test_a_new_password_ends_the_sign_ins_of_the_server(server: ServerProcess, api: httpx.Client) -> None:
    assert api.get("/user/me").status_code == 200
    _told(server, "user", "password", ADA, "--password-stdin", stdin=OTHER + "\n")
    assert api.get("/user/me").status_code == 401
    with httpx.Client(base_url=f"{server.url}/api", trust_env=False) as again:
        answer = again.post("/auth/login", json={"email": ADA, "password": OTHER})
        assert answer.status_code == 200, answer.text
        api.headers["Authorization"] = f"Bearer {answer.json()['token']}"
