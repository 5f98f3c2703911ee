"""Reviews in the app: the page, the cell and the run that wait, and what an answer does."""

from typing import Any

from streamlit.testing.v1 import AppTest

from core.execution.commands import start_run
from core.execution.domain import ReviewView
from core.execution.queries import get_run, run_status
from core.execution.review_queries import reviews_of_run
from core.execution.reviews import decide_review
from core.pipelines.commands import create_pipeline
from tests.integration.pages.conftest import Person, open_shell, page_test, text_of, wait_for_end
from tests.support.server import poll_until


def ask(person: Person, **review: Any) -> ReviewView:
    """A run that waits for an answer."""
    steps = [
        {"id": "draft", "type": "transform", "template": "One line.\\nAnother <b>line</b>."},
        {"id": "ask", "type": "human_review", "message": "Is *this* good?", **review},
        {"id": "use", "type": "transform", "template": "{{steps.ask.output.decision}}: {{steps.ask.output.output}}"},
    ]
    made = create_pipeline(person.runtime, person.account, {"name": "Asks", "version": 1, "steps": steps})
    run_id = start_run(person.runtime, person.account, made.id, {}).id
    poll_until(
        lambda: run_status(person.runtime, person.account.id, run_id) == "waiting", 20, "the run did not come to wait"
    )
    return reviews_of_run(person.runtime, person.account.id, run_id)[0]


def reviews() -> AppTest:
    return page_test("pages.workspace.reviews", "reviews_page")


def output_of(person: Person, review: ReviewView) -> object:
    assert wait_for_end(person, review.run_id) == "completed"
    return get_run(person.runtime, person.account.id, review.run_id).output_data


def test_an_empty_page_teaches(person: Person) -> None:
    said = text_of(reviews())
    assert "Nothing waits for you" in said and "Decided" not in said


def test_an_open_question_is_approved_with_a_comment(person: Person) -> None:
    review = ask(person)
    app = reviews()
    said = text_of(app)
    assert not app.exception and "Is *this* good?" in said and "One line." in said and "Else rejected in 3 days" in said
    assert f"run?run={review.run_id}&amp;step=ask" in said
    assert not app.toggle, "it may not be edited"
    app.text_input(key=f"review-comment-{review.id}").set_value("fine by me").run()
    app.button(key=f"approve-{review.id}").click().run()
    said = text_of(app)
    assert "approved" in said and "by you" in said and "fine by me" in said and "Nothing waits for you" in said
    assert output_of(person, review) == "approve: One line.\\nAnother <b>line</b>."


def test_an_edit_is_shown_before_it_is_sent(person: Person) -> None:
    review = ask(person, editable=True)
    app = reviews()
    app.toggle(key=f"review-edits-{review.id}").set_value(True).run()
    assert "Nothing changed yet" in text_of(app)
    app.text_area(key=f"review-output-{review.id}").set_value("Another line.").run()
    said = text_of(app)
    assert "What you changed" in said and "-One line." in said and "+Another line." in said and "@@" not in said
    button = app.button(key=f"approve-{review.id}")
    assert button.label == "Approve the edit"
    button.click().run()
    assert output_of(person, review) == "approve: Another line."
    assert "+Another line." in text_of(app), "the change stays with the decision"


def test_a_rejection_goes_on_as_well(person: Person) -> None:
    review = ask(person)
    app = reviews()
    app.button(key=f"reject-{review.id}").click().run()
    assert "rejected" in text_of(app)
    assert str(output_of(person, review)).startswith("reject: ")


def test_what_was_decided_elsewhere_says_so(person: Person) -> None:
    review = ask(person)
    app = reviews()
    decide_review(person.runtime, person.account, review.run_id, "ask", "reject")
    app.button(key=f"approve-{review.id}").click().run()
    assert "decided already" in text_of(app) and "rejected" in text_of(app)


def test_edited_json_must_be_json(person: Person) -> None:
    steps = [
        {"id": "draft", "type": "transform", "template": '{"a": 1}', "output_format": "json"},
        {"id": "ask", "type": "human_review", "message": "Good?", "editable": True},
    ]
    made = create_pipeline(person.runtime, person.account, {"name": "Asks", "version": 1, "steps": steps})
    run_id = start_run(person.runtime, person.account, made.id, {}).id
    poll_until(lambda: run_status(person.runtime, person.account.id, run_id) == "waiting", 20, "it did not wait")
    (review,) = reviews_of_run(person.runtime, person.account.id, run_id)
    app = reviews()
    app.toggle(key=f"review-edits-{review.id}").set_value(True).run()
    app.text_area(key=f"review-output-{review.id}").set_value('{"a": oops').run()
    app.button(key=f"approve-{review.id}").click().run()
    assert "not JSON any more" in text_of(app)
    assert app.text_area(key=f"review-output-{review.id}").value == '{"a": oops', "nothing typed is lost"
    app.text_area(key=f"review-output-{review.id}").set_value('{"a": 2}').run()
    app.button(key=f"approve-{review.id}").click().run()
    assert reviews_of_run(person.runtime, person.account.id, run_id)[0].decided_output == {"a": 2}


def test_the_cell_and_the_run_show_the_same_card(person: Person) -> None:
    review = ask(person)
    run = get_run(person.runtime, person.account.id, review.run_id)
    app = page_test("pages.workspace.run_detail", "run_page", run=run.id)
    assert not app.exception and "Is *this* good?" in text_of(app) and ">waiting<" in text_of(app)
    assert app.button(key=f"approve-{review.id}").label == "Approve"
    notebook = open_shell(pipeline=str(run.pipeline_id))
    assert not notebook.exception and notebook.button(key="run-primary").label == "Waiting…"
    assert "To be judged" in text_of(notebook)
    notebook.button(key=f"approve-{review.id}").click().run()
    assert str(output_of(person, review)).startswith("approve: ")
    said = text_of(page_test("pages.workspace.run_detail", "run_page", run=run.id, step="ask"))
    assert "approved" in said and "by you" in said and "sq-asked" in said
