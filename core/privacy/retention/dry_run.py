"""What the next sweep would delete, counted and left where it is."""

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from core.platform.dependents import dependents
from core.platform.runtime import Runtime
from core.privacy.inventory import TableEntry, find_table, tables
from core.privacy.retention.cutoffs import Kept, people, shortest
from core.privacy.retention.holds import held_accounts, holds_of
from core.privacy.retention.rules import AgedStore, aged_stores
from core.privacy.retention.sweep import NO_PLAN, held_rows, held_whole, nobody_holds, without_plan


@dataclass(frozen=True, slots=True)
class DueRows:
    """Rows of a table that are due on a plan (empty: no plan decides). `categories`: of the data in them."""

    table: str
    plan: str
    categories: tuple[str, ...]
    rows: int


def due_rows(runtime: Runtime) -> tuple[DueRows, ...]:
    """Every table and plan with something due; the same conditions as the sweep's."""
    now = runtime.clock.now()
    found: Counter[tuple[str, str]] = Counter()
    for some in people(runtime, now):
        with runtime.database.read() as session:
            for store in aged_stores("plan_logs"):
                _count_people(session, store, some, now, found)
    with runtime.database.read() as session:
        for store in aged_stores("plan_logs"):
            if store.owner.nullable:
                _count(session, store, (store.owner.is_(None), store.anchor < shortest(now)), NO_PLAN, found)
        for store, before in without_plan(now):
            _count(session, store, (store.anchor < before, *nobody_holds(store, now)), NO_PLAN, found)
    known = {entry.name: entry for entry in tables()}
    return tuple(
        DueRows(table, plan, _categories(known[table]), rows) for (table, plan), rows in sorted(found.items()) if rows
    )


def _count_people(
    session: Session, store: AgedStore, some: tuple[Kept, ...], now: datetime, found: Counter[tuple[str, str]]
) -> None:
    held = {each.account_id: holds_of(session, each.account_id, now) for each in _held(session, some, now)}
    free = [each for each in some if each.account_id not in held]
    for (plan, since), group in groupby(sorted(free, key=_group), key=_group):
        owners = [each.account_id for each in group]
        _count(session, store, (store.owner.in_(owners), store.anchor < since), plan, found)
    for each in some:
        holds = held.get(each.account_id)
        if holds is not None and not held_whole(store, holds):
            keep = list(held_rows(session, store, holds))
            where = (store.owner == each.account_id, store.anchor < each.since, store.key.not_in(keep))
            _count(session, store, where, each.plan, found)


def _count(
    session: Session,
    store: AgedStore,
    where: Collection[ColumnElement[bool]],
    plan: str,
    found: Counter[tuple[str, str]],
) -> None:
    due = select(store.key).where(*where, *store.may_go())
    rows = session.scalar(select(func.count()).select_from(due.subquery())) or 0
    if not rows:
        return
    found[store.name, plan] += rows
    for each in dependents(store.name):
        hanging = select(func.count()).select_from(each.table).where(each.among(due))
        found[each.table.name, plan] += session.scalar(hanging) or 0


def _held(session: Session, some: tuple[Kept, ...], now: datetime) -> list[Kept]:
    ids = [each.account_id for each in some]
    accounts = find_table("accounts")
    of_some = (accounts.c.id.in_(ids), accounts.c.id.in_(held_accounts(now)))
    held = set(session.scalars(select(accounts.c.id).where(*of_some)))
    return [each for each in some if each.account_id in held]


def _group(kept: Kept) -> tuple[str, datetime]:
    return kept.plan, kept.since


def _categories(entry: TableEntry) -> tuple[str, ...]:
    return tuple(sorted({field.rules.category for field in entry.fields}))
