"""The copy of a person's data: what is declared for it is in it, what is not is not, and nothing of anybody else's."""

import csv
import io
import json
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from secrets import token_hex
from typing import Any

import pytest
from sqlalchemy import func, insert, select, update

from core.accounts.api_keys import create_api_key
from core.accounts.audit import list_acts
from core.accounts.commands import create_account, save_own_key, set_secret
from core.accounts.domain import Account, SessionView
from core.accounts.models import AccountRow
from core.accounts.profile import update_profile
from core.credits.commands import grant_month
from core.pipelines.commands import archive_pipeline, create_pipeline, save_draft, update_pipeline
from core.platform.files.commands import store_file
from core.platform.runtime import Runtime
from core.privacy.advance import LEASE, advance_request
from core.privacy.copy_links import fetch_by_link
from core.privacy.export import building
from core.privacy.export.fetching import fetch_copy, find_copy
from core.privacy.export.models import DataExportRow
from core.privacy.export.redactions import Redactions
from core.privacy.export.rows import LEFT_OUT
from core.privacy.export.selection import COPIES, Copy, belongs, shown_tables
from core.privacy.export.storage import delete_copies, delete_old_copies
from core.privacy.inventory import fields, find_table, owned_by, tables
from core.privacy.models import PrivacyRequestRow
from core.shared.errors import AppError, Forbidden, NotFound
from tests.conftest import PASSWORD
from tests.integration.accounts.conftest import session_of
from tests.support.clock import FixedClock
from tests.support.letters import last_letter, letters_to, token_in
from tests.support.old_history import add_runs

pytestmark = pytest.mark.slow_on_postgres

ADA, BOB = "ada@example.org", "bob@example.org"
MINE, THEIRS, SECRET, KEY = (
    "walrus-canary-mine",
    "otter-canary-theirs",
    "lynx-canary-secret",
    "sk-ant-heron-canary-9911",
)
TEXT = """# What somebody wrote stays as it is
name: "Said"
version: 1
steps:
  - {id: said, type: transform, template: "walrus-canary-mine"}   # kept
"""
NEWER = TEXT.replace("walrus-canary-mine", "walrus-canary-mine, twice")


@dataclass
class Person:
    account: Account
    session: SessionView
    pipeline_id: str


@pytest.fixture
def runtime(runtime_with: Callable[..., Runtime], database_settings: dict[str, str], clock: FixedClock) -> Runtime:
    return runtime_with(clock=clock, **database_settings)


def make_person(runtime: Runtime, email: str, said: str) -> Person:
    """Somebody with something in about every table."""
    account = create_account(runtime, email=email, password=PASSWORD, name=f"=HYPERLINK({said})", plan="pro")
    grant_month(runtime, account)
    update_profile(runtime, account.id, language="en")
    pipeline = create_pipeline(runtime, account, TEXT.replace(MINE, said))
    update_pipeline(runtime, account, pipeline.id, source=NEWER.replace(MINE, said))
    save_draft(runtime, account.id, pipeline.id, f"name: draft {said}")
    away = create_pipeline(runtime, account, TEXT.replace("Said", "Away").replace(MINE, said))
    archive_pipeline(runtime, account.id, away.id)
    set_secret(runtime, account.id, "TOKEN", f"{SECRET}-{said}")
    save_own_key(runtime, account.id, "anthropic", f"{KEY}-{said}")
    create_api_key(runtime, account, f"key {said}", ["pipelines:read"])
    store_file(runtime, account.id, f"{said}.txt", f"content of {said}".encode())
    at = runtime.clock.now()
    add_runs(
        runtime, account.id, 45, at=at, plan="pro", whole=True, said=said, pipeline_id=pipeline.id, provider="anthropic"
    )
    note_departures(runtime, account.id, 45)
    return Person(account, session_of(runtime, email), pipeline.id)


def note_departures(runtime: Runtime, account_id: str, count: int) -> None:
    """Lines of the ledger of what left, as deliveries to a host write them; one of them was refused."""
    egress = find_table("egress")
    rows = [
        {
            "id": runtime.ids.new(), "owner_id": account_id, "run_id": runtime.ids.new(), "kind": "delivery",
            "recipient": "hooks.example.net" if number else "refused.example.net", "purpose": "result", "size": 5,
            "outcome": "answered" if number else "not_sent", "at": runtime.clock.now(),
        }
        for number in range(count + 1)
    ]  # fmt: skip
    with runtime.database.write() as session:
        session.execute(insert(egress), rows)


@pytest.fixture
def ada(runtime: Runtime) -> Person:
    return make_person(runtime, ADA, MINE)


@pytest.fixture
def bob(runtime: Runtime) -> Person:
    return make_person(runtime, BOB, THEIRS)


def ask(runtime: Runtime, person: Person, right: Copy = "access") -> str:
    now = runtime.clock.now()
    row = PrivacyRequestRow(
        id=runtime.ids.new(), account_id=person.account.id, right=right, status="scheduled", received_at=now,
        due_at=now + timedelta(days=30), fence=0,
    )  # fmt: skip
    with runtime.database.write() as session:
        session.add(row)
    return row.id


def made(runtime: Runtime, person: Person, right: Copy = "access") -> str:
    request = ask(runtime, person, right)
    assert advance_request(runtime, request)
    return request


def opened(runtime: Runtime, person: Person, request: str) -> zipfile.ZipFile:
    archive = zipfile.ZipFile(io.BytesIO(b"".join(fetch_copy(runtime, person.session, request).pieces)))
    assert archive.testzip() is None
    return archive


def data(archive: zipfile.ZipFile, table: str) -> list[dict[str, Any]]:
    return json.loads(archive.read(f"data/{table}.json"))


def whole(archive: zipfile.ZipFile) -> bytes:
    return b"\n".join(name.encode() + archive.read(name) for name in archive.namelist())


def test_everything_that_is_declared_is_in_a_copy_and_nothing_else(runtime: Runtime, ada: Person) -> None:
    with runtime.database.read() as session:
        mine = {
            entry.name
            for entry in tables()
            if entry.owner is not None
            and session.scalar(
                select(func.count()).select_from(find_table(entry.name)).where(owned(entry.name, ada.account.id))
            )
        }
    access = opened(runtime, ada, made(runtime, ada))
    portable = opened(runtime, ada, made(runtime, ada, "portability"))
    for field in fields():
        if field.table not in mine - {"data_exports"}:  # their own rows are written when they are whole
            continue
        for copy, archive in (("access", access), ("portability", portable)):
            names = set(archive.namelist())
            shown = f"data/{field.table}.json" in names and field.column in data(archive, field.table)[0]
            assert shown == belongs(field.rules, copy), (copy, field.table, field.column)  # type: ignore[arg-type]
    assert len(mine) > 15, "the person has something in most tables"


def owned(table: str, account_id: str) -> Any:
    return owned_by(next(entry for entry in tables() if entry.name == table), account_id)


def test_rows_are_decrypted_labelled_and_complete(runtime: Runtime, ada: Person) -> None:
    archive = opened(runtime, ada, made(runtime, ada))
    (account,) = data(archive, "accounts")
    assert account["email"] == ADA and account["plan"] == "pro"
    for table, number in (("runs", 45), ("step_runs", 90), ("run_events", 135), ("reviews", 45), ("deliveries", 45)):
        assert len(data(archive, table)) == number
    runs, steps = data(archive, "runs"), data(archive, "step_runs")
    assert runs[0]["request"]["input"] == {"text": MINE} and steps[0]["content"]["prompt"] == MINE
    assert {step["run_id"] for step in steps} == {run["id"] for run in runs}
    assert {run["pipeline_id"] for run in runs} == {ada.pipeline_id}
    schema = json.loads(archive.read("data/step_runs.schema.json"))["items"]["properties"]
    assert schema["content"]["title"] == "Prompt and output of a step" and schema["content"]["kept"]
    assert "contract" in schema["content"]["legal_basis"] and schema["id"] == {"title": "Opaque id"}
    file = next(name for name in archive.namelist() if name.startswith("files/"))
    assert file.endswith(f"{MINE}.txt") and archive.read(file) == f"content of {MINE}".encode()
    assert json.loads(archive.read("billing/statement.json"))["account"] == ada.account.id
    acts = json.loads(archive.read("audit/acts.json"))
    assert {"Account made", "Secret saved", "API key made"} <= {act["act"] for act in acts}
    assert "[cannot be decrypted]" not in whole(archive).decode()


def test_no_hash_and_no_secret_is_in_a_copy(runtime: Runtime, ada: Person) -> None:
    with runtime.database.read() as session:
        row = session.get_one(AccountRow, ada.account.id)
    hashed, index = (row.password_hash or "").encode(), row.email_index or b""
    for right in COPIES:
        everything = whole(opened(runtime, ada, made(runtime, ada, right)))
        for never in (SECRET.encode(), KEY.encode(), hashed, index, index.hex().encode(), b"secrets.value"):
            assert never and never not in everything
        assert MINE.encode() in everything


def test_a_copy_holds_nothing_of_anybody_else(runtime: Runtime, ada: Person, bob: Person) -> None:
    reviews = find_table("reviews")
    with runtime.database.write() as session:
        theirs = session.scalars(select(reviews.c.id).where(reviews.c.owner_id == ada.account.id).limit(1)).one()
        session.execute(update(reviews).where(reviews.c.id == theirs).values(decided_by=bob.account.id))
    archive = opened(runtime, ada, made(runtime, ada))
    everything = whole(archive)
    for others in (THEIRS, BOB, bob.account.id, bob.pipeline_id):
        assert others.encode() not in everything
    decided = {row["id"]: row["decided_by"] for row in data(archive, "reviews")}
    assert decided[theirs] == "somebody else" and set(decided.values()) == {"you", "somebody else"}
    portable = whole(opened(runtime, ada, made(runtime, ada, "portability")))
    assert THEIRS.encode() not in portable and bob.account.id.encode() not in portable


def test_what_was_marked_is_left_out(runtime: Runtime, ada: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    with runtime.database.read() as session:
        runs, steps = find_table("runs"), find_table("step_runs")
        run = session.scalars(select(runs.c.id).where(runs.c.owner_id == ada.account.id).limit(1)).one()
        step = session.scalars(select(steps.c.id).where(steps.c.run_id != run).limit(1)).one()
    marked = Redactions(frozenset({("runs", run, "result"), ("step_runs", step, None)}))
    monkeypatch.setattr(building, "redactions_of", lambda *_: marked)
    archive = opened(runtime, ada, made(runtime, ada))
    found = {row["id"]: row for row in data(archive, "runs")}
    assert found[run]["result"] == LEFT_OUT and found[run]["request"]["input"]["text"] == MINE
    assert sum(row["result"] == LEFT_OUT for row in found.values()) == 1
    left = {row["id"]: row for row in data(archive, "step_runs")}[step]
    assert left["content"] == LEFT_OUT and left["step_id"] == LEFT_OUT and left["id"] == step


def test_pipelines_import_again_unchanged(runtime: Runtime, ada: Person) -> None:
    archive = opened(runtime, ada, made(runtime, ada, "portability"))
    names = [name for name in archive.namelist() if name.startswith("pipelines/")]
    assert sorted(name.rpartition("/")[2] for name in names) == ["draft.yaml", "v1.yaml", "v1.yaml", "v2.yaml"]
    other = create_account(runtime, email="new@example.org", password=PASSWORD, plan="pro")
    for name in names:
        if not name.endswith("draft.yaml"):
            text = archive.read(name).decode()
            assert create_pipeline(runtime, other, text).text == text
    assert archive.read(f"pipelines/{ada.pipeline_id}/v2.yaml").decode() == NEWER
    assert archive.read(f"pipelines/{ada.pipeline_id}/draft.yaml").decode() == f"name: draft {MINE}"


def test_no_cell_is_a_formula(runtime: Runtime, ada: Person) -> None:
    archive = opened(runtime, ada, made(runtime, ada))
    cells = 0
    for name in archive.namelist():
        if name.endswith(".csv"):
            for row in csv.reader(io.StringIO(archive.read(name).decode())):
                cells += len(row)
                assert not any(cell.startswith(("=", "+", "@", "\t", "\r")) for cell in row), name
    assert cells > 1_000
    assert f"'=HYPERLINK({MINE})" in archive.read("data/accounts.csv").decode()
    assert data(archive, "accounts")[0]["name"] == f"=HYPERLINK({MINE})", "JSON has it as it is"


def test_the_first_page_answers_article_15(runtime: Runtime, ada: Person) -> None:
    archive = opened(runtime, ada, made(runtime, ada))
    page = archive.read("summary.html").decode()
    for told in (
        "GDPR Art. 15", "anthropic", "tandard contractual clauses", "hooks.example.net", "CNIL", "1 year",
        "Contents of your files",
        "To run your pipelines", "contract with you", "10 years", "Prompt and output of a step", "Art. 22",
        "data/step_runs.json",
    ):  # fmt: skip
        assert told in page, told
    assert "openai" not in page.lower() and "refused.example.net" not in page, "nobody who got nothing"
    used = {each["name"]: each for each in json.loads(archive.read("recipients.json"))}
    assert used["anthropic"]["times"] == 90 and used["hooks.example.net"]["times"] == 45
    update_profile(runtime, ada.account.id, language="fr")
    page = opened(runtime, ada, made(runtime, ada)).read("summary.html").decode()
    assert "RGPD, art. 15" in page and '<html lang="fr">' in page
    portable = opened(runtime, ada, made(runtime, ada, "portability"))
    assert "audit/acts.json" not in portable.namelist() and "recipients.json" not in portable.namelist()


def test_it_is_fetched_once_and_a_broken_try_does_not_count(runtime: Runtime, ada: Person) -> None:
    store_file(runtime, ada.account.id, "long.txt", token_hex(600_000).encode())  # more than one sealed chunk
    request = made(runtime, ada)
    view = find_copy(runtime, ada.account.id, request)
    assert view is not None and view.fetched_at is None
    broken = fetch_copy(runtime, ada.session, request)
    first = next(broken.pieces)
    broken.pieces.close()  # type: ignore[attr-defined]
    rest = fetch_copy(runtime, ada.session, request, start=len(first))
    assert (rest.start, rest.size) == (len(first), view.size)
    together = first + b"".join(rest.pieces)
    assert len(together) == view.size and zipfile.ZipFile(io.BytesIO(together)).testzip() is None
    with pytest.raises(NotFound) as again:
        fetch_copy(runtime, ada.session, request)
    assert again.value.code == "COPY_FETCHED"
    assert files_of(runtime) == [], "the file is deleted at once"
    assert list_acts(runtime, 1).items[0].act == "copy.fetched"


def test_it_is_its_owners_alone_shortly_after_the_password_and_for_seven_days(
    runtime: Runtime, ada: Person, bob: Person, clock: FixedClock
) -> None:
    request = made(runtime, ada)
    with pytest.raises(NotFound) as theirs:
        fetch_copy(runtime, bob.session, request)
    assert theirs.value.code == "COPY_NOT_FOUND" and find_copy(runtime, bob.account.id, request) is None
    clock.advance(minutes=11)
    with pytest.raises(Forbidden) as stale:
        fetch_copy(runtime, ada.session, request)
    assert stale.value.code == "CONFIRM_PASSWORD"
    clock.advance(days=6.9)
    assert delete_old_copies(runtime) == 0 and fetch_copy(runtime, session_of(runtime, ADA), request)
    clock.advance(days=0.2)
    with pytest.raises(NotFound) as over:
        fetch_copy(runtime, session_of(runtime, ADA), request)
    assert over.value.code == "COPY_OVER" and find_copy(runtime, ada.account.id, request) is None
    assert delete_old_copies(runtime) == 1 and files_of(runtime) == []
    with runtime.database.read() as session:
        assert session.scalar(select(func.count()).select_from(DataExportRow)) == 0


def test_at_rest_it_is_sealed_and_gone_with_the_key(runtime: Runtime, ada: Person) -> None:
    request = made(runtime, ada)
    (path,) = files_of(runtime)
    raw = path.read_bytes()
    assert MINE.encode() not in raw and b"summary.html" not in raw and b"PK\x03\x04" not in raw
    runtime.vault.forget(ada.account.id)
    with pytest.raises(AppError):
        list(fetch_copy(runtime, ada.session, request).pieces)
    assert delete_copies(runtime, ada.account.id) == 1 and files_of(runtime) == []


def test_who_died_in_the_middle_left_nothing_and_the_next_makes_it_whole(
    runtime: Runtime, ada: Person, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    def die(*_: object) -> int:
        raise Killed

    request = ask(runtime, ada)
    with monkeypatch.context() as patched:
        patched.setattr(building, "_add_files", die)
        patched.setattr(building.Archive, "discard", lambda _self: None)  # a killed process tidies nothing
        with pytest.raises(Killed):
            advance_request(runtime, request)
    (part,) = files_of(runtime)
    assert part.suffix == ".part" and find_copy(runtime, ada.account.id, request) is None
    clock.advance(seconds=LEASE.total_seconds() + 1)
    assert advance_request(runtime, request)
    assert len(data(opened(runtime, ada, request), "runs")) == 45
    clock.moment = runtime.clock.now() + timedelta(days=365 * 2)  # files have the machine's time
    assert delete_old_copies(runtime) >= 1 and files_of(runtime) == []


def test_who_lost_the_request_in_the_middle_keeps_no_file(
    runtime: Runtime, ada: Person, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    request, fill, tried = ask(runtime, ada), building._fill, []

    def slow(*given: Any) -> dict[str, int]:
        if not tried:
            tried.append("first")
            clock.advance(seconds=LEASE.total_seconds() + 1)
            assert advance_request(runtime, request)  # another process, meanwhile
        return fill(*given)

    monkeypatch.setattr(building, "_fill", slow)
    assert advance_request(runtime, request)
    assert len(files_of(runtime)) == 1 and len(data(opened(runtime, ada, request), "runs")) == 45


def files_of(runtime: Runtime) -> list[Any]:
    root = runtime.settings.exports
    return sorted(path for path in root.rglob("*") if path.is_file()) if root.is_dir() else []


def test_both_copies_have_tables() -> None:
    access, portable = ({shown.name for shown in shown_tables(copy)} for copy in COPIES)
    assert portable < access and {"runs", "files", "pipelines", "accounts", "sessions"} <= portable
    assert "ledger_transactions" not in portable and "ledger_transactions" in access


def test_who_cannot_sign_in_fetches_it_by_a_mailed_link(runtime: Runtime, ada: Person, bob: Person) -> None:
    def suspend(since: datetime | None) -> None:
        with runtime.database.write() as session:
            session.get_one(AccountRow, ada.account.id).suspended_at = since

    made(runtime, ada)
    assert "/privacy/copy" not in last_letter(runtime, ada.account.email).text, "they sign in"
    suspend(runtime.clock.now())
    made(runtime, ada)
    letter = next(each for each in letters_to(runtime, ada.account.email) if "/privacy/copy" in each.text)
    token = token_in(letter, "/privacy/copy")
    suspend(None)
    with pytest.raises(Forbidden):
        fetch_by_link(runtime, token)
    suspend(runtime.clock.now())
    archive = zipfile.ZipFile(io.BytesIO(b"".join(fetch_by_link(runtime, token).pieces)))
    assert archive.testzip() is None and MINE.encode() in whole(archive) and THEIRS.encode() not in whole(archive)
    with pytest.raises(NotFound):
        fetch_by_link(runtime, token)
    with pytest.raises(Forbidden):
        fetch_by_link(runtime, "no such token")
