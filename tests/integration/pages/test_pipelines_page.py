"""The page of pipelines: import with a preview, export, archive with undo, restore within the plan."""

import json
from collections.abc import Callable, Iterator

import pytest
from streamlit.testing.v1 import AppTest

from core.bootstrap import set_runtime
from core.pipelines.commands import archive_pipeline, create_pipeline, save_draft, update_pipeline
from core.pipelines.domain import PipelineSummary
from core.pipelines.imports import Replaced, import_version, undo_import
from core.pipelines.queries import get_pipeline, get_version, list_pipelines
from core.platform.runtime import Runtime
from core.shared.errors import Conflict
from tests.integration.pages.conftest import Person, page_test, sign_in_person, text_of
from tests.support.http_peer import HttpPeer, peer_in_thread

GREETING = """# greets
name: Greeting
version: 1
description: Says hello
input:
  schema:
    who: {type: string, required: true}
steps:
  - {id: greet, model: demo, prompt: "Say hello to {{input.who}}."}
  - id: each
    type: map
    foreach: '["a"]'
    steps:
      - {id: line, type: transform, template: "- {{item}}"}
"""
GREETING = GREETING.replace("foreach: '[\"a\"]'", 'foreach: "{{steps.words.output}}"').replace(
    "  - id: each", "  - {id: words, type: transform, template: '[1, 2]', output_format: json}\n  - id: each"
)


def open_page(**query: str) -> AppTest:
    return page_test("pages.workspace.pipelines", "pipelines_page", **query)


def again(app: AppTest) -> AppTest:
    """A rerun with the dialog still open: AppTest closes it, a browser does not."""
    app.session_state["dialog"] = ("import", {})
    return app.run()


def importing(text: str) -> AppTest:
    app = open_page()
    app.button(key="pipelines-import").click().run()
    app.text_area(key="import-text").set_value(text)
    return again(app)


def listed(person: Person, *, archived: bool = False) -> list[PipelineSummary]:
    return list(list_pipelines(person.runtime, person.account.id, archived=archived).items)


@pytest.mark.parametrize(
    "text",
    [
        GREETING,
        json.dumps({"name": "Greeting", "version": 1, "steps": [{"id": "greet", "model": "demo", "prompt": "Hi"}]}),
    ],
)
def test_a_text_is_shown_before_it_is_saved(person: Person, text: str) -> None:
    app = importing(text)
    said = text_of(app)
    assert "Greeting" in said and "greet" in said and "demo" in said and "model call" in said
    assert not listed(person), "nothing is saved yet"
    app.session_state["dialog"] = ("import", {})
    app.button(key="import-go").click().run()
    (made,) = listed(person)
    assert made.name == "Greeting" and get_pipeline(person.runtime, person.account.id, made.id).text == text
    assert again(open_page()).text_area(key="import-text").value == "", "nothing is left over"


def test_errors_have_lines_and_the_text_stays(person: Person) -> None:
    broken = "name: X\nversion: 1\nsteps:\n  - id: a\n    propmt: hi\n"
    app = importing(broken)
    assert "<code>5:5</code>" in text_of(app) and "propmt" in text_of(app)
    assert not [button for button in app.button if button.key == "import-go"]
    assert again(app).text_area(key="import-text").value == broken
    # Closed by mistake and opened again.
    app.run()
    assert not [area for area in app.text_area if area.key == "import-text"]
    assert again(app).text_area(key="import-text").value == broken


def test_a_missing_secret_is_a_warning(person: Person) -> None:
    text = (
        "name: Calls\nsteps:\n  - {id: a, type: webhook, url: 'https://example.org', headers: {X: '{{env.TOKEN}}'}}\n"
    )
    app = importing(text)
    assert "TOKEN" in text_of(app) and "warning" in text_of(app) and app.button(key="import-go")


def test_a_name_that_is_taken_is_asked_about(person: Person) -> None:
    first = create_pipeline(person.runtime, person.account, GREETING).id
    create_pipeline(person.runtime, person.account, GREETING.replace("Greeting", "Greeting (2)"))
    app = importing(GREETING)
    assert app.radio[0].options[0].endswith("“Greeting (3)”")
    app.session_state["dialog"] = ("import", {})
    app.button(key="import-go").click().run()
    made = next(each for each in listed(person) if each.name == "Greeting (3)")
    assert get_pipeline(person.runtime, person.account.id, made.id).definition["name"] == "Greeting (3)"

    changed = GREETING.replace("Say hello", "Wave")
    app = importing(changed)
    app.radio(key=f"import-how-{first}").set_value("version")
    again(app)
    app.session_state["dialog"] = ("import", {})
    app.button(key="import-go").click().run()
    assert len(listed(person)) == 3
    replaced = get_pipeline(person.runtime, person.account.id, first)
    assert (replaced.version, replaced.text) == (2, changed)


def importing_over(pipeline_id: str, text: str) -> AppTest:
    """The dialog with the choice made to import a text as the next version of a pipeline."""
    app = importing(text)
    app.radio(key=f"import-how-{pipeline_id}").set_value("version")
    return again(app)


def import_now(app: AppTest) -> AppTest:
    app.session_state["dialog"] = ("import", {})
    return app.button(key="import-go").click().run()


def undo_of(app: AppTest) -> tuple[str, Callable[[], None]]:
    offered: tuple[str, Callable[[], None]] = app.session_state["notice-undo"]
    return offered


def test_a_draft_is_kept_as_a_version_before_an_import_takes_its_place(person: Person) -> None:
    runtime, owner = person.runtime, person.account
    made = create_pipeline(runtime, owner, GREETING).id
    draft, new = GREETING.replace("Says hello", "Says hello twice"), GREETING.replace("Say hello", "Wave")
    save_draft(runtime, owner.id, made, draft)
    app = importing_over(made, new)
    assert "kept as a version of its own" in app.info[0].value
    import_now(app)
    after = get_pipeline(runtime, owner.id, made)
    assert (after.version, after.text, after.draft) == (3, new, None)
    assert get_version(runtime, owner.id, made, 2).text == draft
    assert undo_of(app)[0] == "Imported as v3. The unsaved draft was kept as v2."
    undo_import(runtime, owner, Replaced(made, 1, draft, kept=True))
    before = get_pipeline(runtime, owner.id, made)
    assert (before.text, before.draft.text if before.draft else None) == (GREETING, draft)
    with pytest.raises(Conflict):
        undo_import(runtime, owner, Replaced(made, 1, draft, kept=True))


def test_a_draft_that_cannot_be_kept_is_asked_about_and_can_be_brought_back(person: Person) -> None:
    runtime, owner = person.runtime, person.account
    made = create_pipeline(runtime, owner, GREETING).id
    save_draft(runtime, owner.id, made, "steps: [")
    app = importing_over(made, GREETING)
    assert "unsaved draft with errors" in app.warning[0].value and app.button(key="import-go").disabled
    with pytest.raises(Conflict) as refusal:
        import_version(runtime, owner, made, GREETING)
    assert refusal.value.code == "DRAFT_BROKEN"
    kept = get_pipeline(runtime, owner.id, made)
    assert kept.version == 1 and kept.draft is not None
    app.checkbox(key=f"import-drop-{made}").check()
    import_now(again(app))
    after = get_pipeline(runtime, owner.id, made)
    assert (after.version, after.draft) == (2, None)
    assert undo_of(app)[0] == "Imported as v2. It took the place of an unsaved draft."
    undone = page_test("pages.ui.notices", "draw_notices")
    undone.session_state["notice-undo"] = undo_of(app)
    undone.run().button(key="undo").click().run()
    back = get_pipeline(runtime, owner.id, made)
    assert back.draft is not None and back.draft.text == "steps: [" and not undone.exception


def test_a_draft_that_says_what_the_newest_version_does_is_no_change(person: Person) -> None:
    made = create_pipeline(person.runtime, person.account, GREETING).id
    save_draft(person.runtime, person.account.id, made, GREETING)
    app = importing_over(made, GREETING.replace("Say hello", "Wave"))
    assert not app.info and not app.warning
    import_now(app)
    assert get_pipeline(person.runtime, person.account.id, made).version == 2


def test_a_draft_written_meanwhile_is_not_lost(person: Person) -> None:
    runtime, owner = person.runtime, person.account
    made = create_pipeline(runtime, owner, GREETING).id
    with pytest.raises(Conflict):
        save_draft(runtime, owner.id, made, "name: X")
        update_pipeline(runtime, owner, made, source=GREETING, draft_revision=0)
    assert get_pipeline(runtime, owner.id, made).draft is not None


@pytest.fixture
def far(runtime_with: Callable[..., Runtime], monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Person, HttpPeer]]:
    """Ada, and a host that her installation may reach."""
    with peer_in_thread() as peer:
        yield sign_in_person(runtime_with(outbound_allowlist="127.0.0.1"), monkeypatch), peer
    set_runtime(None)


def fetched(url: str) -> AppTest:
    app = open_page()
    app.session_state["import-way"] = "url"
    again(app)
    app.text_input(key="import-url").set_value(url)
    app.session_state["dialog"] = ("import", {})
    return app.button(key="import-fetch").click().run()


def test_an_address_fills_the_text(far: tuple[Person, HttpPeer]) -> None:
    person, peer = far
    peer.answers["/greeting.yaml"] = (200, {"Content-Type": "text/plain"}, GREETING.encode())
    peer.redirect("/short", "/greeting.yaml")
    app = fetched(f"http://127.0.0.1:{peer.port}/short")
    assert app.text_area(key="import-text").value == GREETING and "Says hello" in text_of(app)
    assert not listed(person)


@pytest.mark.parametrize(
    ("path", "answer", "said"),
    [
        ("/none", (404, {}, b"no"), "answered with the status 404"),
        ("/page", (200, {}, b"<!DOCTYPE html><html>"), "raw file"),
        ("/large", (200, {}, b"x" * 300_000), "larger than 256 KB"),
        ("/bytes", (200, {}, b"\xff\xfe"), "not text in UTF-8"),
    ],
)
def test_what_is_no_definition_is_refused_with_what_to_do(
    far: tuple[Person, HttpPeer], path: str, answer: tuple[int, dict[str, str], bytes], said: str
) -> None:
    _, peer = far
    peer.answers[path] = answer
    app = fetched(f"http://127.0.0.1:{peer.port}{path}")
    assert said in app.error[0].value and app.text_area(key="import-text").value == ""
    app.text_area(key="import-text").set_value("name: X")
    assert not again(app).error, "said until the next act"


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:1/x", "http://169.254.169.254/latest", "http://[::1]/", "file:///etc/passwd", "",
        "http://localhost/", "http://user:pw@example.org/",
    ],
)  # fmt: skip
def test_addresses_inside_are_refused(person: Person, url: str) -> None:
    app = fetched(url)
    assert app.error and not app.exception
    assert "127.0.0.1" not in app.error[0].value or "private" in app.error[0].value or "loopback" in app.error[0].value


def test_an_archived_pipeline_comes_back(person: Person) -> None:
    made = create_pipeline(person.runtime, person.account, GREETING).id
    archive_pipeline(person.runtime, person.account.id, made)
    assert "No pipelines yet" in text_of(open_page())
    app = open_page(view="archived")
    assert "Greeting" in text_of(app) and f"?pipeline={made}" not in text_of(app)
    app.button(key=f"pipeline-restore-{made}").click().run()
    assert "Nothing is archived" in text_of(app) and [each.id for each in listed(person)] == [made]


def test_a_plan_that_is_full_says_what_to_do(sqlite_runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    person = sign_in_person(sqlite_runtime, monkeypatch, plan="free")
    ids = [create_pipeline(person.runtime, person.account, GREETING).id for _ in range(3)]
    archive_pipeline(person.runtime, person.account.id, ids[0])
    create_pipeline(person.runtime, person.account, GREETING)
    app = open_page(view="archived")
    app.button(key=f"pipeline-restore-{ids[0]}").click().run()
    assert "Archive one; Starter allows 10 pipelines." in app.error[0].value
    assert [each.id for each in listed(person, archived=True)] == [ids[0]]
    app = importing(GREETING.replace("Greeting", "Another"))
    app.session_state["dialog"] = ("import", {})
    app.button(key="import-go").click().run()
    assert any("Starter allows 10" in error.value for error in again(app).error)
    assert app.text_area(key="import-text").value, "the text stays"
    set_runtime(None)


def test_older_ones_are_a_link_away_in_both_views(person: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pages.workspace.pipelines.PAGE_SIZE", 1)
    ids = [create_pipeline(person.runtime, person.account, GREETING).id for _ in range(4)]
    for each in ids[:2]:
        archive_pipeline(person.runtime, person.account.id, each)
    first = text_of(open_page())
    assert f"after={ids[3]}" in first and "Older" in first
    assert f"pipeline={ids[2]}" in text_of(open_page(after=ids[3]))
    assert f"after={ids[1]}&amp;view=archived" in text_of(open_page(view="archived"))
