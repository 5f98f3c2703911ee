"""Usage alerts: a mail when half, four fifths and all of a month's credits are used, written with the settlement.

The settlement holds the person's row, so of those that go on at the same time exactly one crosses a threshold. Plans
without a limit never come here.
"""

from sqlalchemy.orm import Session

from core.accounts.queries import account_of
from core.credits.booking import is_booked
from core.credits.domain import PLANS, crossed_percent, month_cause, month_number, month_start
from core.platform.mail.postings import enqueue_mail
from core.platform.runtime import Runtime
from core.shared.money import MICROS, format_credits

USAGE = "/app/usage"


def alert_usage(runtime: Runtime, session: Session, owner_id: str, plan: str, spent: int, used: int) -> None:
    """Mail the highest threshold that the last `spent` micro-credits crossed; once a threshold, plan and month.

    `used`: micro-credits of this month, with the last. Joins the transaction that booked them, after it did.
    """
    monthly = PLANS[plan].monthly_credits
    if monthly is None:
        return
    percent = crossed_percent(used - spent, used, monthly * MICROS)
    if percent is None:
        return
    account = account_of(runtime, session, owner_id)
    month = month_number(account.created_at, runtime.clock.now())
    granted = is_booked(session.connection(), "grant", month_cause(owner_id, plan, month))
    if not account.email or account.plan != plan or not granted:
        return  # the run was begun on a plan, or in a month, that is over: nothing is left to look after
    values = {
        "percent": str(percent),
        "used": format_credits(used),
        "granted": format_credits(monthly * MICROS),
        "renews": f"{month_start(account.created_at, month + 1):%Y-%m-%d}",
        "usage_url": runtime.settings.public_url + USAGE,
    }
    enqueue_mail(
        runtime, session, kind="usage_alert", to=account.email, values=values,
        cause=f"usage_alert:{owner_id}:{plan}:{month}:{percent}", account_id=owner_id, language=account.language,
    )  # fmt: skip
