"""Acts on a person's credits."""

from core.accounts.audit import record_act
from core.accounts.domain import Account
from core.credits import postings
from core.credits.booking import is_booked
from core.credits.domain import PLANS, month_cause, month_number
from core.platform.runtime import Runtime
from core.shared.money import MICROS


def grant_month(runtime: Runtime, owner: Account) -> None:
    """Grant the plan's credits of the month that began on the person's anchor day; once a month."""
    monthly = PLANS[owner.plan].monthly_credits
    if monthly is None:
        return
    cause = month_cause(owner.id, owner.plan, month_number(owner.created_at, runtime.clock.now()))
    with runtime.database.connect() as connection:  # asked before every run: a look costs no turn among the writers
        if is_booked(connection, "grant", cause):
            return
    with runtime.database.write() as session:
        postings.begin_month(runtime, session, owner.id, micros=monthly * MICROS, cause=cause)


def set_credits(runtime: Runtime, owner: Account, *, micros: int) -> None:
    """Bring what is available to an amount (an operator's act, booked like any other)."""
    with runtime.database.write() as session:
        postings.set_available(runtime, session, owner.id, micros=micros, cause=f"operator:{runtime.ids.new()}")
        record_act(runtime, session, "credits.set", actor_id=None, subject_id=owner.id, micros=micros)
