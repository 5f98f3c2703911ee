"""From when on each person's logs are kept: by their plan, and a while longer after it was lowered."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from core.accounts.plans import LOGS_GRACE, PLANS, SHORTEST_LOG_DAYS
from core.accounts.queries import plans_to_sweep
from core.credits.queries import lowered_since
from core.platform.runtime import Runtime

PEOPLE = 500


@dataclass(frozen=True, slots=True)
class Kept:
    """A person's plan, and the moment from which on their logs are kept."""

    account_id: str
    plan: str
    since: datetime


def kept_since(plan: str, now: datetime, lowered_from: str | None = None) -> datetime:
    """The moment from which on logs of a plan are kept; of the plan before as well while the grace goes on."""
    days = PLANS[plan].log_days
    if lowered_from is not None:
        days = max(days, PLANS[lowered_from].log_days)
    return now - timedelta(days=days)


def shortest(now: datetime) -> datetime:
    """The moment that every plan keeps logs from: what is younger is nobody's to delete."""
    return now - timedelta(days=SHORTEST_LOG_DAYS)


def people(runtime: Runtime, now: datetime) -> Iterator[tuple[Kept, ...]]:
    """Everybody whose data may be deleted by its age, some hundred at a time."""
    after = ""
    while True:
        with runtime.database.read() as session:
            plans = plans_to_sweep(session, after=after, limit=PEOPLE)
            before = lowered(session, now)
        if not plans:
            return
        yield tuple(Kept(each, plan, kept_since(plan, now, before.get(each))) for each, plan in plans.items())
        after = max(plans)


def lowered(session: Session, now: datetime) -> Mapping[str, str]:
    """Whose plan changed within the grace, and what it was before."""
    return lowered_since(session, now - LOGS_GRACE)
