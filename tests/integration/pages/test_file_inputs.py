"""An input that is a file, in the form of the notebook: uploaded, replaced, chosen, removed, refused at its place."""

import pytest
from streamlit.testing.v1 import AppTest

from core.accounts.commands import create_account
from core.execution.queries import get_run, list_runs
from core.pipelines.commands import create_pipeline
from core.platform.files.commands import delete_file, store_file
from core.platform.files.queries import list_files, read_file
from tests.conftest import PASSWORD
from tests.integration.pages.conftest import Person, page_test, text_of, wait_for_end
from tests.support.samples import CSV, ELF, image

SOURCE = {
    "name": "Reads a table",
    "version": 1,
    "input": {"schema": {
        "people": {"type": "string", "file": True, "required": True, "description": "Who there is"},
        "note": {"type": "string", "default": "hello"},
    }},
    "steps": [{"id": "ages", "type": "sql", "query": "SELECT sum(age) AS total FROM people"}],
}  # fmt: skip


@pytest.fixture
def pipeline_id(person: Person) -> str:
    return create_pipeline(person.runtime, person.account, SOURCE).id


def open_page(pipeline_id: str) -> AppTest:
    app = page_test("pages.workspace.notebook", "notebook_page", pipeline=pipeline_id)
    assert not app.exception
    return app


def upload(app: AppTest, name: str, content: bytes, kind: str = "text/csv") -> AppTest:
    app.file_uploader[0].set_value((name, content, kind)).run()
    assert not app.exception
    return app


def test_an_uploaded_file_is_stored_shown_and_given_to_the_run(person: Person, pipeline_id: str) -> None:
    app = upload(open_page(pipeline_id), "my people.csv", CSV)
    (file,) = list_files(person.runtime, person.account.id).items
    assert b"".join(read_file(person.runtime, person.account.id, file.id)) == CSV
    said = text_of(app)
    assert f'href="/api/files/{file.id}" download>my people.csv</a>' in said
    assert f"CSV · 2 rows · {len(CSV)} bytes" in said and not app.file_uploader and not app.error
    app.button(key="run-primary").click().run()
    (run,) = list_runs(person.runtime, person.account.id).items
    assert wait_for_end(person, run.id) == "completed"
    found = get_run(person.runtime, person.account.id, run.id)
    assert found.input_data == {"people": file.id, "note": "hello"} and found.output_data == [{"total": 36}]
    again = open_page(pipeline_id)
    assert "my people.csv" in text_of(again), "as the last run was given it"


def test_a_file_is_replaced_removed_and_chosen_again(person: Person, pipeline_id: str) -> None:
    app = upload(open_page(pipeline_id), "first.csv", CSV)
    place = f"file-{pipeline_id}-people"
    app.button(key=f"{place}-replace").click().run()
    assert app.file_uploader and app.button(key=f"{place}-keep").label == "Keep first.csv"
    app.button(key=f"{place}-keep").click().run()
    assert "first.csv" in text_of(app) and not app.file_uploader
    app.button(key=f"{place}-replace").click().run()
    upload(app, "second.csv", CSV + b"Bo,4,true,1\n")
    assert "second.csv" in text_of(app) and "first.csv" not in text_of(app) and "3 rows" in text_of(app)
    app.button(key=f"{place}-remove").click().run()
    assert app.file_uploader and "second.csv</a>" not in text_of(app)
    assert len(list_files(person.runtime, person.account.id).items) == 2, "taken out of the form, not deleted"
    choice = app.selectbox(key=f"{place}-recent")
    assert [option.split(" (")[0] for option in choice.options] == ["second.csv", "first.csv"]
    choice.select_index(1).run()
    assert "first.csv</a>" in text_of(app) and not app.file_uploader and not app.exception


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("tool.csv", ELF, "Accepted are"),
        ("none.csv", b"", "The file is empty"),
        ("photo.png", b"\x89PNG\r\n\x1a\nbroken", "image"),
    ],
)
def test_what_is_not_accepted_is_said_at_its_place(
    person: Person, pipeline_id: str, name: str, content: bytes, words: str
) -> None:
    app = open_page(pipeline_id)
    app.text_area(key=f"input-{pipeline_id}-note").set_value("typed before").run()
    upload(app, name, content)
    assert len(app.error) == 1 and words in app.error[0].value
    assert app.file_uploader and not list_files(person.runtime, person.account.id).items
    assert app.text_area(key=f"input-{pipeline_id}-note").value == "typed before"
    upload(app, "good.csv", CSV)
    assert not app.error and "good.csv" in text_of(app)


def test_a_file_that_was_deleted_is_asked_for_again(person: Person, pipeline_id: str) -> None:
    app = upload(open_page(pipeline_id), "gone.csv", CSV)
    (file,) = list_files(person.runtime, person.account.id).items
    delete_file(person.runtime, person.account.id, file.id)
    app.run()
    assert "no longer stored" in app.error[0].value and app.file_uploader
    upload(app, "new.csv", CSV)
    assert not app.error and "new.csv" in text_of(app)


def test_somebody_elses_file_is_none_and_names_are_text(person: Person, pipeline_id: str) -> None:
    other = create_account(person.runtime, email="bob@example.org", password=PASSWORD)
    theirs = store_file(person.runtime, other.id, "theirs.csv", CSV)
    app = open_page(pipeline_id)
    assert "theirs.csv" not in text_of(app) and not [box for box in app.selectbox if "recent" in str(box.key)]
    app.session_state[f"input-{pipeline_id}-people"] = theirs.id
    app.run()
    assert "theirs.csv" not in text_of(app) and "no longer stored" in app.error[0].value
    upload(app, "<b>bold<.png", image(), "image/png")
    assert "&lt;b&gt;bold&lt;.png</a>" in text_of(app) and "image · 40 × 30 pixels" in text_of(app)


def test_a_signed_out_person_stores_nothing(person: Person, pipeline_id: str) -> None:
    app = open_page(pipeline_id)
    person.cookies.clear()
    app.file_uploader[0].set_value(("late.csv", CSV, "text/csv")).run()
    assert "Signed out" in text_of(app) and not list_files(person.runtime, person.account.id).items
