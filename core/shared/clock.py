"""Time as a dependency: domain code is handed `now`, commands read it from the runtime's clock."""

from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Tells the time. Every implementation answers aware datetimes in UTC."""

    def now(self) -> datetime: ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)


def iso_z(moment: datetime) -> str:
    """Render an aware datetime as ISO 8601 in UTC with a `Z` and milliseconds."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
