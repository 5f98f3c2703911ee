"""Events on their way into the database: whose count, whose do not, and what follows from them."""

import threading
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import select, text

from core.accounts.commands import create_account
from core.accounts.domain import Account
from core.accounts.models import AccountRow
from core.analytics import recording
from core.analytics.models import BatchRow, ProgressRow
from core.platform.runtime import Runtime
from tests.conftest import PASSWORD
from tests.support.clock import FixedClock
from tests.support.server import poll_until
from tests.support.waiting_events import waiting_events


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock()


@pytest.fixture
def runtime(runtime_with: Callable[..., Runtime], database_settings: dict[str, str], clock: FixedClock) -> Runtime:
    return runtime_with(**database_settings, clock=clock)


@pytest.fixture
def ada(runtime: Runtime) -> Account:
    return create_account(runtime, email="ada@example.org", password=PASSWORD)


def stored(runtime: Runtime) -> list[dict[str, Any]]:
    runtime.events.write_now()
    return waiting_events(runtime)


def named(runtime: Runtime, event: str) -> list[dict[str, Any]]:
    return [each for each in stored(runtime) if each["event"] == event]


def test_an_event_has_the_hour_a_visitor_of_the_day_and_no_account(runtime: Runtime, ada: Account) -> None:
    runtime.events.emit("page.viewed", ada.id, page="runs", duration_ms=33)
    (row,) = named(runtime, "page.viewed")
    visitor = row.pop("visitor")
    assert row == {"event": "page.viewed", "hour": "2027-01-31T12", "plan": ada.plan, "page": "runs", "duration_ms": 50}
    assert len(visitor) == 16 and visitor not in ada.id
    with runtime.database.read() as session:
        assert all(ada.id not in repr(vars(each)) for each in session.scalars(select(BatchRow)))


def test_a_visitor_is_the_same_for_a_day_and_another_the_next(
    runtime: Runtime, ada: Account, clock: FixedClock
) -> None:
    for hours in (0, 3, 24):
        clock.advance(hours=hours)
        runtime.events.emit("page.viewed", ada.id, page="runs")
        runtime.events.write_now()
    of_day: dict[str, set[str | None]] = {}
    for row in stored(runtime):
        of_day.setdefault(row["hour"][:10], set()).add(row["visitor"])
    assert [len(visitors) for visitors in of_day.values()] == [1, 1]
    assert len(set.union(*of_day.values())) == 2


@pytest.mark.parametrize("state", ["objected_at", "restricted_at", "closing_at"])
def test_who_objects_is_restricted_or_leaves_emits_nothing(
    runtime: Runtime, ada: Account, clock: FixedClock, state: str
) -> None:
    with runtime.database.write() as session:
        setattr(session.get_one(AccountRow, ada.id), state, clock.now())
    runtime.events.emit("page.viewed", ada.id, page="runs")
    runtime.events.emit("page.viewed", "nobody-of-that-id", page="runs")
    assert stored(runtime) == []
    with runtime.database.read() as session:
        assert session.get(ProgressRow, ada.id) is None


def test_the_operator_is_nobody(runtime: Runtime) -> None:
    with runtime.database.read() as session:
        operator = session.scalar(select(AccountRow.id).where(AccountRow.is_operator))
    runtime.events.emit("run.ended", operator, status="completed", trigger="manual", funding="free")
    (row,) = stored(runtime)
    assert "visitor" not in row and "plan" not in row and row["status"] == "completed"


def test_stages_are_told_once_each(runtime: Runtime, ada: Account, clock: FixedClock) -> None:
    clock.advance(days=3)
    runtime.events.used("pipeline.created", ada.id)
    for number in range(12):
        status = "failed" if number == 0 else "completed"
        runtime.events.emit("run.ended", ada.id, status=status, trigger="manual", funding="free")
        runtime.events.write_now()
    stages = named(runtime, "stage.reached")
    assert [each["stage"] for each in stages if each["stage"] == "tenth_run"] == ["tenth_run"]
    assert sorted(str(each["stage"]) for each in stages) == [
        "first_completed", "first_pipeline", "first_run", "signed_up", "tenth_run",
    ]  # fmt: skip
    assert {each["days"] for each in stages} == {3}


def test_a_return_is_told_once_a_week(runtime: Runtime, ada: Account, clock: FixedClock) -> None:
    for days in (0, 1, 7, 1, 21):
        clock.advance(days=days)
        runtime.events.emit("page.viewed", ada.id, page="runs")
        runtime.events.write_now()
    told = named(runtime, "person.returned")
    assert sorted((each["cohort"], each["weeks"]) for each in told) == [("2027-01-25", weeks) for weeks in (0, 1, 2, 5)]


def test_what_is_not_declared_is_left_out_and_breaks_nothing(
    runtime: Runtime, ada: Account, capsys: pytest.CaptureFixture[str]
) -> None:
    runtime.events.emit("page.viewed", ada.id, page="Ada's diary")
    runtime.events.emit("diary.read", ada.id)
    assert stored(runtime) == [] and runtime.events.left_out == 2
    assert "diary" not in capsys.readouterr().out.replace("diary.read", "")


def test_switched_off_nothing_is_written(runtime_with: Callable[..., Runtime]) -> None:
    runtime = runtime_with(analytics=False)
    runtime.events.emit("page.viewed", None, page="runs")
    assert stored(runtime) == []


def test_the_thread_writes_by_itself_and_the_rest_is_written_at_the_end(runtime: Runtime, ada: Account) -> None:
    runtime.events.by_itself = True
    for _ in range(5_200):  # a batch is written at once, the rest when the process ends
        runtime.events.emit("page.viewed", ada.id, page="runs")
    runtime.events.close()
    assert len(named(runtime, "page.viewed")) == 5_200
    runtime.events.emit("page.viewed", ada.id, page="runs")
    assert len(named(runtime, "page.viewed")) == 5_200


def test_the_order_of_events_is_not_kept(runtime: Runtime, ada: Account) -> None:
    steps = [10, 15, 20, 30, 50, 70, 100, 150, 200, 300, 500, 700]
    for size in steps:
        runtime.events.emit("page.viewed", ada.id, page="runs", duration_ms=size)
    assert [each["duration_ms"] for each in named(runtime, "page.viewed")] != steps


def test_who_objects_while_a_batch_is_made_ready_is_left_out(
    runtime: Runtime, ada: Account, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    bea = create_account(runtime, email="bea@example.org", password=PASSWORD)
    for person in (ada, bea):
        runtime.events.emit("page.viewed", person.id, page="runs")
    looked = recording._counted

    def object_after_the_first_look(*arguments: Any) -> Any:
        monkeypatch.setattr(recording, "_counted", looked)
        seen = looked(*arguments)
        with runtime.database.write() as session:
            session.get_one(AccountRow, ada.id).objected_at = clock.now()
        return seen

    monkeypatch.setattr(recording, "_counted", object_after_the_first_look)
    assert len({each["visitor"] for each in stored(runtime)}) == 1 and len(named(runtime, "page.viewed")) == 1
    with runtime.database.read() as session:
        assert session.get(ProgressRow, ada.id) is None and session.get(ProgressRow, bea.id) is not None


def test_an_objection_that_is_being_written_is_waited_for(runtime: Runtime, ada: Account, clock: FixedClock) -> None:
    runtime.events.emit("page.viewed", ada.id, page="runs")
    writing = threading.Thread(target=runtime.events.write_now)
    waited = runtime.database.waits
    with runtime.database.write() as session:
        session.get_one(AccountRow, ada.id).objected_at = clock.now()
        session.flush()
        writing.start()
        poll_until(lambda: not writing.is_alive() or _somebody_waits(runtime, waited), 20, "nobody waits")
        assert writing.is_alive()
    writing.join()
    assert stored(runtime) == []


def _somebody_waits(runtime: Runtime, waited: int) -> bool:
    if runtime.database.is_sqlite:
        return runtime.database.waits > waited
    locked = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    with runtime.database.connect() as connection:
        return bool(connection.scalar(text(locked)))
