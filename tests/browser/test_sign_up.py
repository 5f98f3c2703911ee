"""From the first page to a finished run, without a dead end; and back in with a second factor."""

import re
from collections.abc import Iterator

import pyotp
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import PASSWORD
from tests.support.browser_setup import find_chromium
from tests.support.server import ServerProcess, poll_until
from tests.support.signing import sign_in_by_form

NEW = "grace@example.org"


@pytest.fixture(scope="module")
def open_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server that everybody may sign up at."""
    if find_chromium() is None:
        pytest.skip("no Chromium on this machine")
    process = ServerProcess(tmp_path_factory.mktemp("sign-up") / "data", STEPIQ_SIGNUP="open")
    process.start()
    made = process.command("user", "create", "root@example.org", "--password-stdin", "--admin", stdin=PASSWORD)
    assert made.returncode == 0, made.stderr
    yield process
    process.stop()


def guest(browser: Browser, **more: object) -> Page:
    context = browser.new_context(viewport={"width": 1280, "height": 900}, **more)  # type: ignore[arg-type]
    context.set_default_timeout(60_000)
    return context.new_page()


def newest_code(page: Page, server: ServerProcess) -> str:
    poll_until(lambda: any((server.data_dir / "mail").glob("*.eml")), 20, "no mail came")
    page.goto(server.url + "/dev/mail")
    page.get_by_role("link", name=re.compile("Your code")).first.click()
    found = re.search(r"\b(\d{6})\b", page.locator("main").inner_text())
    assert found is not None
    return found[1]


def test_from_the_first_page_to_a_finished_run(browser: Browser, open_server: ServerProcess) -> None:
    page = guest(browser)
    page.goto(open_server.url)
    page.get_by_role("link", name="Start", exact=True).first.click()
    expect(page.get_by_role("heading", name="Make an account")).to_be_visible()
    page.get_by_label("E-mail").fill(NEW)
    page.get_by_role("button", name="Mail me a code").click()
    mails = page.context.new_page()
    code = newest_code(mails, open_server)
    page.get_by_label("Code from the mail").fill(code)
    page.get_by_label("Name").fill("Grace")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Make the account").click()
    page.wait_for_url("**/app/**")
    page.get_by_role("button", name=re.compile(r"^Run")).first.click()
    expect(page.get_by_text("Completed").first).to_be_visible(timeout=40_000)


@pytest.mark.slow
def test_the_open_page_is_seen_in_a_long_list_of_pages(browser: Browser, open_server: ServerProcess) -> None:
    page = guest(browser)
    page.set_viewport_size({"width": 1280, "height": 640})
    page.goto(open_server.url + "/auth/login?next=/app/admin-policy")
    sign_in_by_form(page, "root@example.org", PASSWORD)
    pages = page.get_by_test_id("stSidebarNav")
    expect(pages.get_by_role("link", name="Policies")).to_be_in_viewport(ratio=1)
    expect(pages.get_by_role("link", name="Notebook")).not_to_be_in_viewport()


@pytest.mark.slow
def test_a_second_factor_is_set_up_and_asked_for(browser: Browser, open_server: ServerProcess) -> None:
    page = guest(browser)
    page.goto(open_server.url + "/auth/login?next=/app/profile")
    sign_in_by_form(page, "root@example.org", PASSWORD)
    page.get_by_role("link", name="Set up: second factor").click()
    picture = page.get_by_role("img", name=re.compile("QR code"))
    expect(picture).to_be_visible()
    assert picture.evaluate("image => image.naturalWidth") > 100, "the picture is drawn under the page's policy"
    key = page.locator(".key").inner_text().replace(" ", "")
    page.get_by_label("Code").fill(pyotp.TOTP(key).now())
    page.get_by_role("button", name="Switch it on").click()
    codes = page.locator(".codes code").all_inner_texts()
    assert len(codes) == 10

    phone = guest(browser, is_mobile=True, color_scheme="dark")
    phone.set_viewport_size({"width": 390, "height": 800})
    phone.goto(open_server.url + "/auth/login?next=/app/profile")
    sign_in_by_form(phone, "root@example.org", PASSWORD)
    expect(phone.get_by_role("heading", name="Your code")).to_be_visible()
    phone.get_by_label("Code").fill(codes[0])
    phone.get_by_role("button", name="Sign in").click()
    phone.wait_for_url("**/app/profile")
    expect(phone.get_by_text("this one")).to_be_visible()
    assert phone.evaluate("document.documentElement.scrollWidth") <= 390

    page.goto(open_server.url + "/app/profile")
    page.get_by_role("button", name="Sign out everywhere else").click()
    expect(page.get_by_text("Signed out everywhere else.")).to_be_visible()
    phone.goto(open_server.url + "/app/runs")
    expect(phone.get_by_role("heading", name="Sign in")).to_be_visible()
