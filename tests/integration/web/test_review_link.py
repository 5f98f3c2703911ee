"""A question answered through the link of a mail: without a session, without JavaScript, once."""

import re

import pytest
from starlette.testclient import TestClient

from core.accounts.domain import Account
from core.execution.commands import start_run
from core.execution.domain import ACTIVE
from core.execution.queries import get_run, run_status
from core.execution.review_mail import make_review_link
from core.execution.review_queries import reviews_of_run
from core.pipelines.commands import create_pipeline
from core.platform.runtime import Runtime
from tests.support.server import poll_until

DRAFT = "A draft of <b>two</b> lines\nand the second"


@pytest.fixture
def asked(client: TestClient, web_runtime: Runtime, person: Account) -> tuple[str, str]:
    """A run that waits, and the path of the link to its question."""
    return ask(web_runtime, person, DRAFT)


def ask(runtime: Runtime, person: Account, template: str, **draft: str) -> tuple[str, str]:
    steps = [
        {"id": "draft", "type": "transform", "template": template, **draft},
        {"id": "ask", "type": "human_review", "message": "Is it good?", "editable": True},
        {"id": "use", "type": "transform", "template": "{{steps.ask.output.decision}}: {{steps.ask.output.output}}"},
    ]
    made = create_pipeline(runtime, person, {"name": "Asks", "version": 1, "steps": steps})
    run_id = start_run(runtime, person, made.id, {}).id
    poll_until(lambda: run_status(runtime, person.id, run_id) == "waiting", 20, "the run did not come to its question")
    (review,) = reviews_of_run(runtime, person.id, run_id)
    with runtime.database.write() as session:
        token = make_review_link(session, review.id)
    return run_id, f"/review/{token}"


def output_of(runtime: Runtime, person: Account, run_id: str) -> object:
    poll_until(lambda: run_status(runtime, person.id, run_id) not in ACTIVE, 20, "the run did not go on")
    return get_run(runtime, person.id, run_id).output_data


def test_the_page_shows_the_question_and_keeps_to_itself(client: TestClient, asked: tuple[str, str]) -> None:
    page = client.get(asked[1])
    assert page.status_code == 200 and "Is it good?" in page.text and "set-cookie" not in page.headers
    assert "A draft of &lt;b&gt;two&lt;/b&gt; lines" in page.text and "<script" not in page.text
    assert page.headers["cache-control"] == "no-store" and "noindex" in page.headers["x-robots-tag"]
    assert page.headers["referrer-policy"] == "no-referrer" and 'name="robots" content="noindex' in page.text
    assert client.get(asked[1]).status_code == 200, "looking does not use it up: mail programs look, too"


def test_an_approval_takes_the_run_on_and_the_link_has_served(
    client: TestClient, web_runtime: Runtime, person: Account, asked: tuple[str, str]
) -> None:
    run_id, path = asked
    sent = client.get(path).text
    typed = re.search(r"<textarea[^>]*>\n(.*?)</textarea>", sent, re.DOTALL)
    assert typed is not None
    # Browsers send line ends as CR LF: that is no edit.
    fields = {"decision": "approve", "output": DRAFT.replace("\n", "\r\n"), "comment": "fine"}
    answer = client.post(path, data=fields)
    assert answer.status_code == 200 and "Approved" in answer.text
    assert output_of(web_runtime, person, run_id) == f"approve: {DRAFT}"
    (review,) = reviews_of_run(web_runtime, person.id, run_id)
    assert (review.decided_by, review.comment) == ("link", "fine")
    for again in (client.get(path), client.post(path, data=fields), client.get("/review/wrong")):
        assert again.status_code == 404 and "This link has served" in again.text
        assert again.headers["referrer-policy"] == "no-referrer" and again.headers["cache-control"] == "no-store"


def test_an_edit_is_what_goes_on(
    client: TestClient, web_runtime: Runtime, person: Account, asked: tuple[str, str]
) -> None:
    client.post(asked[1], data={"decision": "approve", "output": "Better."})
    assert output_of(web_runtime, person, asked[0]) == "approve: Better."


def test_a_rejection_sends_what_was_judged(
    client: TestClient, web_runtime: Runtime, person: Account, asked: tuple[str, str]
) -> None:
    assert "Rejected" in client.post(asked[1], data={"decision": "reject", "output": "Ignored."}).text
    assert output_of(web_runtime, person, asked[0]) == f"reject: {DRAFT}"


def test_json_that_is_none_any_more_is_kept_and_said(client: TestClient, web_runtime: Runtime, person: Account) -> None:
    run_id, path = ask(web_runtime, person, '{"a": 1}', output_format="json")
    answer = client.post(path, data={"decision": "approve", "output": '{"a": oops', "comment": "c"})
    assert answer.status_code == 422 and "not JSON" in answer.text
    assert "{&#34;a&#34;: oops" in answer.text and 'value="c"' in answer.text
    assert client.post(path, data={"decision": "approve", "output": '{"a": 2}'}).status_code == 200
    assert output_of(web_runtime, person, run_id) == 'approve: {"a": 2}'


def test_no_decision_and_other_forms_decide_nothing(client: TestClient, asked: tuple[str, str]) -> None:
    assert client.post(asked[1], data={"comment": "hm"}).status_code == 422
    assert client.post(asked[1], json={"decision": "approve"}).status_code == 422
    assert client.put(asked[1]).status_code in (404, 405)
    assert client.get(asked[1]).status_code == 200
