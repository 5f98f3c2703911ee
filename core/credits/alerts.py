"""Usage alerts: a mail when half, four fifths and all of a month's credits are used, written with the settlement.

The settlement holds the person's row, so of those that go on at the same time exactly one crosses a threshold. Plans
without a limit never come here.
"""

from sqlalchemy import select
from sqlalchemy.orm import Session

from core.accounts.plans import PLANS
from core.accounts.queries import account_of
from core.credits.domain import crossed_percent
from core.credits.models import CreditAccount
from core.platform.mail.postings import enqueue_mail
from core.platform.runtime import Runtime
from core.shared.money import format_credits

USAGE = "/app/usage"


def alert_usage(
    runtime: Runtime, session: Session, owner_id: str, plan: str, *, spent: int, used: int, granted: int
) -> None:
    """Mail the highest threshold that the last `spent` micro-credits crossed; once a threshold and month.

    `used`: micro-credits of this month, with the last. The share is of what the month was `granted`, a raised plan's
    top-up included; who is raised is told anew. Joins the transaction that booked them, after it did.
    """
    if PLANS[plan].monthly_credits is None or not granted:
        return
    percent = crossed_percent(used - spent, used, granted)
    if percent is None:
        return
    month = session.execute(
        select(CreditAccount.month_ends_at, CreditAccount.month_plan).where(CreditAccount.owner_id == owner_id)
    ).one()
    if month.month_ends_at is None or month.month_ends_at <= runtime.clock.now():
        return  # of a month that is over nothing is left to look after
    account = account_of(runtime, session, owner_id)
    if not account.email or PLANS[account.plan].monthly_credits is None:
        return
    ends = f"{month.month_ends_at:%Y-%m-%d}"
    values = {
        "percent": str(percent),
        "used": format_credits(used),
        "granted": format_credits(granted),
        "renews": ends,
        "usage_url": runtime.settings.public_url + USAGE,
    }
    enqueue_mail(
        runtime, session, kind="usage_alert", to=account.email, values=values,
        cause=f"usage_alert:{owner_id}:{month.month_plan}:{ends}:{percent}", account_id=owner_id,
        language=account.language,
    )  # fmt: skip
