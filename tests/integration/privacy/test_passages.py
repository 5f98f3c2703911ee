"""What is about another person is left out of the whole copy, and what is left can still be imported (Art. 15(4))."""

import io
import json
import zipfile

import pytest

from core.accounts.commands import create_account
from core.accounts.domain import SessionView
from core.execution.commands import start_run
from core.execution.engine import Engine, run_to_end
from core.execution.review_mail import make_review_link
from core.execution.review_queries import reviews_of_run
from core.execution.reviews import decide_by_link
from core.pipelines.commands import create_pipeline, save_draft, validate_source
from core.platform.files.commands import store_file
from core.platform.runtime import Runtime
from core.privacy import deciding
from core.privacy.advance import advance_request
from core.privacy.asking import ask
from core.privacy.export.fetching import fetch_copy
from core.privacy.export.passages import AS_A_WORD, LEFT_OUT
from core.privacy.queries import request_file
from core.shared.errors import Conflict, InvalidInput
from tests.conftest import PASSWORD
from tests.integration.accounts.conftest import session_of
from tests.integration.privacy.conftest import REASON, privacy_admin
from tests.support.old_history import add_runs
from tests.support.samples import pdf, table

pytestmark = pytest.mark.slow_on_postgres

NAME, ADDRESS = "Charles Babbage", "charles.babbage@analytical.example"
COMMENT = "I, the one who wrote this, do not want it known."
ASKS = f"""# For {NAME}
name: Asks
version: 1
input:
  schema:
    text: {{type: string}}
steps:
  - id: note
    type: transform
    template: Written by {NAME} <{ADDRESS}>: {{{{input.text}}}}   # of {NAME}
  - {{id: look, type: human_review, message: "{{{{steps.note.output}}}}"}}
  - {{id: on, type: transform, template: "{{{{json steps.look.output}}}}"}}
output: {{from: "{{{{steps.on.output}}}}"}}
""".replace("template: Written", "template: 'Written").replace("}}   # of", "}}'   # of")
STEP_OF_A_NAME = """name: Steps
version: 1
steps:
  - {id: ask_charles_babbage, type: transform, template: "x"}
  - {id: then, type: transform, template: "{{steps.ask_charles_babbage.output}}"}
"""
DRAFT = f"name: {NAME}\nsteps: [oh {NAME}"


@pytest.fixture
def ada(runtime: Runtime) -> SessionView:
    create_account(runtime, email="ada@example.org", password=PASSWORD, name="Ada, friend of Charles Babbage")
    return session_of(runtime, "ada@example.org")


async def wrote_of_another(runtime: Runtime, view: SessionView) -> tuple[str, dict[str, str]]:
    """A person whose data names somebody else wherever something can be written; the review and pipelines by name."""
    account = view.account
    asks = create_pipeline(runtime, account, ASKS)
    named = create_pipeline(runtime, account, STEP_OF_A_NAME.replace("_babbage", ""))
    whole = create_pipeline(runtime, account, STEP_OF_A_NAME)
    save_draft(runtime, account.id, asks.id, DRAFT)
    add_runs(runtime, account.id, 3, at=runtime.clock.now(), whole=True, said=f"said {NAME.upper()} of {ADDRESS}")
    text = json.dumps({"of": NAME, "phone": 33612345678}) + f" Charles\n Babbage {NAME.replace(' ', '%20')}"
    run = start_run(runtime, account, asks.id, {"text": text})
    engine = Engine(runtime, "serve:test")
    await run_to_end(engine, run.id)
    (review,) = reviews_of_run(runtime, account.id, run.id)
    with runtime.database.write() as session:
        token = make_review_link(session, review.id)
    decide_by_link(runtime, token, "approve", comment=COMMENT)
    await run_to_end(engine, run.id)
    await run_to_end(engine, start_run(runtime, account, whole.id, {}).id)
    engine.close()
    store_file(runtime, account.id, f"about {NAME}.txt", f"It was {NAME}.\r\n".encode())
    store_file(runtime, account.id, "table.csv", f"name;age\n{NAME};30\nEve;31\n".encode())
    store_file(runtime, account.id, "values.json", json.dumps([{"by": NAME, "phone": 33612345678, "n": 1}]).encode())
    store_file(runtime, account.id, "letter.pdf", pdf(f"Dear {NAME}"))
    store_file(runtime, account.id, "rows.parquet", table(of=["Eve", NAME]))
    store_file(runtime, account.id, "other.txt", b"Nobody is named here.")
    return review.id, {"asks": asks.id, "named": named.id, "whole": whole.id}


def copy_of(runtime: Runtime, view: SessionView, request: str) -> dict[str, bytes]:
    assert advance_request(runtime, request)
    assert request_file(runtime, request).request.status == "closed"
    with zipfile.ZipFile(io.BytesIO(b"".join(fetch_copy(runtime, view, request).pieces))) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name) for name in archive.namelist()}


def places_of(copy: dict[str, bytes], *words: str) -> list[str]:
    return sorted(
        {
            f"{name}: {word}"
            for name, content in copy.items()
            for word in words
            if word.casefold() in f"{name}\n{content.decode('utf-8', 'replace')}".casefold()
        }
    )


WORDS = ("babbage", "analytical.example", COMMENT, "33612345678")
PASSAGES = (NAME, ADDRESS, "charles_babbage", "+33612345678")


async def decided(runtime: Runtime, ada: SessionView, grace: SessionView, review: str) -> str:
    request = ask(runtime, ada, "access").id
    deciding.reveal(runtime, grace, request, REASON)
    deciding.leave_out(runtime, grace, request, frozenset({review}), PASSAGES)
    assert not deciding.decide(runtime, grace, request, "accept", REASON), "leaving out is signed twice"
    deciding.sign_second(runtime, privacy_admin(runtime, "linus@example.org"), request)
    return request


async def test_another_person_is_nowhere_in_the_copy_and_in_no_later_one(
    runtime: Runtime, ada: SessionView, grace: SessionView
) -> None:
    review, pipelines = await wrote_of_another(runtime, ada)
    before = copy_of(runtime, ada, ask(runtime, ada, "portability").id)
    found = {place.split(":")[0] for place in places_of(before, *WORDS)}
    tables = (
        "accounts",
        "runs",
        "step_runs",
        "run_events",
        "reviews",
        "deliveries",
        "pipeline_versions",
        "pipeline_drafts",
    )
    assert {f"data/{name}.json" for name in tables} - found <= {"data/run_events.json", "data/step_runs.json"}
    assert {f"pipelines/{pipelines['asks']}/v1.yaml", f"pipelines/{pipelines['asks']}/draft.yaml"} <= found

    request = await decided(runtime, ada, grace, review)
    access = copy_of(runtime, ada, request)
    assert places_of(access, *WORDS) == []
    portable = copy_of(runtime, ada, ask(runtime, ada, "portability").id)
    assert places_of(portable, *WORDS) == [], "what was decided once holds for later copies"
    for copy in (access, portable):
        runs = json.loads(copy["data/runs.json"])
        texts = [run["request"]["input"].get("text", "") for run in runs]
        assert sum(LEFT_OUT in text for text in texts) == 4 and len(runs) == 5
        assert all(str(run["result"]).count(LEFT_OUT) for run in runs if run["request"]["input"])
        assert LEFT_OUT in str(json.loads(copy["data/pipeline_versions.json"]))
    events = json.loads(access["data/run_events.json"])
    assert len(events) > 9 and LEFT_OUT in str(events)
    assert request_file(runtime, request).request.outcome == "partial"


async def test_pipelines_and_files_are_still_what_they_were(
    runtime: Runtime, ada: SessionView, grace: SessionView
) -> None:
    review, pipelines = await wrote_of_another(runtime, ada)
    copy = copy_of(runtime, ada, await decided(runtime, ada, grace, review))
    sources = {name: content.decode() for name, content in copy.items() if name.endswith("v1.yaml")}
    assert len(sources) == 3
    for name, text in sources.items():
        checked = validate_source(runtime, ada.account, text)
        assert checked.definition is not None, (name, checked.errors)
    asks = sources[f"pipelines/{pipelines['asks']}/v1.yaml"]
    assert asks.startswith(f"# For {LEFT_OUT}\n") and f"'Written by {LEFT_OUT} <{LEFT_OUT}>" in asks, (
        "as it was written"
    )
    whole = sources[f"pipelines/{pipelines['whole']}/v1.yaml"]
    assert f"id: ask_{AS_A_WORD}," in whole and "{{steps.ask_left_out.output}}" in whole, "a step stays a step"
    assert sources[f"pipelines/{pipelines['named']}/v1.yaml"] == STEP_OF_A_NAME.replace("_babbage", "")
    files = {name.split("/")[-1]: content for name, content in copy.items() if name.startswith("files/")}
    assert files[f"about {AS_A_WORD}.txt"] == f"It was {LEFT_OUT}.\r\n".encode()
    assert [line.count(";") for line in files["table.csv"].decode().splitlines()] == [1, 1, 1]
    assert json.loads(files["values.json"]) == [{"by": LEFT_OUT, "phone": LEFT_OUT, "n": 1}]
    assert files["other.txt"] == b"Nobody is named here." and not {"letter.pdf", "rows.parquet"} & files.keys()
    page = copy["summary.html"].decode()
    assert "What was left out" in page and f"pipelines/{pipelines['asks']}/v1.yaml" in page
    assert "can be imported again as they stand" in page and "letter.pdf" in page and "named below" in page
    assert f"pipelines/{pipelines['named']}" not in page


async def test_a_pipeline_that_cannot_be_imported_any_more_is_named(
    runtime: Runtime, ada: SessionView, grace: SessionView
) -> None:
    review, pipelines = await wrote_of_another(runtime, ada)
    request = ask(runtime, ada, "access").id
    deciding.leave_out(runtime, grace, request, frozenset(), ["transform"])
    deciding.decide(runtime, grace, request, "accept", REASON)
    deciding.sign_second(runtime, privacy_admin(runtime, "linus@example.org"), request)
    page = copy_of(runtime, ada, request)["summary.html"].decode()
    assert "cannot be imported again as they stand" in page and page.count(f"{pipelines['whole']}/v1.yaml") == 2
    assert review


async def test_without_passages_everything_is_as_it_was(runtime: Runtime, ada: SessionView) -> None:
    _, pipelines = await wrote_of_another(runtime, ada)
    copy = copy_of(runtime, ada, ask(runtime, ada, "portability").id)
    assert copy[f"pipelines/{pipelines['asks']}/v1.yaml"].decode() == ASKS
    assert "What was left out" not in copy["summary.html"].decode() and LEFT_OUT not in str(copy)


async def test_passages_are_named_before_it_is_decided_and_are_sealed(
    runtime: Runtime, ada: SessionView, grace: SessionView
) -> None:
    review, _ = await wrote_of_another(runtime, ada)
    request = ask(runtime, ada, "access").id
    with pytest.raises(InvalidInput):
        deciding.leave_out(runtime, grace, request, frozenset(), ["x"])
    deciding.leave_out(runtime, grace, request, frozenset({review}), [NAME, "Another One"])
    deciding.leave_out(runtime, grace, request, frozenset())
    file = request_file(runtime, request)
    assert file.passages == 2 and file.left_out == frozenset(), "what was not named again stays"
    deciding.leave_out(runtime, grace, request, frozenset(), [NAME])
    assert deciding.reveal(runtime, grace, request, REASON).passages == (NAME,)
    assert not deciding.decide(runtime, grace, request, "accept", REASON)
    with pytest.raises(Conflict):
        deciding.leave_out(runtime, grace, request, frozenset(), [])
    with runtime.database.connect() as connection:
        stored = connection.exec_driver_sql("SELECT text FROM privacy_passages").scalars().all()
    assert len(stored) == 1 and b"Babbage" not in bytes(stored[0])
