"""One server, one Chromium, and a signed-in person whose browser asks nobody else."""

import os
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Request, expect, sync_playwright

from tests.support.browser_setup import find_chromium
from tests.support.server import ROOT, ServerProcess
from tests.support.signing import sign_in_by_form
from tests.support.sqlite import put_migrated_database

EMAIL, PASSWORD = "ada@example.org", "correct horse battery staple"
PACE_MS = "600"
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
PICTURES = ROOT / "docs" / "screenshots" if os.environ.get("STEPIQ_SCREENSHOTS") == "1" else None

expect.set_options(timeout=60_000)  # the machine may be busy with other tests


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server of this module's own, with one person."""
    if find_chromium() is None:
        pytest.skip("no Chromium on this machine")
    data = tmp_path_factory.mktemp("browser") / "data"
    put_migrated_database(data)
    process = ServerProcess(data, STEPIQ_DEMO_PACE_MS=PACE_MS)
    process.start()
    made = process.command("user", "create", EMAIL, "--password-stdin", stdin=PASSWORD)
    assert made.returncode == 0, made.stderr
    yield process
    process.stop()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One Chromium for the module."""
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=find_chromium(), args=ARGUMENTS)
        yield launched
        launched.close()


@pytest.fixture
def context(browser: Browser, server: ServerProcess) -> Iterator[BrowserContext]:
    """A signed-in browser that notes foreign requests and errors, and has none at the end."""
    made = browser.new_context(viewport={"width": 1360, "height": 960}, color_scheme="light")
    made.set_default_timeout(60_000)
    foreign: list[str] = []
    errors: list[str] = []

    def note(request: Request) -> None:
        parts = urlsplit(request.url)
        if parts.scheme in ("http", "https", "ws", "wss") and parts.hostname != "127.0.0.1":
            foreign.append(request.url)

    made.on("request", note)
    made.on("weberror", lambda error: errors.append(str(error.error)))
    made.on(
        "console", lambda message: errors.append(message.text) if "Content Security Policy" in message.text else None
    )
    page = made.new_page()
    page.goto(server.url + "/auth/login")
    sign_in_by_form(page, EMAIL, PASSWORD)
    page.wait_for_url("**/app/**")
    page.close()
    yield made
    made.close()
    assert foreign == [], "the app asked a foreign host"
    assert errors == []


def open_page(context: BrowserContext, server: ServerProcess, path: str = "") -> Page:
    """A page of the app, once its heading is there."""
    page = context.new_page()
    page.goto(f"{server.url}/app/{path}")
    expect(page.locator("h1").first).to_be_visible()
    return page


def picture(page: Page, name: str) -> None:
    """A picture for the documents, when they are asked for."""
    if PICTURES is not None:
        PICTURES.mkdir(parents=True, exist_ok=True)
        page.wait_for_timeout(600)  # fonts and transitions
        page.screenshot(path=PICTURES / f"{name}.png")
