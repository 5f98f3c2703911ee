"""Whether a vendor is in trouble, told from how the calls of everybody went just now. It says nothing of anybody."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import case, func, select

from core.accounts.queries import list_own_keys
from core.execution.journal_rows import STEPS
from core.platform.runtime import Runtime
from core.providers.domain import (
    CONNECTION,
    DEMO_PROVIDER,
    MALFORMED,
    OVERLOADED,
    TIMEOUT,
    TRUNCATED_STREAM,
    VENDOR_ERROR,
)

WINDOW = timedelta(minutes=10)
FEWEST_CALLS = 5
MOST_LOOKED_AT = 50  # with more people than this the reason is not an address of somebody's own
# A limit on calls tells of a key, and a refusal of a request: neither says that the vendor is down.
TROUBLE = (CONNECTION, MALFORMED, OVERLOADED, TIMEOUT, TRUNCATED_STREAM, VENDOR_ERROR)
_failed = case((STEPS.c.error_code.in_(TROUBLE), 1), else_=0)


@dataclass(frozen=True, slots=True)
class VendorTrouble:
    """More than half of a vendor's calls that began in the last `minutes` failed on its side."""

    provider: str
    failed: int
    calls: int
    minutes: int = WINDOW // timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class _Calls:
    owner_id: str
    calls: int
    failed: int


def vendors_in_trouble(runtime: Runtime) -> tuple[VendorTrouble, ...]:
    """The vendors that fail now, by name. Reads only what began in the last ten minutes."""
    calls = (
        select(STEPS.c.provider, STEPS.c.owner_id, func.count(), func.sum(_failed))
        .where(
            STEPS.c.provider.is_not(None),
            STEPS.c.provider != DEMO_PROVIDER,
            STEPS.c.started_at > runtime.clock.now() - WINDOW,
            STEPS.c.status.in_(("completed", "failed")),
        )
        .group_by(STEPS.c.provider, STEPS.c.owner_id)
    )
    by_provider: dict[str, list[_Calls]] = defaultdict(list)
    with runtime.database.connect() as connection:
        for provider, owner_id, count, failed in connection.execute(calls):
            by_provider[provider].append(_Calls(owner_id, count, int(failed)))
    found = (_judge(runtime, provider, counted) for provider, counted in sorted(by_provider.items()))
    return tuple(trouble for trouble in found if trouble is not None)


def _judge(runtime: Runtime, provider: str, counted: Sequence[_Calls]) -> VendorTrouble | None:
    affected = [each.owner_id for each in counted if each.failed]
    if not affected or sum(each.calls for each in counted) < FEWEST_CALLS:
        return None
    if len(affected) <= MOST_LOOKED_AT:
        own = {owner_id for owner_id in affected if _has_own_address(runtime, owner_id, provider)}
        counted = [each for each in counted if each.owner_id not in own]
    calls, failed = sum(each.calls for each in counted), sum(each.failed for each in counted)
    # Where it fails for one of several people, it is something of theirs.
    alone = len(counted) > 1 and sum(bool(each.failed) for each in counted) == 1
    if calls < FEWEST_CALLS or failed * 2 <= calls or alone:
        return None
    return VendorTrouble(provider, failed, calls)


def _has_own_address(runtime: Runtime, owner_id: str, provider: str) -> bool:
    """Whether a person's calls go to a gateway of their own, whose failures are not the vendor's."""
    return any(key.host for key in list_own_keys(runtime, owner_id) if key.provider == provider)
