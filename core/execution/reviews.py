"""Answering what a run waits for. A decision is one transaction: the answer, the step's output, the run set free."""

from datetime import datetime
from typing import Any, cast

from sqlalchemy import select
from sqlalchemy.orm import Session

from core.accounts.domain import Account
from core.execution import errors, journal
from core.execution.domain import Decision, ReviewView
from core.execution.models import ReviewRow, RunRow, StepRunRow
from core.execution.review_mail import hash_token
from core.execution.review_queries import open_review
from core.platform.idempotency import Once, answer_once, answered_before
from core.platform.runtime import Runtime
from core.shared.errors import Conflict, InvalidInput, NotFound
from core.shared.types import JsonValue

BY_TIMEOUT, BY_LINK = "timeout", "link"
MAX_COMMENT = 5_000
DUE_AT_ONCE = 500
_UNCHANGED: Any = object()


def decide_review(
    runtime: Runtime,
    owner: Account,
    run_id: str,
    step_id: str,
    decision: Decision,
    *,
    output: JsonValue = _UNCHANGED,
    comment: str = "",
    review_id: str | None = None,
    once: Once | None = None,
) -> ReviewView:
    """Answer the open question of a step. `output` replaces what was shown, where the step lets it be edited.

    `review_id` says which, where items of a `map` ask the same; without it the newest is meant.

    Raises NotFound, Conflict ALREADY_DECIDED, InvalidInput NOT_EDITABLE.
    """
    with runtime.database.write() as session:
        run = _locked_run(session, RunRow.id == run_id, RunRow.owner_id == owner.id)
        decided = answered_before(runtime, session, owner.id, once)
        if run is not None and decided is not None:
            return open_review(runtime, session.get_one(ReviewRow, decided), run.pipeline_id)
        newest = select(ReviewRow).where(ReviewRow.run_id == run_id, ReviewRow.step_id == step_id)
        if review_id is not None:
            newest = newest.where(ReviewRow.id == review_id)
        review = session.scalar(newest.order_by(ReviewRow.id.desc()).limit(1))
        if run is None or review is None:
            raise errors.review_not_found()
        _decide(runtime, session, run, review, decision, output=output, comment=comment, by=owner.id)
        answer_once(runtime, session, owner.id, once, review.id)
    runtime.dispatcher.submit(run_id)
    runtime.events.used("review.decided", owner.id)
    return open_review(runtime, review, run.pipeline_id)


def decide_by_link(
    runtime: Runtime, token: str, decision: Decision, *, output: JsonValue = _UNCHANGED, comment: str = ""
) -> ReviewView:
    """Answer through the link of a mail, which works once. Raises NotFound, Conflict."""
    with runtime.database.write() as session:
        review = _by_link(session, token)
        run = _locked_run(session, RunRow.id == review.run_id)
        if run is None:
            raise errors.review_not_found()
        session.refresh(review)
        _decide(runtime, session, run, review, decision, output=output, comment=comment, by=BY_LINK)
    runtime.dispatcher.submit(review.run_id)
    return open_review(runtime, review, run.pipeline_id)


def review_of_link(runtime: Runtime, token: str) -> ReviewView:
    """What a link asks. Raises NotFound for one that was never made, or was used."""
    with runtime.database.read() as session:
        review = _by_link(session, token)
        pipeline_id = session.scalar(select(RunRow.pipeline_id).where(RunRow.id == review.run_id))
    return open_review(runtime, review, pipeline_id)


def has_due_reviews(runtime: Runtime, now: datetime) -> bool:
    """Whether the time of some question is over."""
    due = select(ReviewRow.id).where(ReviewRow.status == "open", ReviewRow.due_at <= now).limit(1)
    with runtime.database.read() as session:
        return session.scalar(due) is not None


def decide_due_reviews(runtime: Runtime, now: datetime) -> int:
    """Answer every question whose time is over as its step says; returns how many."""
    due = select(ReviewRow.id, ReviewRow.run_id).where(ReviewRow.status == "open", ReviewRow.due_at <= now)
    with runtime.database.read() as session:
        found = session.execute(due.order_by(ReviewRow.due_at).limit(DUE_AT_ONCE)).tuples().all()
    count = 0
    for review_id, run_id in found:
        with runtime.database.write() as session:
            run = _locked_run(session, RunRow.id == run_id)
            review = session.get(ReviewRow, review_id)
            if run is None or review is None or review.status != "open":
                continue
            decision = cast(Decision, review.on_timeout)
            _decide(runtime, session, run, review, decision, output=_UNCHANGED, comment="", by=BY_TIMEOUT)
        runtime.dispatcher.submit(run_id)
        count += 1
    return count


def _locked_run(session: Session, *where: Any) -> RunRow | None:
    # The run's row first, like every write of the journal: a run that is being parked is either counted or found.
    return session.scalar(select(RunRow).where(*where).with_for_update())


def _by_link(session: Session, token: str) -> ReviewRow:
    review = session.scalar(select(ReviewRow).where(ReviewRow.link_hash == hash_token(token)))
    if review is None:
        raise NotFound("LINK_NOT_VALID", "This link is not valid any more. Open the run in the app to decide.")
    return review


def _decide(
    runtime: Runtime,
    session: Session,
    run: RunRow,
    review: ReviewRow,
    decision: Decision,
    *,
    output: JsonValue,
    comment: str,
    by: str,
) -> None:
    if review.status != "open":
        raise Conflict("ALREADY_DECIDED", "This was decided already. Reload to see by whom.")
    question = cast(
        dict[str, Any], runtime.vault.open_json(run.owner_id, f"reviews.question:{review.id}", review.question)
    )
    if output is not _UNCHANGED and output != question["output"] and not question["editable"]:
        raise InvalidInput("NOT_EDITABLE", "This review can be approved or rejected, but not edited.", field="output")
    if len(comment) > MAX_COMMENT:
        raise InvalidInput("TOO_LONG", f"A comment has at most {MAX_COMMENT:,} characters.", field="comment")
    now = runtime.clock.now()
    answer: dict[str, JsonValue] = {
        "decision": decision,
        "output": question["output"] if output is _UNCHANGED else output,
        "comment": comment,
    }
    review.status, review.decided_at, review.decided_by, review.link_hash = "decided", now, by, None
    review.answer = runtime.vault.seal_json(run.owner_id, f"reviews.answer:{review.id}", answer)
    step = session.get_one(StepRunRow, review.step_run_id)
    content = {**journal.open_content(runtime, step), "parsed": answer}
    where = f"step_runs.content:{step.id}"
    step.status, step.content, step.completed_at = (
        "completed",
        runtime.vault.seal_json(run.owner_id, where, content),
        now,
    )
    if run.status == "waiting":
        run.status, run.wake_at = "pending", None
        session.flush()
        runtime.dispatcher.enqueue(session, run.id)
