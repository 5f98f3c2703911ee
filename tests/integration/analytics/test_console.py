"""The console: who may ask, how many at once, what is kept of it, and what becomes of its copies."""

import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest
from sqlalchemy import select, text

from core.accounts.audit import list_acts, verify_audit
from core.accounts.commands import create_account
from core.accounts.domain import SessionView
from core.analytics.commands import flush
from core.analytics.console import commands, copies
from core.analytics.console.commands import AT_ONCE, ask, clean_up
from core.analytics.console.domain import KEPT_DAYS, LONGEST, NAME, Answer, ConsoleBusy, Found, Limits
from core.analytics.console.downloads import as_csv, as_parquet
from core.analytics.console.models import ConsoleQueryRow
from core.analytics.console.queries import my_queries
from core.analytics.relations import RELATIONS
from core.platform.runtime import Runtime
from core.privacy.advance import LEASE, advance_request
from core.privacy.erasure.commands import begin_erasure
from core.privacy.models import PrivacyRequestRow
from core.privacy.retention.sweep import sweep
from core.shared.errors import Forbidden, InvalidInput
from tests.conftest import PASSWORD
from tests.support.clock import FixedClock

DAYS = "SELECT count(*), count(DISTINCT day) FROM events WHERE event = 'page.viewed'"
HUGE = "SELECT 170141183460469231731687303715884105727 AS h, 1 AS h"
COLUMNS = "SELECT table_name, column_name, data_type, comment FROM duckdb_columns()"
PATIENT = Limits(seconds=20)
Admins = Callable[..., SessionView]


@pytest.fixture
def runtime(runtime_with: Callable[..., Runtime], database_settings: dict[str, str], clock: FixedClock) -> Runtime:
    return runtime_with(**database_settings, clock=clock)


@pytest.fixture
def quiet(runtime_with: Callable[..., Runtime], clock: FixedClock) -> Runtime:
    """On SQLite, for what does not touch SQL itself."""
    return runtime_with(clock=clock)


@pytest.fixture
def root(runtime: Runtime, admin_of: Admins) -> SessionView:
    return admin_of(runtime)


def use(runtime: Runtime, people: int = 6, page: str = "runs") -> None:
    for number in range(people):
        email = f"p{number}@example.org"
        with runtime.database.read() as session:
            known = session.scalar(text("SELECT count(*) FROM accounts")) or 0
        if known < people + 2:
            create_account(runtime, email=f"{known}-{email}", password=PASSWORD)
    with runtime.database.read() as session:
        ids = session.scalars(text("SELECT id FROM accounts WHERE roles = '' AND NOT is_operator")).all()
    for account_id in ids[:people]:
        runtime.events.emit("page.viewed", account_id, page=page, duration_ms=33)
    runtime.events.write_now()


def rows_of(answer: Answer) -> Any:
    assert answer.found.problem is None, answer.found.problem
    return [*answer.found.rows]


def kept(runtime: Runtime) -> list[ConsoleQueryRow]:
    with runtime.database.read() as session:
        return [*session.scalars(select(ConsoleQueryRow).order_by(ConsoleQueryRow.created_at, ConsoleQueryRow.id))]


def test_a_query_is_answered_kept_for_its_admin_and_in_the_audit_log(
    runtime: Runtime, root: SessionView, admin_of: Admins
) -> None:
    use(runtime)
    query = "SELECT page, count(*) AS views FROM events WHERE event = 'page.viewed' GROUP BY ALL -- for Canary Zyxwoman"
    answer = ask(runtime, root, query, limits=PATIENT)
    assert rows_of(answer) == [("runs", 6)]
    assert [(each.name, each.type) for each in answer.found.columns] == [("page", "VARCHAR"), ("views", "BIGINT")]
    assert [part.name for part in answer.parts] == [each.name for each in RELATIONS]
    assert (answer.parts[0].name, answer.parts[0].cut) == ("events", "")
    (mine,) = my_queries(runtime, root)
    assert (mine.query, mine.outcome, mine.rows, mine.days) == (query, "answered", 1, 90)
    (act,) = list_acts(runtime, 10, act="analytics.queried").items
    assert (act.actor_id, act.details["query"], act.details["outcome"]) == (root.account.id, mine.id, "answered")
    assert (act.details["length"], act.details["rows"]) == (len(query), 1)
    assert "Zyxwoman" not in json.dumps(dict(act.details)) and b"Zyxwoman" not in kept(runtime)[0].query
    assert my_queries(runtime, admin_of(runtime, "other")) == ()
    assert not verify_audit(runtime).problems


def test_every_way_a_query_ends_is_recorded(runtime: Runtime, root: SessionView, clock: FixedClock) -> None:
    tried = {
        "SELECT 1": "answered",
        "SELEC 1": "failed",
        "COPY events TO 'x'": "refused",
        "SELECT count(*) FROM range(1000000000000)": "stopped",
        "SELECT '\0'": "refused",
        f"SELECT '{'a' * LONGEST}'": "refused",
    }
    for query in tried:
        clock.advance(seconds=1)
        ask(runtime, root, query, limits=Limits(seconds=2))
    assert [row.outcome for row in kept(runtime)] == [*tried.values()]
    acts = list_acts(runtime, 10, act="analytics.queried").items
    assert [act.details["outcome"] for act in reversed(acts)] == [*tried.values()]
    assert acts[0].details["length"] == LONGEST + 9 and len(my_queries(runtime, root)[0].query) == LONGEST


def test_what_breaks_before_it_runs_is_recorded_as_well(
    quiet: Runtime, admin_of: Admins, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = admin_of(quiet)

    def broken(*_: object) -> None:
        raise OSError("no process")

    monkeypatch.setattr(commands, "run_query", broken)
    with pytest.raises(OSError, match="no process"):
        ask(quiet, root, "SELECT 1")
    assert [row.outcome for row in kept(quiet)] == ["failed"]
    assert len(list_acts(quiet, 10, act="analytics.queried").items) == 1
    monkeypatch.undo()
    assert rows_of(ask(quiet, root, "SELECT 1", limits=PATIENT)) == [(1,)], "its place is free again"


@pytest.mark.parametrize("roles", [("accounting",), ("privacy_admin",), ("accounting", "privacy_admin")])
def test_only_an_admin_may_ask(quiet: Runtime, admin_of: Admins, roles: tuple[str, ...]) -> None:
    other = admin_of(quiet, "other", *roles)
    for call in (lambda: ask(quiet, other, "SELECT 1"), lambda: my_queries(quiet, other)):
        with pytest.raises(Forbidden):
            call()
    assert kept(quiet) == []
    with pytest.raises(InvalidInput):
        ask(quiet, admin_of(quiet), "SELECT 1", days=91)


def test_ten_at_once_are_two_and_one_an_admin_and_the_others_are_told_at_once(
    quiet: Runtime, admin_of: Admins, monkeypatch: pytest.MonkeyPatch
) -> None:
    admins = [admin_of(quiet, f"admin{number}") for number in range(5)]
    inside, go = threading.Semaphore(0), threading.Event()
    outcomes: list[str] = []

    def held(*_: object) -> tuple[Found, float]:
        inside.release()
        assert go.wait(60)
        return Found("answered"), 0.0

    def one(by: SessionView) -> None:
        try:
            outcomes.append(ask(quiet, by, "SELECT 1").found.outcome)
        except ConsoleBusy as busy:
            outcomes.append(busy.code)

    monkeypatch.setattr(commands, "run_query", held)
    first = [threading.Thread(target=one, args=(by,)) for by in admins[:AT_ONCE]]
    for thread in first:
        thread.start()
    for _ in first:
        assert inside.acquire(timeout=60)
    for by in [*admins, *admins[2:]]:
        one(by)
    assert outcomes == ["CONSOLE_BUSY"] * 8
    with pytest.raises(ConsoleBusy, match="Your query before"):
        ask(quiet, admins[0], "SELECT 1")
    go.set()
    for thread in first:
        thread.join()
    assert outcomes[8:] == ["answered"] * AT_ONCE
    monkeypatch.undo()
    assert rows_of(ask(quiet, admins[3], "SELECT 1", limits=PATIENT)) == [(1,)]
    assert len(kept(quiet)) == AT_ONCE + 1


def test_a_copy_serves_until_there_is_other_data_and_is_for_nobody_else_to_read(
    quiet: Runtime, admin_of: Admins
) -> None:
    root = admin_of(quiet)
    use(quiet)
    taken = copies.copies_of(quiet)
    today = quiet.clock.now().date()
    with taken.take(quiet, today, today) as one, taken.take(quiet, today, today) as two:
        assert one is two
        assert (one.folder.stat().st_mode & 0o777, (one.folder / NAME).stat().st_mode & 0o777) == (0o700, 0o600)
        assert (one.folder.parent.stat().st_mode & 0o777) == 0o700
    count = "SELECT count(*) FROM events WHERE event = 'page.viewed'"
    assert rows_of(ask(quiet, root, count, limits=PATIENT)) == [(6,)]
    use(quiet)
    assert rows_of(ask(quiet, root, count, limits=PATIENT)) == [(12,)]
    flush(quiet)
    assert rows_of(ask(quiet, root, count, limits=PATIENT)) == [(12,)]
    left = [each for each in (quiet.settings.data_dir / "console").iterdir() if each.is_dir()]
    assert len(left) == 2, "the day, and the 90 days: what stood for other data is gone"
    taken.delete_all()
    assert not [each for each in (quiet.settings.data_dir / "console").iterdir() if each.is_dir()]


def test_a_copy_that_is_asked_is_not_deleted_and_an_old_one_is(quiet: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    taken, today = copies.copies_of(quiet), quiet.clock.now().date()
    monkeypatch.setattr(copies, "KEPT_SECONDS", 0.0)
    with taken.take(quiet, today, today) as copy:
        taken.sweep()
        assert copy.folder.exists()
    assert not copy.folder.exists()


def test_what_a_killed_process_left_is_deleted_and_its_query_recorded(
    runtime: Runtime, root: SessionView, clock: FixedClock
) -> None:
    use(runtime)
    left = runtime.settings.data_dir / "console" / "0123"
    left.mkdir(parents=True)
    (left / NAME).write_bytes(b"half a copy")
    today = clock.now().date()
    with runtime.database.write() as session:
        session.add(
            ConsoleQueryRow(
                id="lost", owner_id=root.account.id, query=b"x", days=90, outcome="running", created_at=clock.now()
            )
        )
    with copies.copies_of(runtime).take(runtime, today, today) as copy:
        assert not left.exists() and copy.folder.exists()
        left.mkdir()
        assert clean_up(runtime) == 1 and copy.folder.exists() and not left.exists()
    clock.advance(hours=1)
    assert clean_up(runtime) == 1 and clean_up(runtime) == 0
    (act,) = list_acts(runtime, 10, act="analytics.queried").items
    assert (act.actor_id, act.details) == (root.account.id, {"query": "lost", "outcome": "lost"})
    assert [row.outcome for row in kept(runtime)] == ["lost"]


def test_history_is_kept_90_days_and_goes_with_its_admin(
    runtime: Runtime, root: SessionView, admin_of: Admins, clock: FixedClock
) -> None:
    other = admin_of(runtime, "other")
    ask(runtime, root, "SELECT 1", limits=PATIENT)
    clock.advance(days=1)
    ask(runtime, other, "SELECT 2", limits=PATIENT)
    clock.advance(days=KEPT_DAYS - 1)
    sweep(runtime, clock.now())
    assert len(kept(runtime)) == 2
    clock.advance(minutes=1)
    sweep(runtime, clock.now())
    assert [row.owner_id for row in kept(runtime)] == [other.account.id]
    erase(runtime, clock, begin_erasure(runtime, other.account.email))
    assert kept(runtime) == []


def erase(runtime: Runtime, clock: FixedClock, request_id: str) -> None:
    """Carry an erasure on as the scheduler does, until it is closed."""
    for _ in range(60):
        advance_request(runtime, request_id)
        with runtime.database.read() as session:
            row = session.get_one(PrivacyRequestRow, request_id)
        if row.status == "closed":
            return
        clock.advance(seconds=(row.wake_at - clock.now()).total_seconds() if row.wake_at else LEASE.total_seconds() + 1)
    raise AssertionError(f"still {row.status}")


def test_too_many_rows_are_cut_by_whole_days_and_told(
    quiet: Runtime, admin_of: Admins, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = admin_of(quiet)
    for _ in range(3):
        use(quiet)
        clock.advance(days=1)
    monkeypatch.setattr(copies, "MOST_ROWS", 18)
    answer = ask(quiet, root, DAYS, limits=PATIENT)
    assert rows_of(answer) == [(12, 2)] and answer.parts[0].cut == "days"
    monkeypatch.setattr(copies, "MOST_ROWS", 4)
    answer = ask(quiet, root, "SELECT count(*) FROM events", days=30, limits=PATIENT)
    assert answer.parts[0].cut == "rows" and rows_of(answer) == [(4,)]


def test_the_register_says_what_each_column_is(quiet: Runtime, admin_of: Admins) -> None:
    told = rows_of(ask(quiet, admin_of(quiet), COLUMNS, limits=PATIENT))
    listed = [(each.name, column.name, column.type, column.says) for each in RELATIONS for column in each.columns]
    assert sorted(tuple(row) for row in told if row[3]) == sorted(listed) and all(row[3] for row in listed)
    assert "visitor" not in {column.name for each in RELATIONS for column in each.columns}


def test_an_answer_as_csv_and_as_parquet(quiet: Runtime, admin_of: Admins, tmp_path: Path) -> None:
    query = """SELECT * FROM (VALUES (1, 1.5, 'é,"x"', DATE '2027-01-31',
                                     TIMESTAMP '2027-01-31 10:00:00', true, [1, 2]),
                                     (NULL, NULL, '=1+1', NULL, NULL, NULL, NULL)) AS t(n, d, w, day, moment, yes, l)"""
    found = ask(quiet, admin_of(quiet), query, limits=PATIENT).found
    lines = as_csv(found).split("\r\n")
    assert lines[0] == "n,d,w,day,moment,yes,l" and lines[1].startswith('1,1.5,"é,""x""",2027-01-31,')
    assert lines[2].startswith(",,'=1+1,")
    path = tmp_path / "answer.parquet"
    path.write_bytes(as_parquet(found))
    types = [row[1] for row in duckdb.execute(f"DESCRIBE FROM '{path}'").fetchall()]
    assert types == ["BIGINT", "DOUBLE", "VARCHAR", "DATE", "TIMESTAMP", "BOOLEAN", "VARCHAR"]
    assert duckdb.execute(f"SELECT n, w FROM '{path}'").fetchall() == [(1, 'é,"x"'), (None, "=1+1")]
    huge = ask(quiet, admin_of(quiet, "b"), HUGE, limits=PATIENT).found
    assert as_csv(huge).startswith("h,h_1\r\n170141183460469231731687303715884105727,1")
    assert len(as_parquet(huge)) > 100
