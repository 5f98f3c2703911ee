"""The mail that a payment failed."""

from sqlalchemy.orm import Session

from core.accounts.plans import PLANS
from core.accounts.queries import account_of
from core.credits.payments.domain import Subscription
from core.platform.mail.postings import enqueue_mail
from core.platform.runtime import Runtime

BILLING = "/app/billing"


def tell_overdue(runtime: Runtime, session: Session, owner_id: str, overdue: Subscription) -> None:
    """Say that a period could not be paid and until when the plan goes on; once a period."""
    account = account_of(runtime, session, owner_id)
    if not account.email or overdue.grace_end is None or overdue.plan is None:
        return
    values = {
        "plan": PLANS[overdue.plan].title,
        "until": f"{overdue.grace_end:%Y-%m-%d}",
        "billing_url": runtime.settings.public_url + BILLING,
    }
    enqueue_mail(
        runtime, session, kind="payment_failed", to=account.email, values=values,
        cause=f"payment_failed:{overdue.id}:{overdue.period_start:%Y-%m-%d}", account_id=owner_id,
        language=account.language,
    )  # fmt: skip
