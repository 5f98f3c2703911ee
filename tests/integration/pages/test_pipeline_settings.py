"""What holds for a pipeline as a whole is set in a dialog, and the text keeps its comments."""

import pytest

from core.accounts.commands import set_secret
from core.pipelines.commands import create_pipeline
from core.pipelines.definition import read_definition
from core.pipelines.queries import get_pipeline
from pages.ui.pipeline_settings import Settings
from tests.integration.pages.conftest import Person, page_test

TEXT = """# Kept comment
name: Greeting
version: 1
input:
  schema:
    name: {type: string, default: Ada}
steps:
  - id: greet # also kept
    type: transform
    template: "Hello {{input.name}}"
output:
  from: greet
notifications:
  on_failure:
    - {type: email, to: team@example.org}
"""


@pytest.fixture
def pipeline(person: Person) -> str:
    return create_pipeline(person.runtime, person.account, TEXT).id


class Dialog:
    """The dialog as a person sees it; a whole rerun closes what a browser keeps open, so it is asked for each time."""

    def __init__(self, pipeline: str) -> None:
        self.app = page_test("pages.workspace.notebook", "notebook_page", pipeline=pipeline)
        self.again()

    def again(self) -> None:
        self.app.session_state["dialog"] = ("settings", {})
        self.app.run()
        assert not self.app.exception

    def save(self) -> None:
        self.app.session_state["dialog"] = ("settings", {})
        self.app.button(key="settings-save").click().run()


def text_of_draft(person: Person, pipeline: str) -> str:
    found = get_pipeline(person.runtime, person.account.id, pipeline)
    return found.draft.text if found.draft else found.text


def test_settings_are_saved_and_the_rest_of_the_text_stays(person: Person, pipeline: str) -> None:
    set_secret(person.runtime, person.account.id, "SIGNING_KEY", "a shared secret")
    dialog = Dialog(pipeline)
    app = dialog.app
    app.text_input(key="settings-name").set_value("Greetings")
    app.number_input(key="settings-budget").set_value(5)
    app.selectbox(key="settings-exceed").set_value("pause")
    app.number_input(key="settings-time").set_value(300)
    app.checkbox(key="settings-on_failure").set_value(True)
    app.text_input(key="settings-hook").set_value("https://example.org/hook")
    app.selectbox(key="settings-secret").set_value("SIGNING_KEY")
    dialog.save()
    text = text_of_draft(person, pipeline)
    assert "# Kept comment" in text and "# also kept" in text
    assert "name: Greetings" in text and "max_credits: 5" in text and "on_exceed: pause" in text
    assert "timeout_seconds: 300" in text
    assert "team@example.org" in text and "to: ada@example.org" in text
    assert "url: https://example.org/hook" in text and "signing_secret_name: SIGNING_KEY" in text

    dialog.again()
    app.number_input(key="settings-budget").set_value(None)
    app.text_input(key="settings-hook").set_value("")
    app.checkbox(key="settings-on_failure").set_value(False)
    dialog.save()
    text = text_of_draft(person, pipeline)
    assert "budget" not in text and "deliver" not in text and "ada@example.org" not in text
    assert "team@example.org" in text and "from: greet" in text and "# Kept comment" in text


def test_what_is_missing_is_said_and_nothing_is_saved(person: Person, pipeline: str) -> None:
    dialog = Dialog(pipeline)
    dialog.app.text_input(key="settings-hook").set_value("https://example.org/hook")
    dialog.save()
    assert "Choose the secret" in dialog.app.error[0].value
    dialog.app.text_input(key="settings-name").set_value("  ")
    dialog.save()
    assert "Give the pipeline a name" in dialog.app.error[0].value
    assert text_of_draft(person, pipeline) == TEXT


def test_what_the_dialog_does_not_show_stays() -> None:
    written = {
        "name": "Send",
        "steps": [{"id": "a", "type": "transform", "template": "x"}],
        "output": {
            "from": "a",
            "deliver": [
                {"type": "file", "path": "out.txt"},
                {"type": "webhook", "url": "https://one.example", "method": "PUT", "signing_secret_name": "KEY"},
                {"type": "webhook", "url": "https://two.example", "signing_secret_name": "KEY"},
            ],
        },
        "notifications": {"on_success": [{"type": "email", "to": "me@example.org", "subject": "Done"}]},
    }
    settings = Settings.of(read_definition(written), "me@example.org")
    same = {
        "name": "Send", "description": "", "budget": None, "time": None,
        "mail": {"on_success": True, "on_failure": False},
        "hook": {"type": "webhook", "url": "https://one.example", "signing_secret_name": "KEY"},
    }  # fmt: skip
    kept = settings.changed(**{**same, "hook": {**same["hook"], "url": "https://new.example"}})
    assert set(kept) == {"output"}
    assert kept["output"]["deliver"] == [
        {"type": "webhook", "url": "https://new.example", "method": "PUT", "signing_secret_name": "KEY"},
        {"type": "file", "path": "out.txt"},
        {"type": "webhook", "url": "https://two.example", "signing_secret_name": "KEY"},
    ]
    assert "notifications" not in settings.changed(**same), "a subject of one's own stays"
    assert settings.changed(**{**same, "mail": {"on_success": False, "on_failure": False}})["notifications"] is None
