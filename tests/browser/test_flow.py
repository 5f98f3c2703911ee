"""Deciding and reviewing in a real browser: a condition and a review are added, run, and approved."""

import json
import re

import httpx
import pytest
from playwright.sync_api import BrowserContext, expect

from tests.browser.conftest import EMAIL, PASSWORD, open_page, picture
from tests.support.server import ServerProcess

DESK = {
    "name": "Newsletter desk",
    "version": 1,
    "input": {"schema": {"notes": {"type": "string", "default": "Bees make honey. A queen was seen on Monday."}}},
    "steps": [
        {"id": "draft", "model": "demo", "prompt": "Summarise: {{input.notes}}"},
        {
            "id": "both",
            "type": "parallel",
            "steps": [
                {"id": "title", "model": "demo", "prompt": "A title for: {{steps.draft.output}}"},
                {"id": "words", "model": "demo", "prompt": "List the keywords of: {{steps.draft.output}}"},
            ],
        },
        {"id": "again", "type": "condition", "if": "size(steps.draft.output) > 2000", "then": "late"},
        {
            "id": "list",
            "type": "code",
            "language": "python",
            "source": "output = steps['draft']['output'].split('. ')",
        },
        {
            "id": "each",
            "type": "map",
            "foreach": "{{steps.list.output}}",
            "steps": [{"id": "line", "type": "transform", "template": "- {{item}}"}],
        },
        {"id": "late", "type": "transform", "template": "{{json steps.each.output}}"},
    ],
}


def _made(server: ServerProcess, definition: dict[str, object]) -> str:
    with httpx.Client(base_url=server.url, trust_env=False) as api:
        given = api.post("/api/auth/login", json={"email": EMAIL, "password": PASSWORD}).json()
        made = api.post("/api/pipelines", json=definition, headers={"Authorization": f"Bearer {given['token']}"})
    assert made.status_code == 201, made.text
    return str(made.json()["id"])


@pytest.mark.slow
def test_a_condition_and_a_review_are_added_run_and_approved(context: BrowserContext, server: ServerProcess) -> None:
    pipeline = _made(server, {**DESK, "name": "To be approved", "steps": DESK["steps"][:1]})  # type: ignore[index]
    page = open_page(context, server, f"?pipeline={pipeline}")

    # A condition, by mouse; what is in scope is offered as it is typed.
    page.get_by_role("button", name="Add a step", exact=True).click()
    page.get_by_role("button", name="Condition", exact=True).click()
    page.wait_for_url("**cell=check*")
    editor = page.get_by_role("textbox", name="If of check")
    expect(editor).to_contain_text("steps.draft.output != ''")
    editor.click()
    page.keyboard.press("Control+a")
    page.keyboard.type("steps.dr")
    page.get_by_role("option", name=re.compile("steps.draft.output")).click()
    page.keyboard.type(" != 'nothing'")
    expect(editor).to_contain_text("steps.draft.output != 'nothing'")
    expect(page.get_by_text("draft of v1")).to_be_visible()

    # A review, by keyboard.
    page.keyboard.press("Escape")
    adding = page.get_by_role("button", name="Add a step", exact=True)
    adding.focus()
    page.keyboard.press("Enter")
    review = page.get_by_role("button", name="Review", exact=True)
    expect(review).to_be_visible()
    picture(page, "add-step")
    review.focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**cell=review*")
    page.get_by_text("May be edited before approving").click()
    expect(page.get_by_role("textbox", name="What the reviewer is told of review")).to_be_visible()

    # It runs to the question, and waits.
    page.get_by_role("button", name="Run all").click()
    expect(page.locator(".st-key-cell-review").get_by_text("waiting", exact=True)).to_be_visible()
    expect(page.get_by_role("button", name="Waiting…")).to_be_disabled()
    page.get_by_role("link", name=re.compile("^Reviews")).click()
    page.wait_for_url("**/app/reviews*")
    expect(page.get_by_role("link", name="Reviews 1")).to_be_visible()
    page.get_by_text("Edit before approving").click()
    page.get_by_label("Your version").fill("Bees make honey, and a queen was seen.")
    page.get_by_label("Your version").blur()
    expect(page.locator(".sq-diff")).to_contain_text("+Bees make honey, and a queen was seen.")
    picture(page, "reviews")

    # Approved with a key, and the run goes on to its end.
    page.locator("h1").click()
    page.keyboard.press("a")
    expect(page.get_by_text("Nothing waits for you.")).to_be_visible()
    expect(page.get_by_role("link", name="Reviews", exact=True)).to_be_visible()
    page.locator("[class*=st-key-decided-] a.sq-id").click()
    page.wait_for_url("**/app/run?run=*")
    expect(page.get_by_text("Completed", exact=True).first).to_be_visible()
    expect(page.locator(".sq-steps").get_by_text("review")).to_be_visible()


@pytest.mark.slow
def test_steps_inside_steps_are_opened_in_place_and_drawn(context: BrowserContext, server: ServerProcess) -> None:
    pipeline = _made(server, DESK)
    page = open_page(context, server, f"?pipeline={pipeline}")
    page.get_by_role("button", name=re.compile("^Run (all|[0-9]+ stale)")).click()
    inside = page.locator(".st-key-inner-title")
    expect(inside.get_by_text("fresh")).to_be_visible()
    expect(page.locator(".st-key-cell-late").get_by_text("fresh")).to_be_visible()
    page.get_by_role("link", name="Open words to edit it").click()
    page.wait_for_url("**cell=words*")
    expect(
        page.locator(".st-key-cell-both .st-key-inner-words").get_by_role("textbox", name="Prompt of words")
    ).to_be_visible()
    page.get_by_role("button", name="Add a step inside both").click()
    page.get_by_role("menuitem", name="Template").click()
    expect(page.locator(".st-key-cell-both .st-key-inner-text")).to_be_visible()
    page.get_by_text("Graph", exact=True).click()
    expect(page.get_by_role("link", name="title, demo")).to_be_visible()
    expect(page.get_by_text("may go on there")).to_be_visible()
    picture(page, "graph-nested")
    page.get_by_role("link", name="line, template").click()
    page.wait_for_url("**cell=line*")
    expect(page.get_by_role("textbox", name="Template of line")).to_contain_text("{{item}}")


@pytest.mark.slow
def test_a_waiting_run_changes_no_setting_by_itself(context: BrowserContext, server: ServerProcess) -> None:
    """A browser that missed a rerun must not answer with empty widgets."""
    ask = {"id": "ask", "type": "human_review", "message": "Good?", "timeout_hours": 48, "editable": True}
    pipeline = _made(server, {"name": "Waits", "version": 1, "steps": [ask]})
    page = open_page(context, server, f"?pipeline={pipeline}&cell=ask")
    page.get_by_role("button", name="Run all").click()
    expect(page.locator(".st-key-cell-ask").get_by_text("waiting", exact=True)).to_be_visible()
    for _ in range(2):
        page.reload()
        expect(page.get_by_label("Hours to decide")).to_have_value("48")
        expect(page.get_by_role("switch", name="May be edited before approving")).to_be_checked()
    with httpx.Client(base_url=server.url, trust_env=False) as api:
        given = api.post("/api/auth/login", json={"email": EMAIL, "password": PASSWORD}).json()
        api.headers["Authorization"] = f"Bearer {given['token']}"
        kept = api.get(f"/api/pipelines/{pipeline}").json()["definition"]["steps"][0]
    assert json.dumps(kept["timeout_hours"]) in ("48", "48.0") and kept["editable"] is True
    expect(page.get_by_text("draft of")).to_have_count(0)
