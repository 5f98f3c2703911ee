"""Asking: who may, how many at once, within which limits, and what is kept of it.

A query stands in the history before it runs, and in the audit log when it ends, by its id, its length and how it ended.
A query whose process died is put there by `end_lost`. What was never run (no admin, busy) is in neither.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from threading import Lock
from time import monotonic

from sqlalchemy import select, update

from core.accounts.audit import record_act
from core.accounts.domain import SessionView
from core.accounts.roles import check_admin
from core.analytics.console.copies import copies_of, delete_left_copies
from core.analytics.console.domain import (
    DAYS,
    DEFAULT_DAYS,
    LIMITS,
    LONGEST,
    Answer,
    ConsoleBusy,
    Found,
    Limits,
    Part,
    Problem,
)
from core.analytics.console.exchange import run_query
from core.analytics.console.models import ConsoleQueryRow
from core.platform.logging import get_logger
from core.platform.runtime import Runtime
from core.shared.errors import InvalidInput

AT_ONCE = 2
"""Queries of a process, of all admins together; and one of each."""
LOST_AFTER = timedelta(minutes=15)
ACT = "analytics.queried"

log = get_logger("analytics")
_asking: set[str] = set()
_lock = Lock()


def ask(runtime: Runtime, by: SessionView, query: str, *, days: int = DEFAULT_DAYS, limits: Limits = LIMITS) -> Answer:
    """Ask the relations of the newest days. What goes wrong with the query is in the answer.

    Raises Forbidden for who is no admin, ConsoleBusy, InvalidInput for days that cannot be chosen, and
    InvariantViolated where no process could be started.
    """
    check_admin(runtime, by)
    if days not in DAYS:
        raise InvalidInput("CONSOLE_DAYS", "Choose one of the ranges of days.", field="days")
    with _place(by.account.id):
        query_id = _begin(runtime, by, query, days)
        found, parts, seconds = Found("failed"), tuple[Part, ...](), 0.0
        try:
            found, parts, seconds = _run(runtime, query, days, limits)
        finally:
            took = round(seconds * 1000)
            _end(runtime, by.account.id, query_id, len(query), found, took)
        return Answer(query_id, query, found, parts, took)


def delete_copies(runtime: Runtime) -> None:
    """Delete the copies of this process, which ends."""
    copies_of(runtime).delete_all()


def clean_up(runtime: Runtime) -> int:
    """Put right what processes left that died: their copies, and queries without an end; answers how many."""
    return delete_left_copies(runtime) + end_lost(runtime)


def end_lost(runtime: Runtime) -> int:
    """Note the queries whose process died before they ended; answers how many."""
    before = runtime.clock.now() - LOST_AFTER
    wanted = select(ConsoleQueryRow).where(ConsoleQueryRow.outcome == "running", ConsoleQueryRow.created_at < before)
    with runtime.database.write() as session:
        rows = session.scalars(wanted.with_for_update(skip_locked=True)).all()
        for row in rows:
            row.outcome = "lost"
        session.flush()
        for row in rows:
            record_act(runtime, session, ACT, actor_id=row.owner_id, query=row.id, outcome="lost")
    return len(rows)


def _run(runtime: Runtime, query: str, days: int, limits: Limits) -> tuple[Found, tuple[Part, ...], float]:
    problem = _unreadable(query)
    if problem is not None:
        return Found("refused", problem=problem), (), 0.0
    last = runtime.clock.now().date()
    began = monotonic()
    with copies_of(runtime).take(runtime, last - timedelta(days=days - 1), last) as copy:
        prepared = monotonic() - began
        found, seconds = run_query(copy.folder, query, limits)
        parts = copy.parts
    log.info("analytics.queried", outcome=found.outcome, prepared_ms=round(prepared * 1000), ms=round(seconds * 1000))
    return found, parts, seconds


def _unreadable(query: str) -> Problem | None:
    if len(query) > LONGEST:
        return Problem(f"A query has at most {LONGEST:,} characters, and this has {len(query):,}.")
    if "\0" in query:
        before = query[: query.index("\0")]
        return Problem("The query holds a character that is no text (NUL). Take it out.", before.count("\n") + 1)
    return None


@contextmanager
def _place(account_id: str) -> Iterator[None]:
    """A place among the queries under way, at once or not at all."""
    with _lock:
        if account_id in _asking or len(_asking) >= AT_ONCE:
            raise ConsoleBusy(own=account_id in _asking)
        _asking.add(account_id)
    try:
        yield
    finally:
        with _lock:
            _asking.discard(account_id)


def _begin(runtime: Runtime, by: SessionView, query: str, days: int) -> str:
    query_id, owner_id = runtime.ids.new(), by.account.id
    row = ConsoleQueryRow(
        id=query_id,
        owner_id=owner_id,
        query=runtime.vault.seal(owner_id, place_of(query_id), query[:LONGEST].encode("utf-8", "replace")),
        days=days,
        outcome="running",
        created_at=runtime.clock.now(),
    )
    with runtime.database.write() as session:
        session.add(row)
    return query_id


def _end(runtime: Runtime, owner_id: str, query_id: str, length: int, found: Found, milliseconds: int) -> None:
    rows = len(found.rows)
    mine = update(ConsoleQueryRow).where(ConsoleQueryRow.id == query_id)
    with runtime.database.write() as session:
        session.execute(mine.values(outcome=found.outcome, rows=rows, milliseconds=milliseconds))
        record_act(
            runtime, session, ACT,
            actor_id=owner_id, query=query_id, length=length, outcome=found.outcome, rows=rows, ms=milliseconds,
        )  # fmt: skip


def place_of(query_id: str) -> str:
    """Where the text of a query is sealed."""
    return f"console_queries.query:{query_id}"
