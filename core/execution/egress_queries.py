"""Reading the ledger of what left: one person's rows, and what they add up to."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, select

from core.execution.departures import BEGUN, NOT_SENT
from core.execution.models import EgressRow
from core.platform.runtime import Runtime
from core.shared.pages import Page


@dataclass(frozen=True, slots=True)
class EgressView:
    """Something that left, or was about to. `categories` is None where nobody looked at what was sent."""

    id: str
    run_id: str
    pipeline_id: str | None
    step_id: str | None
    kind: str
    recipient: str
    region: str | None
    purpose: str
    funding: str | None
    categories: tuple[str, ...] | None
    masked: tuple[str, ...]
    size: int
    outcome: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Flow:
    """What went from one pipeline to one recipient. `unsure`: how often it is not known whether it left.

    `unseen`: how often nobody looked for personal data.
    """

    pipeline_id: str | None
    kind: str
    recipient: str
    region: str | None
    purposes: tuple[str, ...]
    fundings: tuple[str, ...]
    times: int
    unsure: int
    unseen: int
    size: int
    categories: tuple[str, ...]
    masked: tuple[str, ...]
    last_at: datetime


def list_egress(
    runtime: Runtime,
    owner_id: str,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    pipeline_id: str | None = None,
    run_id: str | None = None,
    limit: int = 50,
    cursor: str | None = None,
) -> Page[EgressView]:
    """A person's rows, newest first, from `since` up to and without `until`."""
    query = select(EgressRow).where(*_mine(owner_id, since, until, pipeline_id))
    if run_id is not None:
        query = query.where(EgressRow.run_id == run_id)
    if cursor:
        query = query.where(EgressRow.id < cursor)
    with runtime.database.read() as session:
        rows = session.scalars(query.order_by(EgressRow.id.desc()).limit(limit + 1)).all()
    items = tuple(_view(row) for row in rows[:limit])
    return Page(items, items[-1].id if len(rows) > limit else None)


def flows(
    runtime: Runtime,
    owner_id: str,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    pipeline_id: str | None = None,
) -> tuple[Flow, ...]:
    """What a person's pipelines sent to whom, the most frequent first. What never left is not counted."""
    keys = (
        EgressRow.pipeline_id, EgressRow.kind, EgressRow.recipient, EgressRow.region, EgressRow.purpose,
        EgressRow.funding, EgressRow.categories, EgressRow.masked, EgressRow.outcome == BEGUN,
    )  # fmt: skip
    sums = (func.count(), func.sum(EgressRow.size), func.max(EgressRow.at))
    mine = _mine(owner_id, since, until, pipeline_id)
    query = select(*keys, *sums).where(*mine, EgressRow.outcome != NOT_SENT).group_by(*keys)
    with runtime.database.read() as session:
        found = session.execute(query).all()
    grouped: dict[tuple[Any, ...], list[Any]] = {}
    for row in found:
        grouped.setdefault(tuple(row[:4]), []).append(row)
    made = [_flow(key, rows) for key, rows in grouped.items()]
    return tuple(sorted(made, key=lambda flow: (-flow.times, flow.recipient, flow.pipeline_id or "")))


def has_egress(runtime: Runtime, owner_id: str) -> bool:
    """Whether anything of this person's ever left, and is still known."""
    mine = (EgressRow.owner_id == owner_id, EgressRow.outcome != NOT_SENT)
    with runtime.database.read() as session:
        return session.scalar(select(EgressRow.id).where(*mine).limit(1)) is not None


def recipients_of(runtime: Runtime, owner_id: str) -> frozenset[tuple[str, str]]:
    """Kind and name of everybody who ever got something of this person's, as far as it is known."""
    mine = (EgressRow.owner_id == owner_id, EgressRow.outcome != NOT_SENT)
    with runtime.database.read() as session:
        found = session.execute(select(EgressRow.kind, EgressRow.recipient).where(*mine).distinct())
        return frozenset((kind, recipient) for kind, recipient in found.tuples())


def split(categories: str | None) -> tuple[str, ...]:
    """Categories as they are kept, one by one."""
    return tuple(categories.split(",")) if categories else ()


def _mine(owner_id: str, since: datetime | None, until: datetime | None, pipeline_id: str | None) -> list[Any]:
    where: list[Any] = [EgressRow.owner_id == owner_id]
    if since is not None:
        where.append(EgressRow.at >= since)
    if until is not None:
        where.append(EgressRow.at < until)
    if pipeline_id is not None:
        where.append(EgressRow.pipeline_id == pipeline_id)
    return where


def _flow(key: tuple[Any, ...], rows: list[Any]) -> Flow:
    pipeline_id, kind, recipient, region = key
    return Flow(
        pipeline_id,
        kind,
        recipient,
        region,
        _sorted(row.purpose for row in rows),
        _sorted(row.funding for row in rows if row.funding),
        sum(row[9] for row in rows),
        sum(row[9] for row in rows if row[8]),
        sum(row[9] for row in rows if row.categories is None),
        sum(int(row[10]) for row in rows),
        _sorted(each for row in rows for each in split(row.categories)),
        _sorted(each for row in rows for each in split(row.masked)),
        max(row[11] for row in rows),
    )


def _sorted(values: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(set(values)))


def _view(row: EgressRow) -> EgressView:
    return EgressView(
        id=row.id,
        run_id=row.run_id,
        pipeline_id=row.pipeline_id,
        step_id=row.step_id,
        kind=row.kind,
        recipient=row.recipient,
        region=row.region,
        purpose=row.purpose,
        funding=row.funding,
        categories=None if row.categories is None else split(row.categories),
        masked=split(row.masked),
        size=row.size,
        outcome=row.outcome,
        at=row.at,
    )
