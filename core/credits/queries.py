"""Reading balances, and proving that they are the sums of their entries."""

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from core.accounts.domain import Account
from core.accounts.plans import PLANS
from core.credits.booking import ACCOUNTS, STATE
from core.credits.domain import Balance, MovementView, PlannedChange, PlanStanding
from core.credits.models import CreditAccount, LedgerEntry, LedgerTransaction, PlanChange, PlannedPlan
from core.credits.months import due_months
from core.credits.movements import NEWEST, movements, sums_of
from core.credits.price_books import all_books
from core.credits.proof import LedgerProof, Walk
from core.platform.runtime import Runtime
from core.shared.pages import Page


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


def lowered_since(session: Session, moment: datetime) -> dict[str, str]:
    """Whose plan was changed since a moment, to the one of the plans before that kept runs longest."""
    changes = select(PlanChange.owner_id, PlanChange.before).where(PlanChange.created_at > moment)
    found: dict[str, str] = {}
    for owner_id, before in session.execute(changes).tuples():
        known = found.get(owner_id)
        if known is None or PLANS[before].log_days > PLANS[known].log_days:
            found[owner_id] = before
    return found


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
        last = select(LedgerTransaction.number).where(
            LedgerTransaction.id == cursor, LedgerTransaction.owner_id == owner_id
        )
        mine = mine.where(LedgerTransaction.number < last.scalar_subquery())
    with runtime.database.read() as session:
        rows = session.scalars(mine.order_by(LedgerTransaction.number.desc()).limit(limit + 1)).all()
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
    problems: list[str] = []
    count = 0
    books = all_books(runtime)
    with runtime.database.connect() as connection:
        owners = connection.scalars(select(ACCOUNTS.c.owner_id).order_by(ACCOUNTS.c.owner_id)).all()
    for owner_id in owners:
        walk = Walk(books)
        with runtime.database.connect() as connection:  # in this order: others may be booking meanwhile
            newest = connection.execute(NEWEST, {"b_owner": owner_id}).scalar() or 0
            account = connection.execute(STATE, {"b_owner": owner_id}).one()
        for movement in movements(runtime, owner_id, 1, max(newest, account.movements)):
            walk.follow(movement.link, movement.hash, movement.balance_micros)
            if movement.spent_micros != movement.link.amounts.get("spent", 0):
                walk.problems.append(f"movement {movement.link.number} tells another spending than its entries")
        walk.end(account.movements, account.head, sums_of(account))
        count += walk.number
        problems += [
            problem if problem.startswith("transaction") else f"account {owner_id}: {problem}"
            for problem in walk.problems
        ]
    return LedgerProof(count, len(owners), tuple(problems))
