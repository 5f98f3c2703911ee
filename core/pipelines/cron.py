"""Cron expressions in a time zone: when they are due, and in words. Pure.

Five fields as in crontab(5). At a change of the clock cronsim does as Debian's cron does: a time that is skipped is due
at once after the gap, one that comes twice is due once, and jobs that run every so many minutes or hours keep to it.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import islice
from zoneinfo import ZoneInfo, available_timezones

from cronsim import CronSim, CronSimError

from core.shared.errors import InvalidInput

LONGEST = 100


def check_cron(expression: str, timezone: str) -> None:
    """Raises InvalidInput INVALID_CRON or INVALID_TIMEZONE at its field; also for an expression that is never due."""
    check_timezone(timezone)
    try:
        next(_times(expression, timezone, datetime(2026, 1, 1, tzinfo=UTC)))
    except StopIteration:
        raise _wrong(expression, "it is never due") from None
    except CronSimError as error:
        raise _wrong(expression, str(error).lower()) from None


def check_timezone(timezone: str) -> None:
    """Raises InvalidInput INVALID_TIMEZONE for what is no zone of the IANA database."""
    if timezone not in available_timezones():
        message = f"There is no time zone {timezone[:60]!r}. Write one like Europe/Paris or UTC."
        raise InvalidInput("INVALID_TIMEZONE", message, field="timezone")


def schedule_problems(expression: str, timezone: str) -> Iterator[tuple[str, InvalidInput]]:
    """What is wrong with a definition's schedule, each with the field it is in; the one does not hide the other."""
    zone = timezone
    try:
        check_timezone(timezone)
    except InvalidInput as problem:
        zone = "UTC"
        yield "timezone", problem
    try:
        check_cron(expression, zone)
    except InvalidInput as problem:
        yield "cron", problem


def next_times(expression: str, timezone: str, after: datetime, count: int) -> tuple[datetime, ...]:
    """The next times after a moment, in UTC."""
    return tuple(islice(_times(expression, timezone, after), count))


def times_until(expression: str, timezone: str, after: datetime, until: datetime, most: int) -> tuple[datetime, ...]:
    """The times after a moment up to another one, in UTC: the newest `most` of them."""
    found: list[datetime] = []
    for time in _times(expression, timezone, after):
        if time > until:
            break
        found.append(time)
        if len(found) > most:
            found.pop(0)
    return tuple(found)


def explain_cron(expression: str) -> str:
    """The expression in words: `At 09:00 on Monday`."""
    return str(CronSim(expression, datetime(2026, 1, 1, tzinfo=UTC)).explain())


def _times(expression: str, timezone: str, after: datetime) -> Iterator[datetime]:
    if len(expression) > LONGEST or len(expression.split()) != 5:
        raise CronSimError("it takes five fields: minute, hour, day, month, day of the week")
    for time in CronSim(expression, after.astimezone(ZoneInfo(timezone))):
        yield time.astimezone(UTC)


def _wrong(expression: str, why: str) -> InvalidInput:
    message = f"{expression[:60]!r} is no cron expression: {why}. For example, 0 9 * * 1 is every Monday at nine."
    return InvalidInput("INVALID_CRON", message, field="cron_expression")
