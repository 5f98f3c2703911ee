"""Ready is who can work: each part is seen failing, by name and within two seconds, and well again afterwards."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session
from starlette.testclient import TestClient

from core.operations.readiness import Readiness
from core.platform.database import Database
from core.platform.runtime import Runtime
from jobs.scheduler import start_scheduler
from web.api.app import build_api

ALWAYS = {"database": True, "keys": True, "disk": True, "files": True}


def parts(readiness: Readiness, limit_seconds: float = 20.0) -> dict[str, bool]:
    return {part.check: part.ok for part in readiness.look(limit_seconds)}


def test_all_parts_of_a_fresh_installation_are_well(runtime: Runtime) -> None:
    assert parts(Readiness(runtime)) == ALWAYS
    assert not list(runtime.settings.data_dir.glob(".ready*"))


def test_a_database_of_another_schema_is_not_ready(runtime: Runtime) -> None:
    with runtime.database.engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '0001'"))
    assert parts(Readiness(runtime)) == {**ALWAYS, "database": False}


def test_a_key_store_that_is_gone_is_not_ready(sqlite_runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(_owner_id: str) -> bool:
        raise OSError("/secret/place")

    monkeypatch.setattr(sqlite_runtime.vault, "knows", gone)
    assert parts(Readiness(sqlite_runtime)) == {**ALWAYS, "keys": False}


def test_a_full_disk_is_not_ready(sqlite_runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    write = Path.write_bytes

    def full(self: Path, data: Any) -> int:
        if self.name.startswith(".ready"):
            raise OSError(28, "No space left on device")
        return write(self, data)

    monkeypatch.setattr(Path, "write_bytes", full)
    assert parts(Readiness(sqlite_runtime)) == {**ALWAYS, "disk": False}


def test_a_folder_of_files_that_is_gone_is_not_ready(runtime_with: Callable[..., Runtime], tmp_path: Path) -> None:
    folder = tmp_path / "mounted"
    readiness = Readiness(runtime_with(blob_url=str(folder)))
    assert parts(readiness) == {**ALWAYS, "files": False}
    folder.mkdir()
    assert parts(readiness) == ALWAYS


def test_a_worker_is_one_while_its_loop_turns(runtime: Runtime) -> None:
    readiness = Readiness(runtime)
    runtime.dispatcher.start()
    end = time.monotonic() + 20
    while "worker" not in parts(readiness) and time.monotonic() < end:
        time.sleep(0.02)
    assert parts(readiness) == {**ALWAYS, "worker": True}
    runtime.pulse._heard["worker"] -= 60  # as after a minute of silence
    asked = {part.check: part.ok for part in readiness.look(20.0)}
    assert asked == {**ALWAYS, "worker": False} or runtime.pulse.alive("worker")  # it may speak in between
    runtime.dispatcher.stop()
    assert parts(readiness) == ALWAYS


def test_a_scheduler_is_one_while_it_ticks(sqlite_runtime: Runtime) -> None:
    scheduler = start_scheduler(sqlite_runtime)
    end = time.monotonic() + 20
    while sqlite_runtime.pulse.alive("scheduler") is None and time.monotonic() < end:
        time.sleep(0.02)
    assert parts(Readiness(sqlite_runtime)) == {**ALWAYS, "scheduler": True}
    scheduler.shutdown(wait=False)


@contextmanager
def hanging(runtime: Runtime) -> Iterator[threading.Event]:
    """Whoever asks the database waits until the event is set."""
    released, read = threading.Event(), Database.read

    @contextmanager
    def wait(self: Database) -> Iterator[Session]:
        released.wait(60)
        with read(self) as session:
            yield session

    Database.read = wait  # type: ignore[method-assign]
    try:
        yield released
    finally:
        released.set()
        Database.read = read  # type: ignore[method-assign]


def test_a_database_that_hangs_is_told_within_two_seconds(sqlite_runtime: Runtime) -> None:
    client = TestClient(build_api(sqlite_runtime))
    assert client.get("/ready").status_code == 200
    with hanging(sqlite_runtime) as released:
        threads = None
        for _ in range(3):
            began = time.monotonic()
            answer = client.get("/ready")
            assert time.monotonic() - began < 2.0
            assert answer.status_code == 503
            body = answer.json()
            assert body.keys() == {"error", "code", "details"} and body["code"] == "NOT_READY"
            assert {each["check"]: each["ok"] for each in body["details"]} == {**ALWAYS, "database": False}
            assert client.get("/health").status_code == 200
            asking = sum(thread.name == "ready" for thread in threading.enumerate())
            assert threads is None or asking <= threads, "who hangs is asked once"
            threads = asking
        released.set()
        end = time.monotonic() + 10
        while client.get("/ready").status_code != 200 and time.monotonic() < end:
            time.sleep(0.05)
    assert client.get("/ready").json()["status"] == "ok"


def test_what_fails_is_named_without_its_words(sqlite_runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_self: Database) -> None:
        raise OSError("disk gone, path /secret")

    monkeypatch.setattr(Database, "read", broken)
    answer = TestClient(build_api(sqlite_runtime)).get("/ready")
    assert answer.status_code == 503 and "secret" not in answer.text and "database" in answer.json()["error"]
