"""The mails about plans: one that was announced, and one that changed. Written in the transaction that decides."""

from datetime import datetime

from sqlalchemy.orm import Session

from core.accounts.domain import Account
from core.accounts.plans import PLANS
from core.credits.plan_words import changes_text, logs_go_before
from core.platform.mail.postings import enqueue_mail
from core.platform.runtime import Runtime

PLAN = "/app/plan"


def tell_announced(runtime: Runtime, session: Session, owner: Account, plan: str, at: datetime) -> None:
    """Mail what will change and when; once a plan and day."""
    _tell(runtime, session, owner, "plan_announced", plan, at, cause=f"{plan}:{at.isoformat()}")


def tell_changed(runtime: Runtime, session: Session, owner: Account, plan: str, change_id: str) -> None:
    """Mail what changed; `owner` is the person as they were before."""
    _tell(runtime, session, owner, "plan_changed", plan, runtime.clock.now(), cause=change_id)


def _tell(
    runtime: Runtime, session: Session, owner: Account, kind: str, plan: str, at: datetime, *, cause: str
) -> None:
    if not owner.email:
        return
    before, after = PLANS[owner.plan], PLANS[plan]
    oldest = logs_go_before(before, after, at)
    runs = runtime.count_runs_before(session, owner.id, oldest) if oldest is not None else 0
    values = {
        "before": before.title,
        "plan": after.title,
        "day": f"{at:%Y-%m-%d}",
        "changes": changes_text(before, after, at, owner.language, runs),
        "plan_url": runtime.settings.public_url + PLAN,
    }
    enqueue_mail(
        runtime, session, kind=kind, to=owner.email, values=values, cause=f"{kind}:{owner.id}:{cause}",
        account_id=owner.id, language=owner.language,
    )  # fmt: skip
