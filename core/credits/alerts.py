"""Usage alerts: a mail when half, four fifths and all of a month's credits are used, written with the settlement.

The settlement holds the person's row, so of those that go on at the same time exactly one crosses a threshold. Plans
without a limit never come here.
"""

from sqlalchemy import select
from sqlalchemy.orm import Session

from core.accounts.plans import PLANS
from core.accounts.queries import account_of, people_on
from core.credits.domain import ALERT_PERCENTS, crossed_percent
from core.credits.models import CreditAccount
from core.platform.mail.postings import enqueue_mail
from core.platform.mail.queries import were_written
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
        cause=_cause(owner_id, str(month.month_plan), ends, percent), account_id=owner_id,
        language=account.language,
    )  # fmt: skip


def alerts_missing(runtime: Runtime) -> tuple[int, int]:
    """Of the people who have used a share of this month's credits that is told: how many, and how many were not told.

    A plan that was raised in the month may have been told under its former name: that counts.
    """
    began = (CreditAccount.month_began_micros.is_not(None), CreditAccount.month_ends_at > runtime.clock.now())
    counted = tuple(plan.name for plan in PLANS.values() if plan.monthly_credits is not None)
    with runtime.database.read() as session:
        mine = (*began, CreditAccount.owner_id.in_(people_on(counted)))
        rows = session.scalars(select(CreditAccount).where(*mine)).all()
    due = missing = 0
    for row in rows:
        used, granted = row.spent_micros - (row.month_began_micros or 0), row.month_granted_micros or 0
        percent = crossed_percent(0, used, granted) if granted else None
        if percent is None or row.month_ends_at is None:
            continue
        ends = f"{row.month_ends_at:%Y-%m-%d}"
        enough = [_cause(row.owner_id, str(row.month_plan), ends, each) for each in ALERT_PERCENTS if each >= percent]
        former = [_cause(row.owner_id, plan, ends, each) for plan in PLANS for each in ALERT_PERCENTS]
        others = [cause for cause in former if f":{row.month_plan}:" not in cause]
        due += 1
        missing += not were_written(runtime, [*enough, *others])
    return due, missing


def _cause(owner_id: str, plan: str, ends: str, percent: int) -> str:
    return f"usage_alert:{owner_id}:{plan}:{ends}:{percent}"
