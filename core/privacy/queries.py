"""Reading requests of data subjects: one's own, the queue of the privacy admins, and how well we answer."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from statistics import median
from typing import cast

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from core.platform.runtime import Runtime
from core.privacy.details import details_of, words_of
from core.privacy.domain import (
    OPEN,
    Actor,
    Channel,
    Details,
    Identity,
    Outcome,
    PrivacyRequestView,
    Right,
    Status,
)
from core.privacy.models import (
    DecisionRow,
    PassageRow,
    PrivacyRequestRow,
    RedactionRow,
    RequestEventRow,
    RequestStepRow,
    RestrictionRow,
)
from core.privacy.postings import not_found, reason_place, text_place
from core.shared.pages import Page

TIMED = 1_000
"""Answers whose time is looked at."""


@dataclass(frozen=True, slots=True)
class EventView:
    """A line of a time line. `text`: what was said; empty where nothing was, or its key is gone."""

    at: datetime
    actor: Actor
    actor_id: str | None
    before: Status
    after: Status
    code: str
    text: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class StepView:
    """A step that carries a request out: whether it is done, what it counted, why its last try did not do."""

    name: str
    is_done: bool
    attempts: int
    counts: Mapping[str, int]
    error_code: str | None
    done_at: datetime | None


@dataclass(frozen=True, slots=True)
class DecisionView:
    """A decision and its signatures."""

    verdict: str
    reason: str = field(repr=False)
    state: str
    signed_by: str
    signed_at: datetime
    second_by: str | None
    second_at: datetime | None
    signed_alone: bool


@dataclass(frozen=True, slots=True)
class RestrictionView:
    """A time in which the use of a person's data is restricted."""

    request_id: str
    began_at: datetime
    lift_at: datetime | None
    ended_at: datetime | None


@dataclass(frozen=True, slots=True)
class RequestFile:
    """All of a request: where it stands, what was said, and all that happened."""

    request: PrivacyRequestView
    details: Details = field(repr=False)
    events: tuple[EventView, ...]
    steps: tuple[StepView, ...]
    decision: DecisionView | None
    restriction: RestrictionView | None
    left_out: frozenset[str]
    """Ids of reviews whose comments of others are not handed over."""
    passages: int = 0
    """How many passages about others are left out wherever they stand."""


@dataclass(frozen=True, slots=True)
class RequestFigures:
    """How well requests are answered (P22). `median_days`: from receipt to the answer; None before the first.

    `answered` and the median are of the newest TIMED answers.
    """

    open: int
    past_due: int
    missed_promise: int
    answered: int
    median_days: float | None


def open_erasure(runtime: Runtime, account_id: str) -> PrivacyRequestView | None:
    """The deletion a person asked for and did not take back."""
    mine = (PrivacyRequestRow.account_id == account_id, PrivacyRequestRow.right == "erasure")
    with runtime.database.read() as session:
        row = session.scalar(select(PrivacyRequestRow).where(*mine, PrivacyRequestRow.status.in_(OPEN)))
    return request_view(row) if row else None


def open_requests(runtime: Runtime) -> tuple[PrivacyRequestView, ...]:
    """Every request that waits, the one due first at the top."""
    waiting = select(PrivacyRequestRow).where(PrivacyRequestRow.status.in_(OPEN))
    with runtime.database.read() as session:
        found = [request_view(row) for row in session.scalars(waiting)]
    return tuple(sorted(found, key=lambda view: (view.answer_by, view.id)))


def closed_requests(runtime: Runtime, limit: int, cursor: str | None = None) -> Page[PrivacyRequestView]:
    """Answered requests, the newest first."""
    wanted = select(PrivacyRequestRow).where(PrivacyRequestRow.status == "closed")
    return _page(runtime, wanted, limit, cursor)


def list_requests(runtime: Runtime, account_id: str, limit: int, cursor: str | None = None) -> Page[PrivacyRequestView]:
    """A person's requests, the newest first."""
    return _page(runtime, select(PrivacyRequestRow).where(PrivacyRequestRow.account_id == account_id), limit, cursor)


def get_request(runtime: Runtime, account_id: str, request_id: str) -> RequestFile:
    """A request of a person's own, with all of it. Raises NotFound."""
    with runtime.database.read() as session:
        row = session.get(PrivacyRequestRow, request_id)
        if row is None or row.account_id != account_id:
            raise not_found()
        return _file(runtime, session, row)


def request_file(runtime: Runtime, request_id: str) -> RequestFile:
    """A request as privacy admins see it. Raises NotFound."""
    with runtime.database.read() as session:
        row = session.get(PrivacyRequestRow, request_id)
        if row is None:
            raise not_found()
        return _file(runtime, session, row)


def restrictions_of(runtime: Runtime, account_id: str) -> tuple[RestrictionView, ...]:
    """What restricts the use of a person's data now, oldest first."""
    mine = (RestrictionRow.account_id == account_id, RestrictionRow.ended_at.is_(None))
    with runtime.database.read() as session:
        rows = session.scalars(select(RestrictionRow).where(*mine).order_by(RestrictionRow.began_at)).all()
    return tuple(_restriction(row) for row in rows)


def request_figures(runtime: Runtime) -> RequestFigures:
    """Open requests, those past their end, promises that were missed, and how long an answer takes.

    A request that was taken back, or that nobody proved was theirs, is none that was answered.
    """
    now = runtime.clock.now()
    answered = (PrivacyRequestRow.status == "closed", PrivacyRequestRow.outcome != "withdrawn")
    columns = (PrivacyRequestRow.received_at, PrivacyRequestRow.closed_at, PrivacyRequestRow.due_at)
    late = select(func.count()).where(*answered, PrivacyRequestRow.closed_at > PrivacyRequestRow.due_at)
    with runtime.database.read() as session:
        known = select(*columns).where(*answered, PrivacyRequestRow.identity.is_not(None))
        rows = session.execute(known.order_by(PrivacyRequestRow.closed_at.desc()).limit(TIMED)).tuples()
        days = [(closed - received) / timedelta(days=1) for received, closed, _ in rows if closed is not None]
        missed = session.scalar(late) or 0
    waiting = open_requests(runtime)
    return RequestFigures(
        open=len(waiting),
        past_due=sum(view.is_overdue(now) for view in waiting),
        missed_promise=missed + sum(view.missed_promise(now) for view in waiting),
        answered=len(days),
        median_days=median(days) if days else None,
    )


def request_view(row: PrivacyRequestRow) -> PrivacyRequestView:
    """A frozen view of a row."""
    return PrivacyRequestView(
        id=row.id,
        account_id=row.account_id,
        right=cast(Right, row.right),
        status=cast(Status, row.status),
        received_at=row.received_at,
        due_at=row.due_at,
        closed_at=row.closed_at,
        outcome=cast(Outcome | None, row.outcome),
        start_at=row.start_at,
        channel=cast(Channel, row.channel),
        identity=cast(Identity | None, row.identity),
        extended_until=row.extended_until,
    )


def _page(
    runtime: Runtime, wanted: Select[PrivacyRequestRow], limit: int, cursor: str | None
) -> Page[PrivacyRequestView]:
    query = wanted.order_by(PrivacyRequestRow.id.desc()).limit(limit + 1)
    if cursor:
        query = query.where(PrivacyRequestRow.id < cursor)
    with runtime.database.read() as session:
        rows = session.scalars(query).all()
    views = tuple(request_view(row) for row in rows[:limit])
    return Page(views, views[-1].id if len(rows) > limit else None)


def _file(runtime: Runtime, session: Session, row: PrivacyRequestRow) -> RequestFile:
    events = session.scalars(
        select(RequestEventRow).where(RequestEventRow.request_id == row.id).order_by(RequestEventRow.id)
    )
    steps = session.scalars(
        select(RequestStepRow).where(RequestStepRow.request_id == row.id).order_by(RequestStepRow.started_at)
    )
    decided = (DecisionRow.request_id == row.id, DecisionRow.state != "dropped")
    decision = session.scalar(select(DecisionRow).where(*decided).order_by(DecisionRow.id.desc()).limit(1))
    restriction = session.scalar(select(RestrictionRow).where(RestrictionRow.request_id == row.id))
    marked = (RedactionRow.request_id == row.id, RedactionRow.place == "reviews")
    redacted = session.scalars(select(RedactionRow.row_id).where(*marked))
    return RequestFile(
        request=request_view(row),
        details=details_of(runtime, row),
        events=tuple(_event(runtime, row.account_id, event) for event in events),
        steps=tuple(
            StepView(
                step.name, step.status == "done", step.attempts, json.loads(step.counts), step.error_code, step.done_at
            )
            for step in steps
        ),
        decision=_decision(runtime, row.account_id, decision) if decision else None,
        restriction=_restriction(restriction) if restriction else None,
        left_out=frozenset(redacted),
        passages=session.scalar(select(func.count()).where(PassageRow.request_id == row.id)) or 0,
    )


def _event(runtime: Runtime, account_id: str, row: RequestEventRow) -> EventView:
    return EventView(
        at=row.at,
        actor=cast(Actor, row.actor),
        actor_id=row.actor_id,
        before=cast(Status, row.before),
        after=cast(Status, row.after),
        code=row.code,
        text=words_of(runtime, account_id, text_place(row.id), row.text),
    )


def _decision(runtime: Runtime, account_id: str, row: DecisionRow) -> DecisionView:
    return DecisionView(
        verdict=row.verdict,
        reason=words_of(runtime, account_id, reason_place(row.id), row.reason),
        state=row.state,
        signed_by=row.signed_by,
        signed_at=row.signed_at,
        second_by=row.second_by,
        second_at=row.second_at,
        signed_alone=row.signed_alone,
    )


def _restriction(row: RestrictionRow) -> RestrictionView:
    return RestrictionView(row.request_id, row.began_at, row.lift_at, row.ended_at)
