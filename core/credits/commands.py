"""Acts on a person's credits."""

from typing import cast

from sqlalchemy import Table, bindparam, select

from core.accounts.audit import record_act
from core.accounts.domain import Account
from core.accounts.plans import PLANS
from core.credits import postings
from core.credits.models import CreditAccount
from core.credits.months import begin_due_month
from core.platform.runtime import Runtime

_account = cast(Table, CreditAccount.__table__)
MONTH_ENDS = select(_account.c.month_ends_at).where(_account.c.owner_id == bindparam("b_owner"))


def grant_month(runtime: Runtime, owner: Account) -> None:
    """Grant the plan's credits of the month that began on the person's anchor day; once a month."""
    if PLANS[owner.plan].monthly_credits is None:
        return
    with runtime.database.connect() as connection:  # asked before every run: a look costs no turn among the writers
        ends_at = connection.scalar(MONTH_ENDS, {"b_owner": owner.id})
    if ends_at is None or ends_at <= runtime.clock.now():
        with runtime.database.write() as session:
            begin_due_month(runtime, session, owner)


def set_credits(runtime: Runtime, owner: Account, *, micros: int) -> None:
    """Bring what is available to an amount (an operator's act, booked like any other)."""
    with runtime.database.write() as session:
        postings.set_available(runtime, session, owner.id, micros=micros, cause=f"operator:{runtime.ids.new()}")
        record_act(runtime, session, "credits.set", actor_id=None, subject_id=owner.id, micros=micros)
