"""A copy in which others wrote (GDPR Art. 15(4)): somebody judges it, and what is left out is an answer in part."""

import pytest

from core.accounts.domain import SessionView
from core.execution.commands import start_run
from core.execution.engine import Engine, run_to_end
from core.execution.review_mail import make_review_link
from core.execution.review_queries import reviews_of_run
from core.execution.reviews import decide_by_link
from core.pipelines.commands import create_pipeline
from core.platform.runtime import Runtime
from core.privacy import deciding, rights
from core.privacy.advance import advance_request
from core.privacy.asking import ask
from core.privacy.deciding import left_out
from core.privacy.queries import get_request, request_file
from core.privacy.steps import Done, RightStep
from core.shared.errors import InvalidInput
from tests.integration.privacy.conftest import REASON, privacy_admin
from tests.support.letters import last_letter

WAITS = {"name": "Asked", "version": 1, "steps": [{"id": "look", "type": "human_review", "message": "Is it right?"}]}
WORDS = "Nobody but Charles should know this."


async def commented(runtime: Runtime, view: SessionView, comment: str) -> str:
    """A review that was answered through its link; its id."""
    run = start_run(runtime, view.account, create_pipeline(runtime, view.account, WAITS).id, {})
    engine = Engine(runtime, "serve:test")
    await run_to_end(engine, run.id)
    engine.close()
    (review,) = reviews_of_run(runtime, view.account.id, run.id)
    with runtime.database.write() as session:
        token = make_review_link(session, review.id)
    decide_by_link(runtime, token, "approve", comment=comment)
    return review.id


@pytest.fixture(autouse=True)
def copies(monkeypatch: pytest.MonkeyPatch) -> None:
    """A step in the place of the real copy."""
    made = (RightStep("copy", "A copy is made", "executing", lambda _runtime, _work: Done({"rows": 1})),)
    monkeypatch.setitem(rights.STEPS, "access", made)


async def test_a_comment_by_link_is_judged_before_it_is_handed_over(
    runtime: Runtime, ada: SessionView, grace: SessionView
) -> None:
    review = await commented(runtime, ada, WORDS)
    request = ask(runtime, ada, "access").id
    assert request_file(runtime, request).request.status == "awaiting_decision"
    (found,) = deciding.comments_to_judge(runtime, request_file(runtime, request).request)
    assert found.review_id == review and WORDS not in repr(found)
    assert deciding.reveal(runtime, grace, request, REASON).others == {review: WORDS}
    with pytest.raises(InvalidInput):
        deciding.leave_out(runtime, grace, request, frozenset({"another"}))
    deciding.leave_out(runtime, grace, request, frozenset({review}))
    assert not deciding.decide(runtime, grace, request, "accept", REASON), "leaving out is signed twice"
    deciding.sign_second(runtime, privacy_admin(runtime, "linus@example.org"), request)
    with runtime.database.read() as session:
        assert left_out(session, request) == {("reviews", review)}
    assert advance_request(runtime, request)
    answered = get_request(runtime, ada.account.id, request)
    assert answered.request.outcome == "partial" and answered.left_out == {review}
    mail = last_letter(runtime, ada.account.email).text
    assert "words of other people were left out" in mail and "CNIL" in mail and WORDS not in mail


async def test_nothing_left_out_is_the_whole(runtime: Runtime, ada: SessionView, grace: SessionView) -> None:
    await commented(runtime, ada, WORDS)
    request = ask(runtime, ada, "access").id
    assert deciding.decide(runtime, grace, request, "accept", REASON)
    advance_request(runtime, request)
    assert request_file(runtime, request).request.outcome == "fulfilled"


async def test_without_words_of_others_it_begins_at_once(runtime: Runtime, ada: SessionView) -> None:
    await commented(runtime, ada, "")
    assert ask(runtime, ada, "access").status == "scheduled"
