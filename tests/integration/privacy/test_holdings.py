"""What is held about a person, counted from the inventory; and what a request would do."""

from datetime import timedelta

from sqlalchemy import event

from core.accounts.api_keys import create_api_key
from core.accounts.domain import SessionView
from core.credits.commands import set_credits
from core.execution.commands import start_run
from core.pipelines.commands import create_pipeline
from core.platform.runtime import Runtime
from core.privacy.asking import ask
from core.privacy.dry_run import dry_run
from core.privacy.holdings import count_rows, elsewhere, holdings
from core.privacy.inventory import tables
from core.privacy.retention.holds import place_hold
from core.privacy.wording import CATEGORIES
from core.privacy.words import TABLES
from core.shared.money import MICROS
from tests.support.clock import FixedClock

SAY = {"name": "Say", "version": 1, "steps": [{"id": "say", "type": "transform", "template": "x"}]}


def fill(runtime: Runtime, view: SessionView) -> None:
    pipeline = create_pipeline(runtime, view.account, SAY)
    for _ in range(3):
        start_run(runtime, view.account, pipeline.id, {})
    create_api_key(runtime, view.account, "Key", ["pipelines:read"])
    set_credits(runtime, view.account, micros=5 * MICROS)


def test_every_table_of_people_has_plain_words() -> None:
    owned = {entry.name for entry in tables() if entry.owner is not None or entry.address is not None}
    assert owned - set(TABLES) == set()
    assert {field.rules.category for entry in tables() for field in entry.fields} <= set(CATEGORIES)


def test_what_is_held_is_counted_in_one_statement_a_table_and_is_ones_own(
    runtime: Runtime, ada: SessionView, grace: SessionView
) -> None:
    fill(runtime, ada)
    seen: list[str] = []
    event.listen(runtime.database.engine, "before_cursor_execute", lambda _c, _u, statement, *_: seen.append(statement))
    found = {(each.title, each.until): each for each in holdings(runtime, ada.account)}
    with runtime.database.read() as session:
        filled = len(count_rows(runtime, session, ada.account))
    assert len([statement for statement in seen if "SELECT" in statement]) <= filled + 2, "one a table"
    wrote = found["What you wrote, and what came out", "365 days after the run, on your plan"]
    assert "runs" in wrote.tables and wrote.records >= 3
    assert "Key of the second factor" not in str(found), "nothing is in it"
    assert found["Name", "until you delete it, or your account"].records == 1
    assert all(each.labels and each.purposes for each in found.values())
    with runtime.database.read() as session:
        mine, theirs = (count_rows(runtime, session, who.account) for who in (ada, grace))
    assert mine["runs"] == 3 and "runs" not in theirs and theirs["accounts"] == 1
    places = {place.title for place in elsewhere(runtime)}
    assert "Stripe" not in places and "Contents of files" in places


def test_a_deletion_says_what_goes_and_what_stays_and_changes_nothing(
    runtime: Runtime, ada: SessionView, clock: FixedClock
) -> None:
    fill(runtime, ada)
    asked = ask(runtime, ada, "erasure")
    with runtime.database.read() as session:
        before = count_rows(runtime, session, ada.account)
    would = dry_run(runtime, asked)
    assert dict(would.deletes)["Runs"] == 3 and "Movements of the ledger" not in dict(would.deletes)
    kept = {each.title: each for each in would.keeps}
    movements = kept["Movements of the ledger"]
    assert (f"{movements.until}", movements.law) == ("2037-12-31", "L123-22")
    assert f"{kept['Requests about your data'].until}" == "2032-12-31"
    assert would.sentence.startswith("Will delete ") and "until 2037-12-31 under L123-22" in would.sentence
    with runtime.database.read() as session:
        assert count_rows(runtime, session, ada.account) == before


def test_a_copy_says_what_is_handed_over(runtime: Runtime, ada: SessionView) -> None:
    fill(runtime, ada)
    access, portable = dry_run(runtime, ask(runtime, ada, "access")), dry_run(runtime, ask(runtime, ada, "portability"))
    assert set(portable.hands_over) < set(access.hands_over) and "hand over" in access.sentence


def test_what_is_held_for_a_claim_is_not_promised_to_go(
    runtime: Runtime, ada: SessionView, grace: SessionView, clock: FixedClock
) -> None:
    fill(runtime, ada)
    asked = ask(runtime, ada, "erasure")
    until = clock.now() + timedelta(days=100)
    place_hold(runtime, grace, ada.account.id, law="Art. 17(3)(e)", reason="A claim of March.", until=until)
    would = dry_run(runtime, asked)
    assert {title for title, _ in would.deletes} <= {"Choices", "Keyed hashes of API requests", "Sign-ins"}
    assert f"until {until:%Y-%m-%d} under Art. 17(3)(e) (legal hold)" in would.sentence
