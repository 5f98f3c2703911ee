"""That a person knows the terms of a provider before it first gets something of theirs: one click, kept with the date.

Terms are named by their provider and the date on which they were read: newer ones are shown again.
"""

from collections.abc import Iterable

from sqlalchemy import select
from sqlalchemy.dialects import postgresql, sqlite

from core.accounts.models import ProviderNoticeRow
from core.platform.runtime import Runtime

Terms = tuple[str, str]
"""A provider, and the ISO date on which its terms were read."""


def seen_terms(runtime: Runtime, owner_id: str) -> frozenset[Terms]:
    """The terms that a person was shown."""
    mine = ProviderNoticeRow.owner_id == owner_id
    query = select(ProviderNoticeRow.provider, ProviderNoticeRow.terms_dated).where(mine)
    with runtime.database.read() as session:
        return frozenset(session.execute(query).tuples())


def note_terms_seen(runtime: Runtime, owner_id: str, shown: Iterable[Terms]) -> None:
    """Keep that a person was shown these terms. Twice is once."""
    now = runtime.clock.now()
    rows = [
        {"owner_id": owner_id, "provider": provider, "terms_dated": dated, "seen_at": now} for provider, dated in shown
    ]
    if not rows:
        return
    insert = sqlite.insert if runtime.database.is_sqlite else postgresql.insert
    with runtime.database.write() as session:
        session.execute(insert(ProviderNoticeRow).on_conflict_do_nothing(), rows)
