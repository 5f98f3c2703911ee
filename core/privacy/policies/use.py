"""Using the service while a version counts: what makes it count for a person, and never a consent."""

from core.accounts.acceptances import note_use
from core.platform.runtime import Runtime
from core.privacy.policies.queries import versions_in_force


def note_policy_use(runtime: Runtime, account_id: str) -> None:
    """Record a person's first use under the versions that count now. Cheap: it is called at every request."""
    note_use(runtime, account_id, versions_in_force(runtime))
