"""A first visit in a real browser, by its own network log: which cookies are set, and which hosts are asked."""

import re
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.browser.conftest import ARGUMENTS
from tests.support.browser_setup import find_chromium
from tests.support.server import ServerProcess
from tests.support.sqlite import put_migrated_database

PUBLIC = (
    "/", "/privacy", "/privacy/policy", "/privacy/policy/versions", "/privacy/choices", "/terms", "/terms/versions",
    "/auth/login", "/auth/register", "/auth/forgot", "/setup", "/nowhere", "/api/openapi.json", "/robots.txt",
)  # fmt: skip
NEEDED = {"stepiq_form"}


@pytest.fixture(scope="module", params=[pytest.param("plain", marks=pytest.mark.slow), "measured"])
def visited(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server without and with a key for measurements; what it would send to listens nowhere."""
    if find_chromium() is None:
        pytest.skip("no Chromium on this machine")
    measured = {"POSTHOG_API_KEY": "phc_test", "POSTHOG_HOST": "http://127.0.0.1:9"}
    more = measured if request.param == "measured" else {}
    data = tmp_path_factory.mktemp("visit") / "data"
    put_migrated_database(data)
    process = ServerProcess(data, STEPIQ_SIGNUP="open", **more)
    process.start()
    yield process
    process.stop()


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=find_chromium(), args=ARGUMENTS)
        yield launched
        launched.close()


def test_a_fresh_visit_sets_only_what_is_needed_and_asks_no_other_host(
    visited: ServerProcess, chromium: Browser
) -> None:
    context = chromium.new_context()
    hosts: set[str] = set()
    context.on("request", lambda request: hosts.add(urlsplit(request.url).netloc))
    page = context.new_page()
    for path in PUBLIC:
        hosts.clear()
        context.clear_cookies()  # and nothing else was kept: each is seen as if it were the first
        page.goto(visited.url + path)
        page.wait_for_load_state("networkidle")
        cookies = {str(cookie["name"]) for cookie in context.cookies()}
        assert cookies <= NEEDED, (path, cookies)
        assert hosts - {""} == {urlsplit(visited.url).netloc}, (path, hosts)
        assert context.storage_state()["origins"] == [], f"{path} keeps something in the browser"
    context.close()


def test_a_no_is_as_near_as_a_yes(visited: ServerProcess, chromium: Browser) -> None:
    context = chromium.new_context(java_script_enabled=False, viewport={"width": 390, "height": 844})
    page = context.new_page()
    page.goto(visited.url + "/privacy/policy")
    banner = page.locator("section.ask")
    if "POSTHOG_API_KEY" not in visited.environment:
        assert banner.count() == 0
        context.close()
        return
    # Both at once: in between, the page could move as its font comes.
    buttons = banner.get_by_role("button", name=re.compile("^(No|Yes)$"))
    no, yes = buttons.evaluate_all("all => all.map((each) => each.getBoundingClientRect().toJSON())")
    assert (no["width"], no["height"], no["y"]) == (yes["width"], yes["height"], yes["y"])
    banner.get_by_role("button", name="No").click()
    page.wait_for_url("**/privacy/policy")
    assert page.locator("section.ask").count() == 0
    assert {str(cookie["name"]) for cookie in context.cookies()} == {"stepiq_form", "stepiq_choice"}
    context.close()
