"""Changing a plan: at once, or from a later day on.

Both join the caller's transaction. They lock the person's credit account first and the person after it, as the start
of a run does.
"""

from dataclasses import replace
from datetime import datetime

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from core.accounts.audit import record_act
from core.accounts.domain import Account
from core.accounts.plans import check_plan
from core.accounts.postings import locked_account, write_plan
from core.accounts.queries import account_of
from core.credits.models import PlanChange, PlannedPlan
from core.credits.months import begin_due_month, top_up_month
from core.credits.plan_mails import tell_announced, tell_changed
from core.credits.postings import lock_account
from core.platform.runtime import Runtime
from core.shared.errors import NotFound


def set_plan(
    runtime: Runtime, session: Session, owner_id: str, plan: str, *, cause: str, actor_id: str | None = None
) -> bool:
    """The plan from now on; answers False when this cause did it already, or nothing changes.

    Raised: the month's credits are topped up by the difference, prorated by what is left of the month.
    Lowered: only the limits change now; the month's credits stay until it ends.
    What was announced before is forgotten: this was decided later. The person is told by mail.
    Raises NotFound for who has no account (any more), InvalidInput for a plan there is not.
    """
    owner = _locked(runtime, session, owner_id, plan)
    same = (PlanChange.owner_id == owner_id, PlanChange.cause == cause)
    if owner.plan == plan or session.scalar(select(PlanChange.id).where(*same)) is not None:
        return False
    begin_due_month(runtime, session, owner)  # of the plan before: what is added is only what is more
    top_up_month(runtime, session, owner, plan, cause=f"raised:{owner_id}:{cause}")
    write_plan(session, owner_id, plan)
    begin_due_month(runtime, session, replace(owner, plan=plan))  # where the plan before counted nothing
    change_id, now = runtime.ids.new(), runtime.clock.now()
    session.add(PlanChange(id=change_id, owner_id=owner_id, before=owner.plan, plan=plan, cause=cause, created_at=now))
    tell_changed(runtime, session, owner, plan, change_id)
    session.execute(delete(PlannedPlan).where(PlannedPlan.owner_id == owner_id))
    record_act(
        runtime, session, "plan.changed", actor_id=actor_id, subject_id=owner_id, before=owner.plan, plan=plan
    )  # fmt: skip
    return True


def plan_at(runtime: Runtime, session: Session, owner_id: str, plan: str, *, at: datetime, cause: str) -> None:
    """Announce a plan from a later time (the end of a paid period). A newer announcement replaces an older one.

    The plan that the person has already is no announcement: it takes one back. The person is told by mail what will
    change. Raises as `set_plan` does.
    """
    owner = _locked(runtime, session, owner_id, plan)
    if owner.plan == plan:
        cancel_planned(runtime, session, owner_id)
        return
    known = session.get(PlannedPlan, owner_id)
    if known is not None and (known.plan, known.at) == (plan, at):
        return
    now = runtime.clock.now()
    session.merge(PlannedPlan(owner_id=owner_id, plan=plan, at=at, cause=cause, created_at=now))
    tell_announced(runtime, session, owner, plan, at)
    record_act(
        runtime, session, "plan.announced", actor_id=None, subject_id=owner_id, plan=plan, day=f"{at:%Y-%m-%d}"
    )  # fmt: skip


def apply_planned(runtime: Runtime, session: Session, owner_id: str) -> bool:
    """Change to the announced plan whose day has come; False where that was done, or taken back, meanwhile."""
    lock_account(session, owner_id)
    mine = select(PlannedPlan).where(PlannedPlan.owner_id == owner_id, PlannedPlan.at <= runtime.clock.now())
    planned = session.scalar(mine.execution_options(populate_existing=True))
    if planned is None:
        return False
    plan, cause = planned.plan, f"announced:{planned.at.isoformat()}:{planned.cause}"[:200]
    session.delete(planned)
    return set_plan(runtime, session, owner_id, plan, cause=cause)


def cancel_planned(runtime: Runtime, session: Session, owner_id: str) -> bool:
    """Take an announcement back; False where there is none."""
    planned = delete(PlannedPlan).where(PlannedPlan.owner_id == owner_id).returning(PlannedPlan.plan)
    plan = session.scalar(planned)
    if plan is None:
        return False
    record_act(runtime, session, "plan.announcement_withdrawn", actor_id=None, subject_id=owner_id, plan=plan)
    return True


def _locked(runtime: Runtime, session: Session, owner_id: str, plan: str) -> Account:
    """The person, to be changed by nobody else until the transaction ends."""
    check_plan(plan)
    account_of(runtime, session, owner_id)  # no credit account is opened for who is not there
    lock_account(session, owner_id)
    owner = locked_account(runtime, session, owner_id)
    if owner.is_operator:
        raise NotFound("ACCOUNT_NOT_FOUND", "There is no such account.")
    return owner
