"""Turns at a vendor: how often all processes together call it on the installation's own key.

A vendor limits the calls of a key, not of a process, so who may call when is one row in the database. It holds the
time at which the vendor's allowance is whole again (the generic cell rate algorithm, ITU-T I.371, annex A): a call
moves it on by its share of a minute, and waits until it is less than the burst away. Whoever asked first goes first,
nobody asks twice, and a process that dies takes at most its own turn with it. People's own keys have limits of their
own, which their vendor tells by refusing.
"""

import asyncio
from collections.abc import Callable
from typing import cast

from sqlalchemy import Table, bindparam, case, update
from sqlalchemy.dialects import postgresql, sqlite

from core.execution.models import VendorTurnRow
from core.platform.runtime import Runtime
from core.providers.domain import RATE_LIMITED
from core.shared.errors import AppError
from core.shared.types import JsonValue

MINUTE_MS = 60_000
BURST_SECONDS = 5.0
"""The calls of this long may be made at once before they are spread."""
TOLD_FROM_SECONDS = 1.0
PAUSE_SECONDS = 5.0  # after a refusal that does not say for how long

TURNS = cast(Table, VendorTurnRow.__table__)
_vendor = TURNS.c.provider == bindparam("b_provider")
_later = case((TURNS.c.whole_at_ms > bindparam("now"), TURNS.c.whole_at_ms), else_=bindparam("now"))
TAKE = update(TURNS).where(_vendor).values(whole_at_ms=_later + bindparam("share")).returning(TURNS.c.whole_at_ms)
PUT_OFF = update(TURNS).where(_vendor, TURNS.c.whole_at_ms < bindparam("until")).values(whole_at_ms=bindparam("until"))


def reserve_turn(runtime: Runtime, provider: str, per_minute: int) -> float:
    """Take the next turn at a vendor; returns the seconds until it comes."""
    share, burst = _share_ms(per_minute), _burst_ms(per_minute)
    now = _now_ms(runtime)
    taking = {"b_provider": provider, "now": now, "share": share}
    with runtime.database.write() as session:
        connection = session.connection()
        whole_at = connection.execute(TAKE, taking).scalar_one_or_none()
        if whole_at is None:  # the first call ever
            dialect = sqlite if runtime.database.is_sqlite else postgresql
            first = {"provider": provider, "whole_at_ms": now}
            connection.execute(dialect.insert(TURNS).on_conflict_do_nothing(), first)
            whole_at = connection.execute(TAKE, taking).scalar_one()
    return max(0.0, (int(whole_at) - burst - now) / 1000)


def put_off_turns(runtime: Runtime, provider: str, per_minute: int, seconds: float) -> None:
    """Let nobody call a vendor for a while: it has refused a call."""
    until = _now_ms(runtime) + int(seconds * 1000) + _burst_ms(per_minute)
    with runtime.database.write() as session:
        session.connection().execute(PUT_OFF, {"b_provider": provider, "until": until})


class VendorTurns:
    """The turns of one step at one vendor. Every turn comes at once without a limit, and on a key of one's own."""

    def __init__(
        self, runtime: Runtime, provider: str, tell: Callable[[dict[str, JsonValue]], None], *, own_key: bool
    ) -> None:
        self._runtime = runtime
        self._provider = provider
        self._tell = tell
        self._per_minute = None if own_key else runtime.settings.vendor_limits.get(provider)

    async def take(self) -> float:
        """Wait for the next turn; returns the seconds waited."""
        if self._per_minute is None:
            return 0.0
        seconds = await asyncio.to_thread(reserve_turn, self._runtime, self._provider, self._per_minute)
        if seconds >= TOLD_FROM_SECONDS:
            self._tell({"event": "waiting", "for": f"a turn at {self._provider}", "seconds": round(seconds, 1)})
        await asyncio.sleep(seconds)
        return seconds

    async def note(self, failure: AppError) -> None:
        """A call has failed: where the vendor refused it as one too many, all who come after wait."""
        if self._per_minute is None or failure.code != RATE_LIMITED:
            return
        seconds = getattr(failure, "retry_after", None) or PAUSE_SECONDS
        await asyncio.to_thread(put_off_turns, self._runtime, self._provider, self._per_minute, seconds)


async def wait_outside(limit: asyncio.Timeout, turns: VendorTurns) -> float:
    """Wait for a turn with a time limit stopped meanwhile; returns the seconds waited."""
    end = limit.when()
    limit.reschedule(None)
    waited = await turns.take()
    limit.reschedule(None if end is None else end + waited)
    return waited


def _share_ms(per_minute: int) -> int:
    return max(1, MINUTE_MS // per_minute)


def _burst_ms(per_minute: int) -> int:
    return max(_share_ms(per_minute), int(BURST_SECONDS * 1000))


def _now_ms(runtime: Runtime) -> int:
    return int(runtime.clock.now().timestamp() * 1000)
