"""Pipelines in a real browser: one is imported from a file, exported, archived, brought back; runs as a file."""

import json
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import BrowserContext, expect

from tests.browser.conftest import EMAIL, PASSWORD, open_page, picture
from tests.support.server import ServerProcess

TEXT = """name: Tide tables
version: 1
description: Says when the water is high
input:
  schema:
    place: {type: string, required: true}
steps:
  - {id: find, model: demo, prompt: "When is high water in {{input.place}}?"}
  - {id: told, type: webhook, url: "https://example.org/tides", headers: {Authorization: "{{env.TIDE_TOKEN}}"}}
"""


@pytest.mark.slow
def test_a_pipeline_comes_in_goes_out_and_rests(context: BrowserContext, server: ServerProcess, tmp_path: Path) -> None:
    page = open_page(context, server, "pipelines")
    page.get_by_role("button", name="Import").click()
    dialog = page.get_by_role("dialog")
    file = tmp_path / "tides.yaml"
    file.write_text(TEXT.replace("prompt", "propmt"))
    page.locator("input[type=file]").set_input_files(file)
    expect(dialog).to_contain_text("8:29")
    text = dialog.get_by_role("textbox", name="Definition as YAML or JSON")
    text.fill(TEXT)
    text.press("Control+Enter")
    expect(dialog).to_contain_text("Says when the water is high")
    expect(dialog).to_contain_text("TIDE_TOKEN")
    picture(page, "import")
    dialog.get_by_role("button", name="Import", exact=True).click()
    expect(page.get_by_role("heading", name="Tide tables")).to_be_visible()

    page = open_page(context, server, "pipelines")
    row = page.locator("[class*='st-key-pipeline-']").filter(has_text="Tide tables").last
    expect(page.get_by_role("link", name="Tide tables")).to_be_visible()
    row.get_by_role("button", name="More about Tide tables").click()
    page.get_by_role("menuitem", name="Export YAML").click()
    with page.expect_download() as download:
        page.get_by_role("dialog").get_by_role("button", name="Download YAML").click()
    assert Path(download.value.path()).read_text() == TEXT and download.value.suggested_filename == "tide-tables.yaml"
    page.keyboard.press("Escape")

    row.get_by_role("button", name="More about Tide tables").click()
    page.get_by_role("menuitem", name="Archive").click()
    expect(page.get_by_text("Archived “Tide tables”")).to_be_visible()
    expect(page.get_by_role("link", name="Tide tables")).to_have_count(0)
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_role("link", name="Tide tables")).to_be_visible()

    row.get_by_role("button", name="More about Tide tables").click()
    page.get_by_role("menuitem", name="Archive").click()
    expect(page.get_by_text("Archived “Tide tables”")).to_be_visible()
    page.get_by_role("button", name="Dismiss").click()
    page.get_by_role("radio", name="Archived").click()
    expect(page.get_by_role("button", name="Restore")).to_be_visible()
    assert "view=archived" in page.url
    page.get_by_role("button", name="Restore").click()
    expect(page.get_by_text("Nothing is archived")).to_be_visible()


@pytest.mark.slow
def test_runs_are_downloaded_as_a_file(context: BrowserContext, server: ServerProcess) -> None:
    with httpx.Client(base_url=server.url + "/api", trust_env=False) as api:
        token = api.post("/auth/login", json={"email": EMAIL, "password": PASSWORD}).json()["token"]
        api.headers["Authorization"] = f"Bearer {token}"
        source = {"name": "Echo", "version": 1, "steps": [{"id": "a", "type": "transform", "template": "Hello"}]}
        pipeline = api.post("/pipelines", json=source).json()["id"]
        run = api.post(f"/pipelines/{pipeline}/run").json()["id"]
        api.get(f"/runs/{run}/stream")
    page = open_page(context, server, "runs?status=completed")
    page.get_by_role("button", name="Download").click()
    with page.expect_download() as download:
        page.get_by_role("link", name="Whole runs (NDJSON)").click()
    assert download.value.suggested_filename.endswith(".ndjson")
    assert json.loads(Path(download.value.path()).read_text().splitlines()[0])["id"] == run
