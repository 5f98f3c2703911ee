"""Reading what runs wait for."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, cast

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from core.execution.domain import ReviewView
from core.execution.models import ReviewRow, RunRow
from core.pipelines.queries import pipeline_names
from core.platform.runtime import Runtime
from core.shared.pages import Page


def open_review(runtime: Runtime, row: ReviewRow, pipeline_id: str | None) -> ReviewView:
    """A frozen view of a review, with its texts opened and the name of its run's pipeline."""
    wanted = {pipeline_id} if pipeline_id else set()
    return _view(runtime, row, _name(pipeline_names(runtime, row.owner_id, wanted), pipeline_id))


def _name(names: Mapping[str, str], pipeline_id: str | None) -> str:
    return names.get(pipeline_id or "", "From a file")


def _view(runtime: Runtime, row: ReviewRow, pipeline_name: str) -> ReviewView:
    vault = runtime.vault
    question = cast(dict[str, Any], vault.open_json(row.owner_id, f"reviews.question:{row.id}", row.question))
    answer: dict[str, Any] = {}
    if row.answer is not None:
        answer = cast(dict[str, Any], vault.open_json(row.owner_id, f"reviews.answer:{row.id}", row.answer))
    return ReviewView(
        id=row.id,
        run_id=row.run_id,
        step_id=row.step_id,
        pipeline_name=pipeline_name,
        status=row.status,
        message=question["message"],
        output=question["output"],
        editable=question["editable"],
        on_timeout=row.on_timeout,
        due_at=row.due_at,
        created_at=row.created_at,
        decision=answer.get("decision"),
        decided_output=answer.get("output"),
        comment=answer.get("comment", ""),
        decided_by=row.decided_by,
        decided_at=row.decided_at,
    )


def list_reviews(
    runtime: Runtime, owner_id: str, *, status: str = "open", limit: int = 50, cursor: str | None = None
) -> Page[ReviewView]:
    """A person's reviews, newest first."""
    query = select(ReviewRow, RunRow.pipeline_id).join(RunRow, RunRow.id == ReviewRow.run_id)
    query = query.where(ReviewRow.owner_id == owner_id, ReviewRow.status == status)
    if cursor:
        query = query.where(ReviewRow.id < cursor)
    with runtime.database.read() as session:
        rows = session.execute(query.order_by(ReviewRow.id.desc()).limit(limit + 1)).tuples().all()
    names = pipeline_names(runtime, owner_id, {pipeline for _, pipeline in rows if pipeline})
    items = tuple(_view(runtime, row, _name(names, pipeline)) for row, pipeline in rows[:limit])
    return Page(items, items[-1].id if len(rows) > limit else None)


def count_open_reviews(runtime: Runtime, owner_id: str) -> int:
    """How many questions wait for a person's answer."""
    waiting = select(func.count()).where(ReviewRow.owner_id == owner_id, ReviewRow.status == "open")
    with runtime.database.read() as session:
        return session.scalar(waiting) or 0


def reviews_of_run(runtime: Runtime, owner_id: str, run_id: str) -> tuple[ReviewView, ...]:
    """Every review of a run, oldest first."""
    mine = (ReviewRow.owner_id == owner_id, ReviewRow.run_id == run_id)
    with runtime.database.read() as session:
        rows = session.scalars(select(ReviewRow).where(*mine).order_by(ReviewRow.id)).all()
        pipeline_id = session.scalar(select(RunRow.pipeline_id).where(RunRow.id == run_id))
    return tuple(open_review(runtime, row, pipeline_id) for row in rows)


@dataclass(frozen=True, slots=True)
class LinkComment:
    """Words that somebody left through the mailed link of a review: perhaps its owner, perhaps somebody else."""

    review_id: str
    step_run_id: str
    """The answer is also the output of the step that asked."""
    decided_at: datetime
    comment: str = field(repr=False)


def comments_by_link(runtime: Runtime, session: Session, owner_id: str) -> tuple[LinkComment, ...]:
    """Comments in a person's reviews that came through a mailed link, oldest first; in the caller's transaction."""
    found = (ReviewRow.owner_id == owner_id, ReviewRow.status == "decided", ReviewRow.decided_by == "link")
    made = []
    for row in session.scalars(select(ReviewRow).where(*found).order_by(ReviewRow.id)):
        if row.answer is None or row.decided_at is None:
            continue
        answer = cast(dict[str, Any], runtime.vault.open_json(owner_id, f"reviews.answer:{row.id}", row.answer))
        if answer.get("comment"):
            made.append(LinkComment(row.id, row.step_run_id, row.decided_at, answer["comment"]))
    return tuple(made)
