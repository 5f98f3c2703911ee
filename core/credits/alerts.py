"""Usage alerts: a mail when half, four fifths and all of a month's credits are used, written with the settlement.

The settlement holds the person's row, so of those that go on at the same time exactly one crosses a threshold. Plans
without a limit never come here.
"""

from typing import cast

from sqlalchemy import Table, bindparam, select
from sqlalchemy.orm import Session

from core.accounts.plans import PLANS
from core.accounts.queries import account_of
from core.credits.domain import crossed_percent
from core.credits.models import CreditAccount
from core.platform.mail.postings import enqueue_mail
from core.platform.runtime import Runtime
from core.shared.money import format_credits

USAGE = "/app/usage"
_account = cast(Table, CreditAccount.__table__)
MONTH = select(
    (_account.c.spent_micros - _account.c.month_began_micros).label("used"),
    _account.c.month_granted_micros.label("granted"),
    _account.c.month_ends_at,
    _account.c.month_plan,
).where(_account.c.owner_id == bindparam("b_owner"))


def alert_usage(runtime: Runtime, session: Session, owner_id: str, plan: str, spent: int) -> None:
    """Mail the highest threshold that the last `spent` micro-credits crossed; once a threshold and month.

    The share is of what the month was granted, a raised plan's top-up included; who is raised is told anew.
    Joins the transaction that booked them, after it did.
    """
    if PLANS[plan].monthly_credits is None:
        return
    month = session.connection().execute(MONTH, {"b_owner": owner_id}).one_or_none()
    if month is None or not month.granted or month.used is None or month.month_ends_at <= runtime.clock.now():
        return  # of a month that is over nothing is left to look after
    percent = crossed_percent(month.used - spent, month.used, month.granted)
    if percent is None:
        return
    account = account_of(runtime, session, owner_id)
    if not account.email or PLANS[account.plan].monthly_credits is None:
        return
    values = {
        "percent": str(percent),
        "used": format_credits(month.used),
        "granted": format_credits(month.granted),
        "renews": f"{month.month_ends_at:%Y-%m-%d}",
        "usage_url": runtime.settings.public_url + USAGE,
    }
    ends = f"{month.month_ends_at:%Y-%m-%d}"
    enqueue_mail(
        runtime, session, kind="usage_alert", to=account.email, values=values,
        cause=f"usage_alert:{owner_id}:{month.month_plan}:{ends}:{percent}", account_id=owner_id,
        language=account.language,
    )  # fmt: skip
