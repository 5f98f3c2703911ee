"""The salt of a day: a key in the key store, from which that day's visitor ids are made, and which is then destroyed.

It lies in the key store since that is what keeps keys apart from the data, deletes them for good, and is backed up
for a shorter time. A backup that is put back brings no old salt for long: the next flush destroys it.
"""

from collections.abc import Callable
from datetime import date, datetime, timedelta
from functools import lru_cache

from core.platform.runtime import Runtime
from core.platform.vault import Vault

PREFIX = "analytics:"
DESTROY_AFTER = timedelta(hours=47)
"""Promised are 48 hours, from when the salt was made; the job that destroys comes every ten minutes."""
PROMISED = timedelta(hours=48)


def hour_of(moment: datetime) -> str:
    """`2026-11-24T10`, of a moment in UTC."""
    return _hour(moment.toordinal(), moment.hour)


@lru_cache(maxsize=4)
def _hour(day: int, hour: int) -> str:
    return f"{date.fromordinal(day).isoformat()}T{hour:02}"


def day_of(hour: str) -> str:
    """`2026-11-24T10` is of `2026-11-24`."""
    return hour[:10]


def visitor_ids(vault: Vault, day: str) -> Callable[[str], str]:
    """What gives an account its id of that day: 64 bits of HMAC-SHA256 under the day's salt, which is made if new."""
    vault.adopt(PREFIX + day)
    keyed = vault.keyed_hash(PREFIX + day, "visitor")
    return lambda account_id: keyed(account_id.encode())[:8].hex()


def is_open(vault: Vault, day: str) -> bool:
    """Whether the salt of a day still exists, so that its visitors can be told apart, and be forgotten."""
    return vault.knows(PREFIX + day)


def open_days(runtime: Runtime) -> list[str]:
    """The days whose salt exists."""
    return sorted(name.removeprefix(PREFIX) for name in runtime.vault.known(PREFIX))


def over_days(runtime: Runtime) -> list[str]:
    """The days whose salt is to be destroyed now."""
    now = runtime.clock.now()
    made = runtime.vault.known(PREFIX)
    return sorted(name.removeprefix(PREFIX) for name, at in made.items() if now - at >= DESTROY_AFTER)


def oldest_salt(runtime: Runtime) -> timedelta | None:
    """The age of the oldest salt; None where there is none."""
    made = runtime.vault.known(PREFIX).values()
    return runtime.clock.now() - min(made) if made else None


def destroy_salts(runtime: Runtime, days: list[str]) -> int:
    """Destroy the salts of days: their visitor ids point at nobody from then on."""
    return runtime.vault.forget_all([PREFIX + day for day in days])
