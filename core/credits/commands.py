"""Acts on a person's credits."""

from typing import cast

from sqlalchemy import Select, Table, bindparam, select

from core.accounts.audit import record_act
from core.accounts.domain import Account, SessionView
from core.accounts.plans import PLANS
from core.accounts.queries import account_of
from core.accounts.roles import check_admin
from core.credits import postings
from core.credits.gifts import gift_micros
from core.credits.models import CreditAccount, PlannedPlan
from core.credits.months import begin_due_month, due_months
from core.credits.plan_changes import apply_planned, set_plan
from core.platform.logging import get_logger
from core.platform.runtime import Runtime
from core.shared.errors import Conflict

_account = cast(Table, CreditAccount.__table__)
MONTH_ENDS = select(_account.c.month_ends_at).where(_account.c.owner_id == bindparam("b_owner"))
BATCH = 500

log = get_logger("credits")


def grant_month(runtime: Runtime, owner: Account) -> None:
    """Grant the plan's credits of the month that began on the person's anchor day; once a month."""
    if PLANS[owner.plan].monthly_credits is None:
        return
    with runtime.database.connect() as connection:  # asked before every run: a look costs no turn among the writers
        ends_at = connection.scalar(MONTH_ENDS, {"b_owner": owner.id})
    if ends_at is None or ends_at <= runtime.clock.now():
        with runtime.database.write() as session:
            begin_due_month(runtime, session, owner)


def grant_due_months(runtime: Runtime) -> int:
    """Grant every month that began; returns how many. Who was looked after meanwhile is left out."""
    granted, last = 0, ""
    while owners := _next_owners(runtime, due_months(runtime.clock.now()), last):
        for owner_id in owners:
            try:
                with runtime.database.write() as session:
                    granted += begin_due_month(runtime, session, account_of(runtime, session, owner_id))
            except Exception as error:  # one person who cannot be dealt with keeps nobody else waiting
                log.error("month.failed", account_id=owner_id, exc_info=error)
        last = owners[-1]
    return granted


def apply_due_plans(runtime: Runtime) -> int:
    """Change the plans whose announced day has come; returns how many."""
    changed, now = 0, runtime.clock.now()
    with runtime.database.read() as session:
        due = session.scalars(select(PlannedPlan.owner_id).where(PlannedPlan.at <= now)).all()
    for owner_id in due:
        try:
            with runtime.database.write() as session:
                changed += apply_planned(runtime, session, owner_id)
        except Exception as error:
            log.error("plan.failed", account_id=owner_id, exc_info=error)
    return changed


def change_plan(runtime: Runtime, owner: Account, plan: str, *, by: SessionView | None = None) -> bool:
    """Give a person a plan now: an admin's act, or (without `by`) the command line's. False where they have it.

    Raises Forbidden for who is no admin or did not enter the password lately, Conflict where payment decides.
    """
    if by is not None:
        check_admin(runtime, by, confirmed=True)
        if runtime.settings.stripe_secret_key:
            raise Conflict(
                "PLAN_IS_PAID",
                "Plans are bought here: what is paid for decides. Nothing was changed. The command line can set a plan "
                "that is not paid for: stepiq user plan EMAIL --set PLAN.",
            )
    actor_id = by.account.id if by is not None else None
    with runtime.database.write() as session:
        cause = f"operator:{runtime.ids.new()}"
        return set_plan(runtime, session, owner.id, plan, cause=cause, actor_id=actor_id)


def set_credits(runtime: Runtime, owner: Account, *, micros: int) -> None:
    """Bring what is available to an amount (an operator's act, booked like any other)."""
    with runtime.database.write() as session:
        postings.set_available(runtime, session, owner.id, micros=micros, cause=f"operator:{runtime.ids.new()}")
        record_act(runtime, session, "credits.set", actor_id=None, subject_id=owner.id, micros=micros)


def give_credits(runtime: Runtime, by: SessionView, account_id: str, credits: float, why: str) -> int:
    """Give a person credits that do not end with the month, or (below zero) take back what is not used of them.

    `why` is one of `GIFTS`: the ledger and the audit log hold declared words only. Answers the micro-credits that were
    moved. Raises Forbidden, InvalidInput, NotFound.
    """
    check_admin(runtime, by, confirmed=True)
    micros = gift_micros(credits, why)
    with runtime.database.write() as session:
        account_of(runtime, session, account_id)  # no credit account is opened for who is not there
        cause = f"admin:{why}:{runtime.ids.new()}"
        if micros > 0:
            postings.grant(runtime, session, account_id, micros=micros, cause=cause)
        else:
            micros = -postings.take_back(runtime, session, account_id, at_most=-micros, cause=cause)
        record_act(
            runtime, session, "credits.granted",
            actor_id=by.account.id, subject_id=account_id, micros=micros, why=why,
        )  # fmt: skip
    return micros


def _next_owners(runtime: Runtime, due: Select[str], after: str) -> list[str]:
    """Some more people, in the order of their ids: who could not be dealt with is not met again."""
    owner_id = due.selected_columns[0]
    with runtime.database.read() as session:
        return list(session.scalars(due.where(owner_id > after).limit(BATCH)))
