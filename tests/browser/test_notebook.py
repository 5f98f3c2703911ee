"""The app in a real browser, on the real server: sign in, edit, run, watch, cancel, find it again."""

import re
from typing import Literal

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.browser.conftest import EMAIL, PASSWORD, open_page, picture
from tests.support.server import ServerProcess
from tests.support.signing import sign_in_by_form

LONG_MAIL = (
    "I was charged twice for the invoice that you sent on the third of November, nobody answers the phone, my bank "
    "wants a letter from you by Friday, and all that I get from the desk is the same mail once again."
)


def _run_status(page: Page, word: str) -> None:
    expect(page.locator(".sq-facts .sq-badge").first).to_contain_text(word)


def test_edit_run_watch_cancel_and_find_again(context: BrowserContext, server: ServerProcess) -> None:
    page = open_page(context, server)
    expect(page.get_by_role("heading", name="Read a support mail")).to_be_visible()
    expect(page.get_by_text("demo model").first).to_be_visible()

    # Edit a cell: the draft keeps it.
    page.get_by_role("link", name="Open summary to edit it").click()
    editor = page.get_by_role("textbox", name="Prompt of summary")
    editor.click()
    page.keyboard.press("Control+Home")
    page.keyboard.type("In plain words. ")
    expect(page.get_by_text("draft of v1")).to_be_visible()
    assert "cell=summary" in page.url

    # Run it with a key, and watch the words arrive.
    page.keyboard.press("Control+Enter")
    live = page.locator(".st-key-cell-summary .sq-live")
    expect(live).to_be_visible()
    first = live.inner_text()
    picture(page, "notebook-running")
    page.wait_for_function(
        "length => (document.querySelector('.st-key-cell-summary .sq-live')?.innerText.length ?? 1e9) > length",
        arg=len(first),
    )
    _run_status(page, "Completed")
    expect(page.locator(".st-key-cell-summary").get_by_text("fresh", exact=True)).to_be_visible()
    expect(editor).to_contain_text("In plain words. Summarise")

    # The rest, from the button that says what it will do.
    page.get_by_role("button", name="Run 2 stale").click()
    expect(page.locator(".st-key-cell-note").get_by_text("fresh", exact=True)).to_be_visible()
    picture(page, "notebook")

    # Cancel a run, of a mail that takes the demo model a while to repeat.
    page.get_by_role("textbox", name="mail", exact=True).fill(LONG_MAIL)
    page.keyboard.press("Tab")
    expect(page.locator(".st-key-cell-note").get_by_text("fresh", exact=True)).to_have_count(0)
    page.get_by_role("button", name="Run all").click()
    page.get_by_role("button", name="Cancel run").click()
    _run_status(page, "Cancelled")

    # A reload finds the draft; the list finds the run.
    page.reload()
    expect(page.get_by_role("textbox", name="Prompt of summary")).to_contain_text("In plain words.")
    page.get_by_role("link", name="Runs", exact=True).click()
    expect(page.locator(".sq-table tbody tr")).to_have_count(3)
    picture(page, "runs")
    page.locator(".sq-table a").first.click()
    page.wait_for_url("**/app/run?run=*")
    expect(page.get_by_text("Cancelled", exact=True).first).to_be_visible()
    page.get_by_role("button", name="Go on").click()
    expect(page.get_by_text("Completed", exact=True).first).to_be_visible(timeout=90_000)
    picture(page, "run")

    # What happened, and what differs from the run before.
    page.locator(".sq-steps a").filter(has_text="summary").click()
    page.wait_for_url("**step=summary*")
    page.get_by_role("tab", name="Trace").click()
    expect(page.get_by_role("tabpanel").get_by_text("attempt 1").first).to_be_visible()
    page.get_by_role("button", name="Compare").click()
    page.get_by_role("combobox", name="With the run of").click()
    page.get_by_role("option").last.click()
    page.wait_for_url("**compare=*")
    expect(page.get_by_role("link", name="Back to this run alone")).to_be_visible()


@pytest.mark.slow
def test_keys_views_and_the_way_back(context: BrowserContext, server: ServerProcess) -> None:
    page = open_page(context, server)
    expect(page.get_by_role("button", name="Run all")).to_be_visible()
    page.locator(".sq-title").click()
    page.keyboard.press("j")
    page.wait_for_url("**cell=triage*")
    page.keyboard.press("j")
    page.wait_for_url("**cell=summary*")
    page.keyboard.press("k")
    page.wait_for_url("**cell=triage*")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog").get_by_text("Keyboard shortcuts")).to_be_visible()
    page.keyboard.press("Escape")

    page.get_by_text("Graph", exact=True).click()
    node = page.get_by_role("link", name="note, template")
    expect(node).to_be_visible()
    picture(page, "graph")
    node.click()
    page.wait_for_url("**cell=note*")
    expect(page.get_by_role("textbox", name="Template of note")).to_be_visible()
    page.go_back()
    expect(page.get_by_role("link", name="note, template")).to_be_visible()


@pytest.mark.slow
def test_versions_come_back_and_a_deleted_step_too(context: BrowserContext, server: ServerProcess) -> None:
    page = open_page(context, server, "?view=cells")
    expect(page.get_by_role("button", name="Run all")).to_be_visible()
    page.get_by_role("button", name="More for note").click()
    page.get_by_text("Duplicate", exact=True).click()
    expect(page.locator(".st-key-cell-note_2")).to_be_visible()
    page.get_by_role("button", name="More for note_2").click()
    page.get_by_text("Delete", exact=True).click()
    expect(page.locator(".st-key-cell-note_2")).to_have_count(0)
    page.get_by_role("button", name="Undo").click()
    expect(page.locator(".st-key-cell-note_2")).to_be_visible()
    page.keyboard.press("Control+s")
    expect(page.get_by_text("v2", exact=True).first).to_be_visible()

    page.get_by_role("button", name="More actions").click()
    page.get_by_text("Versions", exact=True).click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("combobox").click()
    page.get_by_role("option", name="v1").click()
    expect(dialog.locator(".sq-diff")).to_contain_text("note_2")
    dialog.get_by_role("button", name="Restore v1").click()
    expect(page.get_by_text("v3", exact=True).first).to_be_visible()
    expect(page.locator(".st-key-cell-note_2")).to_have_count(0)


@pytest.mark.parametrize("scheme", ["light", pytest.param("dark", marks=pytest.mark.slow)])
def test_the_phone_has_everything_within_its_width(
    browser: Browser, context: BrowserContext, server: ServerProcess, scheme: Literal["light", "dark"]
) -> None:
    phone = browser.new_context(
        viewport={"width": 390, "height": 844}, color_scheme=scheme, storage_state=context.storage_state()
    )
    page = open_page(phone, server, "?view=cells")
    expect(page.get_by_role("button", name=re.compile("Run (all|[0-9]+ stale)"))).to_be_visible()
    picture(page, "notebook-phone-dark" if scheme == "dark" else "notebook-phone")
    for path in (
        "?view=cells&cell=summary",
        "?view=graph",
        "?view=yaml",
        "pipelines",
        "runs",
        "reviews",
        "usage",
        "preferences",
    ):
        page.goto(f"{server.url}/app/{path}")
        expect(page.locator("h1").first).to_be_visible()
        width = page.evaluate("[document.querySelector('.stMain').scrollWidth, window.innerWidth]")
        assert width[0] <= width[1], path
    phone.close()


@pytest.mark.slow
def test_dialogs_can_be_read_in_the_dark(browser: Browser, context: BrowserContext, server: ServerProcess) -> None:
    dark = browser.new_context(
        viewport={"width": 1360, "height": 960}, color_scheme="dark", storage_state=context.storage_state()
    )
    page = open_page(dark, server, "?view=cells")
    expect(page.get_by_role("button", name=re.compile("Run (all|[0-9]+ stale)"))).to_be_visible()
    picture(page, "notebook-dark")
    page.locator(".sq-title").click()
    page.keyboard.press("?")
    cell = page.get_by_role("dialog").get_by_text("Run the open cell", exact=True)
    expect(cell).to_be_visible()
    ink = cell.evaluate("element => getComputedStyle(element).color.match(/\\d+/g).slice(0, 3).map(Number)")
    assert min(ink) > 180, "light letters on a dark ground"
    dark.close()


@pytest.mark.slow
def test_the_confirm_limit_is_kept(context: BrowserContext, server: ServerProcess) -> None:
    page = open_page(context, server, "preferences")
    field = page.get_by_label("Ask above (credits)")
    field.fill("3")
    field.press("Enter")
    expect(page.get_by_text("Saved: runs above 3 cr ask first.")).to_be_visible()
    page.reload()
    expect(page.get_by_label("Ask above (credits)")).to_have_value("3")


@pytest.mark.slow
def test_broken_yaml_is_kept_and_says_where(context: BrowserContext, server: ServerProcess) -> None:
    page = open_page(context, server, "?view=yaml")
    editor = page.get_by_role("textbox", name="Definition as YAML")
    editor.click()
    page.keyboard.press("Control+End")
    page.keyboard.type("\nnonsense: 1\n")
    expect(page.get_by_text("Your text is kept")).to_be_visible()
    expect(page.locator(".sq-issues code").first).to_contain_text(":")
    picture(page, "yaml-error")
    page.reload()
    expect(page.get_by_text("Your text is kept")).to_be_visible()
    editor.click()
    page.keyboard.press("Control+End")  # the editor draws only the lines in view
    expect(editor).to_contain_text("nonsense: 1")
    expect(page.get_by_role("button", name="Run all")).to_be_disabled()


@pytest.mark.slow
def test_signing_out_in_one_tab_leads_the_others_to_the_sign_in_form(
    context: BrowserContext, server: ServerProcess
) -> None:
    page = open_page(context, server, "runs")
    expect(page.get_by_role("heading", name="Runs")).to_be_visible()
    elsewhere = context.new_page()
    elsewhere.goto(server.url + "/auth/logout")
    elsewhere.get_by_role("button", name="Sign out", exact=True).click()
    page.wait_for_url("**/auth/login?next=*")
    expect(page.get_by_label("Password")).to_be_visible()
    sign_in_by_form(page, EMAIL, PASSWORD)
    page.wait_for_url("**/app/runs")


def test_a_secret_is_typed_once_and_never_shown_again(context: BrowserContext, server: ServerProcess) -> None:
    page = open_page(context, server)
    page.get_by_role("link", name="Secrets", exact=True).click()
    expect(page.get_by_text("No secrets yet")).to_be_visible()
    page.get_by_label("Name", exact=True).fill("WEATHER_KEY")
    page.get_by_label("Value", exact=True).fill("sk-canary-9f3e2b71")
    page.get_by_role("button", name="Save secret").click()
    row = page.locator(".st-key-secret-row-WEATHER_KEY")
    expect(row.get_by_text("{{env.WEATHER_KEY}}")).to_be_visible()
    expect(page.get_by_label("Value", exact=True)).to_have_value("")
    expect(page.get_by_label("Name", exact=True)).to_have_value("")
    assert "sk-canary" not in page.content()
    picture(page, "secrets")

    row.get_by_role("button", name="Replace").click()
    page.get_by_label("New value of WEATHER_KEY").fill("another value")
    page.get_by_role("button", name="Replace value").click()
    expect(row.get_by_text("replaced just now")).to_be_visible()
    expect(page.get_by_label("New value of WEATHER_KEY")).to_have_value("")
    page.keyboard.press("Escape")

    page.get_by_role("combobox", name="Secrets of").click()
    page.get_by_role("option").nth(1).click()
    page.wait_for_url("**/secrets?pipeline=*")
    expect(page.get_by_text("from all pipelines")).to_be_visible()
    page.go_back()
    expect(row).to_be_visible()
    row.get_by_role("button", name="Delete").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete WEATHER_KEY").click()
    expect(page.get_by_text("No secrets yet")).to_be_visible()
