"""Handing a person's answer to a review to its command."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from core.bootstrap import get_runtime
from core.execution.domain import ReviewView
from core.execution.reviews import decide_review
from pages.ui.notices import attempt, say
from pages.ui.review_card import Answer
from pages.ui.session import current_session, guarded


@guarded
def decide(review: ReviewView, answer: Callable[[], Answer]) -> None:
    """Answers an open question; the run goes on."""
    runtime = get_runtime()
    owner = current_session(runtime).account
    said: list[Answer] = []

    def send() -> None:
        given = answer()
        edited: dict[str, Any] = {"output": given.output} if given.edited else {}
        decide_review(
            runtime, owner, review.run_id, review.step_id, given.decision, comment=given.comment,
            review_id=review.id, **edited,
        )  # fmt: skip
        said.append(given)

    if attempt(send):
        say("Approved. The run goes on." if said[0].decision == "approve" else "Rejected. The run goes on.")
