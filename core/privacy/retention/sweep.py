"""The nightly sweep: every log whose time is over goes, in batches that keep nobody waiting.

People are taken some hundred at a time; who has nothing old costs one look at an index. Each transaction asks again
whether it may: who asked for a restriction, got another plan or a legal hold since is left alone. Killed anywhere, the
next sweep finds what is left. What people restricted, what is held, and what has not ended stays.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from datetime import datetime, timedelta
from functools import cache
from itertools import groupby
from typing import Any, cast

from sqlalchemy import ColumnElement, Select, bindparam, delete, exists, literal, select
from sqlalchemy.engine import CursorResult
from sqlalchemy.orm import Session

from core.execution.run_retention import delete_runs
from core.platform.annotations import Retention
from core.platform.dependents import dependents
from core.platform.files.commands import delete_unused
from core.platform.logging import get_logger
from core.platform.mail.commands import delete_old_filed
from core.platform.pace import Pace
from core.platform.runtime import Runtime
from core.privacy.inventory import find_table
from core.privacy.retention.books import delete_old_books
from core.privacy.retention.cutoffs import Kept, kept_since, lowered, people, shortest
from core.privacy.retention.holds import Holds, counting, end_lapsed_holds, holds_of, mark_of_holds
from core.privacy.retention.reports import begin_report, finish_report
from core.privacy.retention.rules import DAYS, PROOF_MONTHS, AgedStore, aged_stores
from core.privacy.retention.scope import rows_free
from core.shared.months import months_after

Counts = dict[tuple[str, str], int]
"""Rows by table and plan; the plan is empty for what no plan decides."""
NO_PLAN = ""
log = get_logger("retention")


def sweep(runtime: Runtime, now: datetime) -> int:
    """Delete all whose time was over at a moment, and keep the counts; returns how many rows and files."""
    report = begin_report(runtime)
    found: Counter[tuple[str, str]] = Counter()
    end_lapsed_holds(runtime)
    for some in people(runtime, now):
        for store in aged_stores("plan_logs"):
            for kept in _with_old(runtime, store, some):
                for table, number in _sweep_person(runtime, store, kept, now).items():
                    found[table, kept.plan] += number
    pace = Pace(runtime.database)
    for store in aged_stores("plan_logs"):
        if store.owner.nullable:
            nobodys = (store.owner.is_(None), store.anchor < shortest(now))
            _add(found, delete_rows(runtime, store, nobodys, pace=pace))
    for store, before in without_plan(now):
        where = (store.anchor < before, *nobody_holds(store, now))
        _add(found, delete_rows(runtime, store, where, pace=pace))
    _add(found, delete_old_books(runtime, now, pace=pace))
    _add(found, {"mail_folder": delete_old_filed(runtime, before=shortest(now))})
    finish_report(runtime, report, found)
    total = sum(found.values())
    log.info("retention.swept", deleted=total)
    return total


def without_plan(now: datetime) -> Iterator[tuple[AgedStore, datetime]]:
    """The stores whose time no plan decides, and the moment before which their rows are over."""
    for retention, before in (("proof_5_years", months_after(now, -PROOF_MONTHS)), ("days_90", now - timedelta(DAYS))):
        for store in aged_stores(cast(Retention, retention)):
            yield store, before


def delete_rows(
    runtime: Runtime,
    store: AgedStore,
    where: Collection[ColumnElement[bool]],
    *,
    guard: Callable[[Session], bool] = lambda _session: True,
    pace: Pace | None = None,
) -> dict[str, int]:
    """Delete rows of a store with what hangs on them, in batches; returns how many of each table."""
    pace, counts = pace or Pace(runtime.database), Counter[str]()
    while True:
        with pace.write() as session:
            some = select(store.key).where(*where, *store.may_go()).limit(max(1, pace.rows // 2))
            ids = list(session.scalars(some.with_for_update(skip_locked=True))) if guard(session) else []
            if ids:
                for each in dependents(store.name):
                    counts[each.table.name] += _number(session.execute(delete(each.table).where(each.of(ids))))
                counts[store.name] += _number(session.execute(delete(store.root).where(store.key.in_(ids))))
        if not ids:
            return {name: number for name, number in counts.items() if number}


def _sweep_person(runtime: Runtime, store: AgedStore, kept: Kept, now: datetime) -> Mapping[str, int]:
    with runtime.database.read() as session:
        holds = holds_of(session, kept.account_id, now)
        keep = held_rows(session, store, holds)
        mark = session.scalar(select(mark_of_holds(literal(kept.account_id)))) or ""
    if held_whole(store, holds):
        return {}

    def may_delete(session: Session) -> bool:
        return _stands_as(session, kept, now, mark)

    owner = kept.account_id
    if store.name == "runs":
        return delete_runs(runtime, owner, before=kept.since, guard=may_delete, keep=keep)
    if store.name == "files":
        return {"files": delete_unused(runtime, owner, before=kept.since, guard=may_delete, keep=keep)}
    where = [store.owner == owner, store.anchor < kept.since]
    if keep:
        where.append(store.key.not_in(list(keep)))
    return delete_rows(runtime, store, where, guard=may_delete)


def held_whole(store: AgedStore, holds: Holds) -> bool:
    """Whether a hold covers a table of a store: its rows go together or not at all."""
    return any(holds.covers(entry) for entry in store.entries)


def held_rows(session: Session, store: AgedStore, holds: Holds) -> frozenset[str]:
    """The ids of rows of a store that are held, themselves or by something that hangs on them."""
    found = set(holds.rows_of(store.name))
    for each in dependents(store.name):
        for row_id in holds.rows_of(each.table.name):
            first = row_id.split("/")[0] if len(each.table.primary_key.columns) > 1 else row_id
            found.update(session.scalars(each.root_of(first)))
    return frozenset(found)


def _with_old(runtime: Runtime, store: AgedStore, some: tuple[Kept, ...]) -> tuple[Kept, ...]:
    """Those of some people who have rows of a store that are older than they are kept."""
    accounts, due = find_table("accounts"), set[str]()
    with runtime.database.read() as session:
        for since, group in groupby(sorted(some, key=lambda each: each.since), key=lambda each: each.since):
            ids = [each.account_id for each in group]
            old = exists().where(store.owner == accounts.c.id, store.anchor < since)
            due.update(session.scalars(select(accounts.c.id).where(accounts.c.id.in_(ids), old)))
    return tuple(each for each in some if each.account_id in due)


@cache
def _standing() -> Select[Any]:
    accounts = find_table("accounts")
    mark = mark_of_holds(bindparam("b_account"))
    columns = (accounts.c.plan, accounts.c.restricted_at, accounts.c.closing_at, mark.label("mark"))
    return select(*columns).where(accounts.c.id == bindparam("b_account")).with_for_update(read=True, of=accounts)


def _stands_as(session: Session, kept: Kept, now: datetime, mark: str) -> bool:
    """Whether a person is still as they were: kept as long, neither restricted nor leaving, nothing more held.

    The row stays locked until the transaction ends: who restricts, raises or holds it meanwhile comes after this batch.
    """
    row = session.connection().execute(_standing(), {"b_account": kept.account_id}).one_or_none()
    if row is None or row.restricted_at is not None or row.closing_at is not None or row.mark != mark:
        return False
    if row.plan == kept.plan:
        return True
    return kept_since(row.plan, now, lowered(session, now).get(kept.account_id)) >= kept.since


def nobody_holds(store: AgedStore, now: datetime) -> tuple[ColumnElement[bool], ...]:
    """The conditions for rows that no hold is on, of people who did not restrict the use of their data."""
    accounts = find_table("accounts")
    at_rest = accounts.c.restricted_at.is_not(None) | accounts.c.closing_at.is_not(None)
    restricted = select(accounts.c.id).where(at_rest)
    return store.owner.not_in(restricted), *rows_free(store, counting(now))


def _add(found: Counter[tuple[str, str]], counts: Mapping[str, int]) -> None:
    for table, number in counts.items():
        found[table, NO_PLAN] += number


def _number(done: object) -> int:
    return cast(CursorResult[Any], done).rowcount
