"""Rate limits in fixed windows, kept in the database so that every process counts the same."""

from datetime import UTC, datetime

from sqlalchemy import delete, select
from sqlalchemy.dialects import postgresql, sqlite

from core.platform.models import RateWindow
from core.platform.runtime import Runtime
from core.shared.errors import LimitExceeded


def count_try(runtime: Runtime, kind: str, who: str, *, limit: int, seconds: int) -> None:
    """Count one try. Raises LimitExceeded with the seconds to wait once the limit of the window is passed."""
    now = runtime.clock.now()
    start = datetime.fromtimestamp(now.timestamp() // seconds * seconds, UTC)
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
