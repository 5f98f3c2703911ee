"""Unusual spend: a mail, once a day, to who spent three times their usual day or more.

The usual day is the median of the days with spending among the last 28: days on which nothing ran say nothing about
one on which something did, and one dear day does not move a median. Who has fewer than five such days has no usual day
yet, and a day below ten credits worries nobody.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from statistics import median

from sqlalchemy import case, func, literal_column, select
from sqlalchemy.orm import Session

from core.accounts.queries import account_of
from core.credits.models import LedgerTransaction
from core.platform.logging import get_logger
from core.platform.mail.postings import enqueue_mail
from core.platform.runtime import Runtime
from core.shared.errors import NotFound
from core.shared.money import MICROS, format_credits

DAYS = 28
LEAST_DAYS = 5
LEAST_MICROS = 10 * MICROS
TIMES = 3
USAGE = "/app/usage"

# Written out, not bound: only then the index over settlements serves.
SETTLED = LedgerTransaction.kind == literal_column("'settle'")

log = get_logger("credits")


def usual_day(spent: Sequence[int]) -> int | None:
    """Micro-credits of a usual day, from those of days before; None where there are too few to tell. Pure."""
    active = [micros for micros in spent if micros > 0]
    return int(median(active)) if len(active) >= LEAST_DAYS else None


def is_unusual(today: int, usual: int | None) -> bool:
    """Whether a day's spending is worth a mail. Pure."""
    return usual is not None and today >= max(LEAST_MICROS, TIMES * usual)


def tell_unusual_spend(runtime: Runtime) -> int:
    """Look at what everybody spent today (UTC), and tell those for whom it is unusual; returns how many."""
    now = runtime.clock.now()
    today = now.replace(hour=0, minute=0, second=0, microsecond=0)
    with runtime.database.read() as session:
        spenders = _spent_since(session, today)
        usual = {owner_id: usual_day(_days_before(session, owner_id, today)) for owner_id in spenders}
    told = 0
    for owner_id, spent in spenders.items():
        if is_unusual(spent, usual[owner_id]):
            try:
                told += _tell(runtime, owner_id, spent, usual[owner_id] or 0, today)
            except NotFound:  # the ledger outlives the person
                log.info("unusual_spend.nobody", account_id=owner_id)
    return told


def _spent_since(session: Session, today: datetime) -> dict[str, int]:
    spent = func.sum(LedgerTransaction.spent_micros)
    found = select(LedgerTransaction.owner_id, spent)
    found = found.where(SETTLED, LedgerTransaction.created_at >= today).group_by(LedgerTransaction.owner_id)
    return {owner_id: int(micros) for owner_id, micros in session.execute(found.having(spent >= LEAST_MICROS)).tuples()}


def _days_before(session: Session, owner_id: str, today: datetime) -> list[int]:
    """What a person spent on each of the days before on which they spent anything."""
    at = LedgerTransaction.created_at
    days = [today - timedelta(days=back) for back in range(DAYS, 0, -1)]
    day = case(*((at < start + timedelta(days=1), number) for number, start in enumerate(days))).label("day")
    each = select(day, LedgerTransaction.spent_micros)
    each = each.where(SETTLED, LedgerTransaction.owner_id == owner_id, at >= days[0], at < today)
    found = each.subquery()
    sums = select(func.sum(found.c.spent_micros)).group_by(found.c.day)
    return [int(micros) for micros in session.scalars(sums)]


def _tell(runtime: Runtime, owner_id: str, spent: int, usual: int, today: datetime) -> bool:
    with runtime.database.write() as session:
        owner = account_of(runtime, session, owner_id)
        if not owner.email:
            return False
        values = {
            "spent": format_credits(spent),
            "usual": format_credits(usual),
            "times": str(spent // usual),
            "day": f"{today:%Y-%m-%d}",
            "usage_url": runtime.settings.public_url + USAGE,
        }
        return enqueue_mail(
            runtime, session, kind="unusual_spend", to=owner.email, values=values, account_id=owner_id,
            cause=f"unusual_spend:{owner_id}:{today:%Y-%m-%d}", language=owner.language,
        )  # fmt: skip
