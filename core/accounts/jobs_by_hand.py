"""Having a job run out of turn: an admin's act."""

from core.accounts.audit import record_act
from core.accounts.domain import SessionView
from core.accounts.roles import check_admin
from core.platform.jobs.commands import ask_for_run
from core.platform.jobs.declared import find_job
from core.platform.runtime import Runtime


def run_job_now(runtime: Runtime, by: SessionView, name: str) -> None:
    """Have a job run by whichever scheduler looks next, within a few seconds. Raises Forbidden, NotFound."""
    check_admin(runtime, by)
    ask_for_run(runtime, find_job(name))
    with runtime.database.write() as session:
        record_act(runtime, session, "job.started_by_hand", actor_id=by.account.id, job=name)
