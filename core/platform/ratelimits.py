"""Rate limits in fixed windows, kept in the database so that every process counts the same."""

from datetime import UTC, datetime, timedelta
from typing import Any, cast

from sqlalchemy import delete, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import CursorResult

from core.platform.models import RateWindow
from core.platform.runtime import Runtime
from core.shared.errors import LimitExceeded

LONGEST = timedelta(days=30)
"""How long anything is kept here: longer than every window, and as long as something is remembered."""


def count_try(runtime: Runtime, kind: str, who: str, *, limit: int, seconds: int) -> None:
    """Count one try. Raises LimitExceeded with the seconds to wait once the limit of the window is passed."""
    now = runtime.clock.now()
    start = _window(now, seconds)
    key = runtime.vault.blind_index("rate:" + kind, who)
    insert = sqlite.insert if runtime.database.is_sqlite else postgresql.insert
    statement = insert(RateWindow).values(key=key, window_start=start, count=1)
    statement = statement.on_conflict_do_update(
        index_elements=["key", "window_start"], set_={"count": RateWindow.count + 1}
    )
    with runtime.database.write() as session:
        session.execute(delete(RateWindow).where(RateWindow.key == key, RateWindow.window_start < start))
        session.execute(statement)
        count = session.scalar(select(RateWindow.count).where(RateWindow.key == key, RateWindow.window_start == start))
    if count is not None and count > limit:
        wait = start.timestamp() + seconds - now.timestamp()
        raise LimitExceeded("RATE_LIMITED", "Too many tries. Wait a little and try again.", retry_after=max(1.0, wait))


def forget_tries(runtime: Runtime, kind: str, who: str) -> None:
    """Forget the tries after a success."""
    key = runtime.vault.blind_index("rate:" + kind, who)
    with runtime.database.write() as session:
        session.execute(delete(RateWindow).where(RateWindow.key == key))


def take_back_try(runtime: Runtime, kind: str, who: str, *, seconds: int) -> None:
    """Uncount one try of this window: it was none of those that are counted."""
    key = runtime.vault.blind_index("rate:" + kind, who)
    start = _window(runtime.clock.now(), seconds)
    counted = (RateWindow.key == key, RateWindow.window_start == start, RateWindow.count > 0)
    with runtime.database.write() as session:
        session.execute(update(RateWindow).where(*counted).values(count=RateWindow.count - 1))


def remember(runtime: Runtime, kind: str, who: str) -> None:
    """Remember something for 30 days from now on."""
    key = runtime.vault.blind_index("rate:" + kind, who)
    insert = sqlite.insert if runtime.database.is_sqlite else postgresql.insert
    row = insert(RateWindow).values(key=key, window_start=runtime.clock.now(), count=1).on_conflict_do_nothing()
    with runtime.database.write() as session:
        session.execute(delete(RateWindow).where(RateWindow.key == key))
        session.execute(row)


def is_remembered(runtime: Runtime, kind: str, who: str) -> bool:
    """Whether something was remembered in the last 30 days."""
    key = runtime.vault.blind_index("rate:" + kind, who)
    since = runtime.clock.now() - LONGEST
    found = select(RateWindow.count).where(RateWindow.key == key, RateWindow.window_start > since)
    with runtime.database.read() as session:
        return session.scalar(found) is not None


def forget_old_windows(runtime: Runtime) -> int:
    """Delete what is too old to count; returns how many."""
    with runtime.database.write() as session:
        old = delete(RateWindow).where(RateWindow.window_start <= runtime.clock.now() - LONGEST)
        return cast(CursorResult[Any], session.execute(old)).rowcount


def _window(now: datetime, seconds: int) -> datetime:
    return datetime.fromtimestamp(now.timestamp() // seconds * seconds, UTC)
