"""Writers of one process on SQLite wait for each other in turn, and not in the sleeps of SQLite's busy handler."""

from collections.abc import Callable
from threading import Event, Thread

import pytest
from sqlalchemy import event, text
from sqlalchemy.exc import OperationalError

from core.platform import database
from core.platform.runtime import Runtime


def test_a_writer_that_waits_does_not_ask_sqlite(sqlite_runtime: Runtime) -> None:
    begun: list[str] = []
    waiting, written = Event(), Event()

    @event.listens_for(sqlite_runtime.database.engine, "before_cursor_execute")
    def note(*told: object) -> None:
        if told[2] == "BEGIN IMMEDIATE":
            begun.append(str(told[2]))

    def write() -> None:
        waiting.set()
        with sqlite_runtime.database.write() as session:
            session.execute(text("SELECT 1"))
        written.set()

    with sqlite_runtime.database.write():
        other = Thread(target=write)
        other.start()
        assert waiting.wait(10) and not written.wait(0.2) and len(begun) == 1
    other.join(10)
    assert written.is_set() and len(begun) == 2


def test_another_process_is_waited_for_as_long_as_ever(
    runtime_with: Callable[..., Runtime], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "BUSY_SECONDS", 0.1)
    here, elsewhere = runtime_with(), runtime_with()
    with elsewhere.database.write() as session:
        session.execute(text("SELECT 1"))
        with pytest.raises(OperationalError, match="locked"), here.database.write():
            pass
    with here.database.write() as session:
        assert session.scalar(text("SELECT 1")) == 1, "the turn was given back"
