"""Reading balances, and proving that they are the sums of their entries."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from core.accounts.domain import Account
from core.accounts.plans import PLANS
from core.credits.chain import START, Link, hash_link
from core.credits.domain import Balance, MovementView, PlannedChange, PlanStanding
from core.credits.models import CreditAccount, LedgerEntry, LedgerTransaction, PlanChange, PlannedPlan
from core.credits.months import due_months
from core.platform.runtime import Runtime
from core.shared.clock import iso_z
from core.shared.pages import Page


@dataclass(frozen=True, slots=True)
class LedgerProof:
    """What `verify_ledger` found: figures, and a line for each thing wrong."""

    transactions: int
    owners: int
    problems: tuple[str, ...]


def balance(runtime: Runtime, owner: Account) -> Balance:
    """A person's credits now."""
    with runtime.database.read() as session:
        row = session.get(CreditAccount, owner.id)
    unlimited = PLANS[owner.plan].monthly_credits is None
    if row is None:
        return Balance(0, 0, 0, 0, 0, unlimited)
    used = row.spent_micros - (row.month_began_micros or 0)
    began = row.available_micros + row.held_micros + used
    return Balance(row.available_micros, row.granted_micros, began, row.held_micros, row.spent_micros, unlimited)


def plan_standing(runtime: Runtime, owner: Account) -> PlanStanding:
    """A person's plan, since when, and what was announced."""
    changed = select(PlanChange.created_at).where(PlanChange.owner_id == owner.id, PlanChange.plan == owner.plan)
    with runtime.database.read() as session:
        since = session.scalar(changed.order_by(PlanChange.id.desc()).limit(1))
        planned = session.get(PlannedPlan, owner.id)
        ends_at = session.scalar(select(CreditAccount.month_ends_at).where(CreditAccount.owner_id == owner.id))
    then = None if planned is None else PlannedChange(planned.plan, planned.at, PLANS[owner.plan], PLANS[planned.plan])
    counts = PLANS[owner.plan].monthly_credits is not None
    return PlanStanding(owner.plan, since or owner.created_at, then, ends_at if counts else None)


def has_due_months(runtime: Runtime, now: datetime) -> bool:
    """Whether somebody's month of credits is to be granted."""
    with runtime.database.read() as session:
        return session.scalar(due_months(now).limit(1)) is not None


def has_due_plans(runtime: Runtime, now: datetime) -> bool:
    """Whether the day of some announced plan has come."""
    with runtime.database.read() as session:
        return session.scalar(select(PlannedPlan.owner_id).where(PlannedPlan.at <= now).limit(1)) is not None


def list_ledger(runtime: Runtime, owner_id: str, limit: int, cursor: str | None = None) -> Page[MovementView]:
    """A person's movements, newest first. `cursor` is the id of the last one seen."""
    mine = select(LedgerTransaction).where(LedgerTransaction.owner_id == owner_id)
    if cursor is not None:
        mine = mine.where(LedgerTransaction.id < cursor)
    with runtime.database.read() as session:
        rows = session.scalars(mine.order_by(LedgerTransaction.id.desc()).limit(limit + 1)).all()
        shown = rows[:limit]
        entries = session.scalars(
            select(LedgerEntry)
            .where(LedgerEntry.transaction_id.in_([row.id for row in shown]))
            .order_by(LedgerEntry.transaction_id, LedgerEntry.position)
        ).all()
    amounts: dict[str, dict[str, int]] = {row.id: {} for row in shown}
    for entry in entries:
        amounts[entry.transaction_id][entry.account] = entry.amount_micros
    views = tuple(
        MovementView(row.id, row.kind, row.cause, row.price_version, amounts[row.id], row.created_at) for row in shown
    )
    return Page(views, shown[-1].id if len(rows) > limit else None)


def verify_ledger(runtime: Runtime) -> LedgerProof:
    """Check that every transaction sums to zero, every cached balance is the sum of its entries, every chain holds."""
    with runtime.database.read() as session:
        sums = session.execute(
            select(LedgerEntry.transaction_id, func.sum(LedgerEntry.amount_micros)).group_by(LedgerEntry.transaction_id)
        ).all()
        problems = [f"transaction {key} sums to {total}" for key, total in sums if total != 0]
        owners = session.scalars(select(CreditAccount)).all()
        for owner in owners:
            problems += _compare(session, owner)
            problems += _follow(session, owner)
    return LedgerProof(len(sums), len(owners), tuple(problems))


def _compare(session: Session, owner: CreditAccount) -> list[str]:
    totals = dict(
        session.execute(
            select(LedgerEntry.account, func.sum(LedgerEntry.amount_micros))
            .where(LedgerEntry.owner_id == owner.owner_id)
            .group_by(LedgerEntry.account)
        )
        .tuples()
        .all()
    )
    expected = {
        "available": owner.available_micros,
        "held": owner.held_micros,
        "spent": owner.spent_micros,
        "granted": -owner.granted_micros,
        "purchased": -owner.purchased_micros,
        "expired": owner.expired_micros,
    }
    return [
        f"account {owner.owner_id}: {name} is {value}, its entries sum to {totals.get(name, 0)}"
        for name, value in expected.items()
        if totals.get(name, 0) != value
    ]


def _follow(session: Session, owner: CreditAccount) -> list[str]:
    """Walk a person's chain from its beginning."""
    mine = select(LedgerTransaction).where(LedgerTransaction.owner_id == owner.owner_id)
    entries = select(LedgerEntry).where(LedgerEntry.owner_id == owner.owner_id)
    amounts: dict[str, dict[str, int]] = {}
    for entry in session.scalars(entries):
        amounts.setdefault(entry.transaction_id, {})[entry.account] = entry.amount_micros
    head, count = START, 0
    for row in session.scalars(mine.order_by(LedgerTransaction.number)):
        count += 1
        head = hash_link(head, link_of(row, amounts.get(row.id, {})))
        if (row.number, row.hash) != (count, head):
            return [f"account {owner.owner_id}: movement {row.number} does not follow from the one before it"]
    if (count, head) != (owner.movements, owner.head):
        return [f"account {owner.owner_id}: its chain should end with movement {owner.movements}, not {count}"]
    return []


def link_of(row: LedgerTransaction, amounts: Mapping[str, int]) -> Link:
    """What the hash of a movement covers."""
    at = iso_z(row.created_at)
    return Link(row.number, row.id, row.kind, row.cause, row.month, row.price_version, at, amounts)
