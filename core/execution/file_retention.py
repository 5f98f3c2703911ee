"""Files go when the runs that used them do: by the days that their owner's plan keeps runs."""

from datetime import datetime, timedelta

from core.accounts.plans import PLANS
from core.accounts.queries import plans_of
from core.platform.files.commands import delete_unused
from core.platform.files.queries import owners_with_unused
from core.platform.runtime import Runtime


def delete_expired(runtime: Runtime, *, now: datetime) -> int:
    """Delete the files that no run has used for as long as their owner's plan keeps runs; returns how many."""
    shortest = now - timedelta(days=min(plan.log_days for plan in PLANS.values()))
    deleted, last = 0, ""
    while owners := owners_with_unused(runtime, before=shortest, after_owner=last):
        for owner_id, plan in plans_of(runtime, owners).items():
            deleted += delete_unused(runtime, owner_id, before=now - timedelta(days=PLANS[plan].log_days))
        last = owners[-1]
    return deleted
