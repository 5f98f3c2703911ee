"""Statements on both databases: times that meet, what was spent on what, files, and proofs without a database."""

import csv
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from io import BytesIO, StringIO
from typing import Any

import pytest
from pypdf import PdfReader
from sqlalchemy import event, text
from starlette.testclient import TestClient

from core.accounts.authentication import sign_in
from core.accounts.commands import create_account
from core.accounts.domain import Account
from core.credits import postings
from core.credits.domain import Metered
from core.credits.proof import verify_export
from core.credits.spending import by_model, by_pipeline
from core.credits.statements import (
    all_lines,
    export_lines,
    find_stretch,
    list_lines,
    spent_in,
    statement,
)
from core.execution.usage import forecast_month
from core.pipelines.commands import create_pipeline
from core.platform.runtime import Runtime
from core.shared.errors import InvalidInput
from core.shared.money import MICROS
from tests.conftest import PASSWORD
from tests.support.clock import FixedClock
from web.api.app import build_api

JANUARY, FEBRUARY, MARCH = (datetime(2027, month, 1, tzinfo=UTC) for month in (1, 2, 3))
NAME = "=Résumé 東京 Ωμέγα"


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(datetime(2027, 1, 30, 12, tzinfo=UTC))


@pytest.fixture
def runtime(runtime_with: Callable[..., Runtime], database_settings: dict[str, str], clock: FixedClock) -> Runtime:
    return runtime_with(clock=clock, **database_settings)


@pytest.fixture
def person(runtime: Runtime) -> Account:
    return create_account(runtime, email="ada@example.org", password=PASSWORD, name="Ada", plan="pro")


@pytest.fixture
def pipeline(runtime: Runtime, person: Account) -> str:
    steps = [{"id": "say", "type": "transform", "template": "x"}]
    return create_pipeline(runtime, person, {"name": NAME, "version": 1, "steps": steps}).id


def call(runtime: Runtime, person: Account, cause: str, micros: int, pipeline: str | None = None) -> None:
    """A call that holds twice what it costs."""
    metered = Metered(pipeline, "pro", "anthropic/claude-haiku-4-5", 1_000_000, 0, 0, 1_000_000)
    version = runtime.prices.current(runtime).version
    with runtime.database.write() as session:
        postings.hold(runtime, session, person.id, plan=person.plan, micros=2 * micros, cause=cause)
    with runtime.database.write() as session:
        postings.settle(
            runtime, session, person.id, plan=person.plan, held=2 * micros, micros=micros, cause=cause,
            price_version=version, metered=metered,
        )  # fmt: skip


@pytest.fixture
def booked(runtime: Runtime, person: Account, pipeline: str, clock: FixedClock) -> None:
    """100 credits on January 30th, a call each day from then to February 3rd, and a purchase on February 2nd."""
    with runtime.database.write() as session:
        postings.grant(runtime, session, person.id, micros=100 * MICROS, cause="gift")
    for number in range(5):
        call(runtime, person, f"r{number}:say:1", (number + 1) * MICROS, pipeline)
        if number == 3:
            with runtime.database.write() as session:
                postings.purchase(runtime, session, person.id, micros=50 * MICROS, cause="pack")
        clock.advance(days=1)
    call(runtime, person, "r5:call/look@2:1", 7 * MICROS)


@pytest.mark.usefixtures("booked")
def test_statements_that_meet_leave_nothing_out_and_tell_nothing_twice(runtime: Runtime, person: Account) -> None:
    january = statement(runtime, person, JANUARY, FEBRUARY)
    february = statement(runtime, person, FEBRUARY, MARCH)
    whole = statement(runtime, person, None, None)
    assert (january.opening_micros, january.closing_micros) == (0, 97 * MICROS)
    assert january.totals == {"grant": 100 * MICROS, "settle": -3 * MICROS}
    assert (february.opening_micros, february.closing_micros) == (97 * MICROS, 128 * MICROS)
    assert february.totals == {"purchase": 50 * MICROS, "settle": -19 * MICROS}
    assert january.stretch.last + 1 == february.stretch.first
    assert whole.closing_micros == sum(whole.totals.values()) == february.closing_micros
    assert whole.head == february.head != january.head
    empty = statement(runtime, person, MARCH, None)
    assert (empty.opening_micros, empty.closing_micros, empty.totals) == (128 * MICROS, 128 * MICROS, {})
    assert empty.head == whole.head
    before = statement(runtime, person, None, JANUARY)
    assert (before.opening_micros, before.closing_micros, before.head) == (0, 0, bytes(32))
    with pytest.raises(InvalidInput, match="ends before it begins"):
        statement(runtime, person, FEBRUARY, JANUARY)


@pytest.mark.usefixtures("booked")
def test_lines_come_a_page_at_a_time_and_lead_from_balance_to_balance(runtime: Runtime, person: Account) -> None:
    whole = find_stretch(runtime, person.id, None)
    lines = tuple(all_lines(runtime, whole))
    assert [line.kind for line in lines] == ["grant", *["settle"] * 4, "purchase", *["settle"] * 2]
    balance = 0
    for line in lines:
        balance += line.micros
        assert line.balance_micros == balance
    pages, before = [], None
    while True:
        page = list_lines(runtime, whole, limit=3, before=before)
        pages += page.items
        if page.next_cursor is None:
            break
        before = int(page.next_cursor)
    assert pages == [*reversed(lines)]
    nested = lines[-1]
    assert (nested.run_id, nested.step, nested.pipeline_id) == ("r5", "call/look@2", None)


@pytest.mark.usefixtures("booked")
def test_what_it_went_to_and_what_the_next_30_days_cost(runtime: Runtime, person: Account, pipeline: str) -> None:
    found = spent_in(runtime, find_stretch(runtime, person.id, FEBRUARY))
    assert sorted((each.day.day, each.micros // MICROS) for each in found) == [(1, 3), (2, 4), (3, 5), (4, 7)]
    assert [(share.name, share.micros // MICROS) for share in by_pipeline(found)] == [(pipeline, 12), (None, 7)]
    (model,) = by_model(found)
    assert (model.name, model.calls, model.output_tokens) == ("anthropic/claude-haiku-4-5", 4, 4_000_000)
    # 22 credits in the six days since the first call, so 110 in thirty.
    pace = forecast_month(runtime, person)
    assert (pace.micros, pace.days, pace.scheduled_micros) == (110 * MICROS, 6, 0)


@pytest.mark.usefixtures("booked")
def test_an_export_proves_itself_also_a_part_of_it(runtime: Runtime, person: Account) -> None:
    whole = "".join(export_lines(runtime, person.id))
    proof = verify_export(whole, statement(runtime, person, None, FEBRUARY).head.hex())
    assert proof.problems == () and proof.transactions == 14
    part = "".join(export_lines(runtime, person.id, find_stretch(runtime, person.id, FEBRUARY)))
    proof = verify_export(part, statement(runtime, person, None, FEBRUARY).head.hex())
    assert proof.problems == () and proof.transactions == 9
    assert NAME not in whole and "ada@" not in whole
    nobody = "".join(export_lines(runtime, "nobody"))
    assert verify_export(nobody).problems == ()
    with runtime.database.write() as session:
        session.execute(text("UPDATE ledger_transactions SET output_tokens = 9 WHERE number = 3"))
        session.execute(text("UPDATE credit_accounts SET available_micros = available_micros + 1"))
    altered = verify_export("".join(export_lines(runtime, person.id))).problems
    assert any("movement 3 does not follow" in problem for problem in altered)
    assert any(f"available is {128 * MICROS + 1}" in problem for problem in altered)


@pytest.mark.usefixtures("booked")
def test_files_of_a_statement(runtime: Runtime, person: Account) -> None:
    client = TestClient(build_api(runtime))
    token = sign_in(runtime, email=person.email, password=PASSWORD).token

    def ask(**query: str) -> Any:
        return client.get("/user/statement", params=query, headers={"Authorization": f"Bearer {token}"})

    january = {"from": "2027-01-01", "to": "2027-01-31"}
    table = ask(format="csv", **january)
    assert table.status_code == 200 and "attachment" in table.headers["content-disposition"]
    opening, grant, one, two, closing = csv.DictReader(StringIO(table.text))
    assert (opening["kind"], opening["balance"], closing["kind"], closing["balance"]) == (
        "opening", "0.00", "closing", "97.00",
    )  # fmt: skip
    assert (grant["credits"], one["credits"], two["balance"]) == ("100.00", "-1.00", "97.00")
    assert one["what"] == f"'{NAME} · say", "a cell is no formula"
    assert (one["run_id"], one["step"], one["price_version"]) == ("r0", "say", runtime.prices.current(runtime).version)
    assert closing["hash"] == statement(runtime, person, None, FEBRUARY).head.hex()
    proof = ask(**january)
    assert verify_export(proof.text).problems == () and verify_export(proof.text).transactions == 5
    paper = ask(format="pdf", **january)
    reader = PdfReader(BytesIO(paper.content))
    said = reader.pages[0].extract_text()
    assert reader.metadata is not None and "2027-01-01 to 2027-01-31" in str(reader.metadata.title)
    assert reader.trailer["/Root"]["/Lang"] == "en"
    for part in ("Opening balance", "97.00 cr", "Ωμέγα", "claude-haiku-4-5", closing["hash"], "Ada"):
        assert part in said, part
    assert ask(format="csv", **{"from": "2027-03-01", "to": "2027-02-01"}).json()["code"] == "INVALID_PERIOD"
    assert ask(format="pdf", **{"from": "2030-01-01"}).status_code == 200
    assert ask(format="pdf", to="9999-12-31").status_code == ask(to="0001-01-01").status_code == 200
    assert client.get("/user/statement").status_code == 401


def test_price_books_are_public_and_prove_their_names(runtime: Runtime) -> None:
    client = TestClient(build_api(runtime))
    book = client.get("/price-books/current").json()
    assert book["markup"] == "1.25" and book["credit_value_cents"]["pro"] == "0.8"
    assert book["usd_per_mtok"]["anthropic/claude-haiku-4-5"]["output"] == "5"
    again = client.get(f"/price-books/{book['version']}")
    assert again.json() == book and json.loads(book["content"])["usd_per_mtok"] == book["usd_per_mtok"]
    assert client.get("/price-books/2020-01-01.000000000000").json()["code"] == "PRICE_BOOK_NOT_FOUND"


def test_a_long_pdf_has_its_head_on_every_page(runtime: Runtime, person: Account, clock: FixedClock) -> None:
    for number in range(60):
        with runtime.database.write() as session:
            postings.grant(runtime, session, person.id, micros=MICROS, cause=f"g{number}")
    client = TestClient(build_api(runtime))
    token = sign_in(runtime, email=person.email, password=PASSWORD).token
    paper = client.get("/user/statement?format=pdf", headers={"Authorization": f"Bearer {token}"})
    pages = [page.extract_text() for page in PdfReader(BytesIO(paper.content)).pages]
    assert len(pages) == 3 and all("Balance" in page for page in pages)
    assert sum(page.count("Granted") for page in pages) == 61, "each once, and in the sums"
    assert "Page 3" in pages[-1]


def test_a_statement_of_a_long_ledger_reads_no_more_than_it_shows(
    runtime: Runtime, person: Account, clock: FixedClock
) -> None:
    for number in range(40):
        with runtime.database.write() as session:
            postings.grant(runtime, session, person.id, micros=MICROS, cause=f"g{number}")
        clock.advance(hours=6)
    asked: list[str] = []
    event.listen(runtime.database.engine, "before_cursor_execute", lambda *told: asked.append(told[2]))
    since = clock.now() - timedelta(days=1)
    found = statement(runtime, person, since, None)
    assert (found.stretch.first, found.stretch.last) == (37, 40)
    assert len(asked) < 12, "the beginning is found by halving"
