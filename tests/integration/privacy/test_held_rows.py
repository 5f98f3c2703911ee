"""A legal hold keeps exactly what it is on through an erasure, for those it is for, until it ends."""

import io
import json
import zipfile
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import func, insert, select, update

from core.accounts.audit import list_acts, verify_audit
from core.accounts.commands import create_account
from core.accounts.domain import SessionView
from core.accounts.queries import find_account
from core.credits.commands import set_credits
from core.pipelines.commands import create_pipeline
from core.platform.files.commands import store_file
from core.platform.runtime import Runtime
from core.privacy import rights
from core.privacy.advance import LEASE, advance_request
from core.privacy.dry_run import dry_run
from core.privacy.erasure.certificates import (
    certificate_of,
    followups_of,
    render_certificate,
    verify_certificates,
    verify_file,
)
from core.privacy.erasure.commands import begin_erasure, notice_of, replay_tombstones
from core.privacy.erasure.held import kept_for, read_held
from core.privacy.erasure.models import HeldRow, HoldCopyRow
from core.privacy.erasure.releasing import has_ended_holds, release
from core.privacy.erasure.rows import left_rows
from core.privacy.erasure.steps import ERASURE
from core.privacy.inventory import find_table
from core.privacy.models import PrivacyRequestRow
from core.privacy.queries import request_file
from core.privacy.retention.holds import LegalHold, cosign_hold, lift_hold, place_hold
from core.privacy.retention.models import LegalHoldRow
from core.privacy.scan.commands import scan
from core.privacy.steps import Again, Done, Later, RightStep, Work
from core.shared.errors import AppError, Conflict, Forbidden, InvalidInput, NotFound
from jobs import legal_holds
from tests.integration.accounts.conftest import session_of
from tests.integration.privacy.conftest import privacy_admin
from tests.support.clock import FixedClock
from tests.support.old_history import add_runs

pytestmark = [pytest.mark.usefixtures("postgres_keys", "no_other_process"), pytest.mark.slow_on_postgres]

LAW, ADA = "Code civil Art. 2224", "ada@example.org"
SAID, FILE = "walrus-canary-5501", b"heron-canary-5502 " * 30_000
SAY = {"name": "Say", "version": 1, "steps": [{"id": "say", "prompt": "otter-canary-5503", "model": "demo"}]}


def hold(runtime: Runtime, by: SessionView, person: SessionView, *, signed: bool = True, **what: Any) -> LegalHold:
    until = runtime.clock.now() + timedelta(days=365)
    made = place_hold(runtime, by, person.account.id, law=LAW, reason="A claim about a run.", until=until, **what)
    if signed:
        second = "second@example.org"
        known = find_account(runtime, second)
        cosign_hold(runtime, session_of(runtime, second) if known else privacy_admin(runtime, second), made.id)
    return made


def finish(runtime: Runtime, clock: FixedClock, request_id: str) -> None:
    for _ in range(80):
        advance_request(runtime, request_id)
        with runtime.database.read() as session:
            row = session.get_one(PrivacyRequestRow, request_id)
        if row.status == "closed":
            return
        clock.advance(seconds=(row.wake_at - clock.now()).total_seconds() if row.wake_at else LEASE.total_seconds() + 1)
    raise AssertionError(f"still {row.status}")


def held_rows(runtime: Runtime, hold_id: str) -> dict[str, int]:
    mine = select(HeldRow.table_name, func.count()).where(HeldRow.hold_id == hold_id, HeldRow.part == 0)
    with runtime.database.read() as session:
        return dict(session.execute(mine.group_by(HeldRow.table_name)).tuples().all())


def read(runtime: Runtime, by: SessionView, hold_id: str) -> tuple[list[dict[str, Any]], zipfile.ZipFile]:
    archive = zipfile.ZipFile(io.BytesIO(read_held(runtime, by, hold_id)))
    return json.loads(archive.read("rows.json")), archive


def test_one_run_is_kept_and_everything_else_goes(
    runtime: Runtime, ada: SessionView, grace: SessionView, clock: FixedClock
) -> None:
    kept, gone = add_runs(runtime, ada.account.id, 2, at=clock.now(), whole=True, said=SAID)
    create_pipeline(runtime, ada.account, SAY)
    held = hold(runtime, grace, ada, row=("runs", kept))
    request_id = begin_erasure(runtime, ADA)
    would = dry_run(runtime, request_file(runtime, request_id).request)
    assert dict(would.deletes)["Runs"] == 1 and dict(would.deletes)["Steps of runs"] == 2
    assert f"until {held.until:%Y-%m-%d} under {LAW} (legal hold)" in would.sentence
    assert sum(each.rows for each in would.keeps if "legal hold" in each.law) == 9, "the run with what hangs on it"
    finish(runtime, clock, request_id)
    assert find_account(runtime, ADA) is None and left_rows(runtime, ada.account.id) == {}
    assert not runtime.vault.knows(ada.account.id) and runtime.vault.knows(held.id)
    assert held_rows(runtime, held.id) == {
        "runs": 1, "step_runs": 2, "run_events": 3, "reviews": 1, "deliveries": 1, "delivery_attempts": 1
    }  # fmt: skip
    assert not scan(runtime, [SAID, "otter-canary-5503"]).hits, "what is kept is sealed"
    rows, _ = read(runtime, session_of(runtime, "grace@example.org"), held.id)
    assert {row["id"] for row in rows if row["table"] == "runs"} == {kept} and gone not in str(rows)
    (run,) = [row["row"] for row in rows if row["table"] == "runs"]
    assert run["request"]["input"] == {"text": SAID} and run["result"]["output"] == SAID
    assert "[cannot be decrypted]" not in str(rows)
    assert [act.subject_id for act in list_acts(runtime, 1, act="hold.read").items] == [ada.account.id]


def test_it_says_so_in_certificate_answer_and_notice(
    runtime: Runtime, ada: SessionView, grace: SessionView, clock: FixedClock
) -> None:
    kept, _ = add_runs(runtime, ada.account.id, 2, at=clock.now())
    held = hold(runtime, grace, ada, row=("runs", kept))
    request_id = begin_erasure(runtime, ADA)
    finish(runtime, clock, request_id)
    assert request_file(runtime, request_id).request.outcome == "partial"
    certificate = certificate_of(runtime, request_id)
    assert certificate is not None and certificate.body["outcome"] == "partial"
    assert {each["what"]: each["count"] for each in certificate.body["held"]} == {
        "runs": 1, "step_runs": 2, "run_events": 3
    }  # fmt: skip
    assert "keep" not in certificate.body["done"], "what is kept was not erased"
    text = render_certificate(certificate)
    assert f"runs: 1, until {held.until:%Y-%m-%d} ({LAW})" in text and "Kept for a legal hold" in text
    assert any("legal holds" in each for each in certificate.body["scan"]["not_covered"])
    for language, words in (("en", "6 rows until"), ("fr", "6 lignes jusqu’au")):
        notice = notice_of(certificate, language=language, site_url="https://x.example")
        assert f"{words} {held.until:%Y-%m-%d} ({LAW})" in notice.text and f"{words}" in notice.html


def test_without_a_hold_nothing_of_it_is_said(runtime: Runtime, ada: SessionView, clock: FixedClock) -> None:
    request_id = begin_erasure(runtime, ADA)
    finish(runtime, clock, request_id)
    certificate = certificate_of(runtime, request_id)
    assert certificate is not None and certificate.body["held"] == [] and certificate.body["outcome"] == "whole"
    assert "legal hold" not in render_certificate(certificate)
    assert "legal claim" not in notice_of(certificate, language="en", site_url="https://x.example").text
    assert request_file(runtime, request_id).request.outcome == "fulfilled"


@pytest.mark.parametrize("way", ["lifted", "over", "unsigned"])
def test_the_end_of_a_hold_destroys_what_it_kept(
    runtime: Runtime, ada: SessionView, grace: SessionView, clock: FixedClock, way: str
) -> None:
    kept, _ = add_runs(runtime, ada.account.id, 2, at=clock.now(), said=SAID)
    held = hold(runtime, grace, ada, row=("runs", kept), signed=way != "unsigned")
    request_id = begin_erasure(runtime, ADA)
    finish(runtime, clock, request_id)
    assert legal_holds.run(runtime, clock.now()) == 0 and not has_ended_holds(runtime, clock.now())
    if way == "lifted":
        lift_hold(runtime, session_of(runtime, "grace@example.org"), held.id)
    else:
        clock.advance(days=366 if way == "over" else 3)
    assert has_ended_holds(runtime, clock.now())
    with pytest.raises(NotFound):
        read_held(runtime, session_of(runtime, "grace@example.org"), held.id)
    assert legal_holds.run(runtime, clock.now()) >= 1
    assert held_rows(runtime, held.id) == {} and not runtime.vault.knows(held.id) and kept_for(runtime) == {}
    assert legal_holds.run(runtime, clock.now()) == 0 and not has_ended_holds(runtime, clock.now())
    first = certificate_of(runtime, request_id)
    assert first is not None
    (later,) = followups_of(runtime, first.number)
    assert later.body["follows"] == first.number and later.body["gone"] == {"run_events": 3, "runs": 1, "step_runs": 2}
    assert "It follows certificate" in render_certificate(later) and verify_file(later.as_json()).number == later.number
    proof = verify_certificates(runtime)
    assert (proof.count, proof.problems) == (2, ()) and verify_audit(runtime).problems == ()
    with pytest.raises(AppError):
        runtime.vault.adopt(held.id)


def test_a_release_that_is_cut_comes_to_the_same_end(
    runtime: Runtime, ada: SessionView, grace: SessionView, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_runs(runtime, ada.account.id, 3, at=clock.now())
    held = hold(runtime, grace, ada, category="user.content")
    request_id = begin_erasure(runtime, ADA)
    finish(runtime, clock, request_id)
    before = held_rows(runtime, held.id)
    lift_hold(runtime, session_of(runtime, "grace@example.org"), held.id)
    monkeypatch.setattr("core.privacy.erasure.releasing.BATCH", 4)
    for cut in ("_delete_some", "_certify"):
        with monkeypatch.context() as patch:
            patch.setattr(f"core.privacy.erasure.releasing.{cut}", _killed)
            with pytest.raises(Killed):
                release(runtime, held.id)
        assert not runtime.vault.knows(held.id)
    release(runtime, held.id)
    release(runtime, held.id)
    first = certificate_of(runtime, request_id)
    assert first is not None
    (later,) = followups_of(runtime, first.number)
    assert later.body["gone"] == before and held_rows(runtime, held.id) == {}


class Killed(BaseException):
    pass


def _killed(*_: object) -> None:
    raise Killed


def test_a_category_is_kept_in_its_tables_and_credentials_are_not(
    runtime: Runtime, ada: SessionView, grace: SessionView, clock: FixedClock
) -> None:
    set_credits(runtime, ada.account, micros=5_000_000)
    add_runs(runtime, ada.account.id, 130, at=clock.now(), steps=1, events=1)
    create_pipeline(runtime, ada.account, SAY)
    everything, content = hold(runtime, grace, ada), hold(runtime, grace, ada, category="user.content")
    finish(runtime, clock, begin_erasure(runtime, ADA))
    kept = held_rows(runtime, content.id)
    assert kept["runs"] == 130 and kept["pipelines"] == 1 and "accounts" not in kept and "ledger_entries" not in kept
    whole = held_rows(runtime, everything.id)
    assert kept.items() <= whole.items() and whole["accounts"] == 1 and "ledger_entries" not in whole, "books stay"
    rows, _ = read(runtime, session_of(runtime, "grace@example.org"), everything.id)
    (account,) = [row["row"] for row in rows if row["table"] == "accounts"]
    assert account["email"] == ADA and account["name"] == "Ada", "as it was before it was closed"
    assert account["password_hash"] == "[a credential: not kept]" and "email_index" not in account
    assert len(rows) == sum(whole.values())


def test_a_file_is_kept_with_its_content(
    runtime: Runtime, ada: SessionView, grace: SessionView, clock: FixedClock
) -> None:
    kept = store_file(runtime, ada.account.id, "kept.txt", FILE)
    store_file(runtime, ada.account.id, "gone.txt", b"gone")
    held = hold(runtime, grace, ada, row=("files", kept.id))
    finish(runtime, clock, begin_erasure(runtime, ADA))
    assert held_rows(runtime, held.id) == {"files": 1} and not list(runtime.blobs.list())
    rows, archive = read(runtime, session_of(runtime, "grace@example.org"), held.id)
    assert archive.read(f"files/{kept.id}") == FILE and rows[0]["row"]["name"] == "kept.txt"


def test_a_payment_that_the_law_keeps_anyway_can_be_named(
    runtime: Runtime, ada: SessionView, grace: SessionView, clock: FixedClock
) -> None:
    set_credits(runtime, ada.account, micros=5_000_000)
    movements = find_table("ledger_transactions")
    with runtime.database.read() as session:
        movement = session.scalars(select(movements.c.id).where(movements.c.owner_id == ada.account.id)).first()
    assert movement is not None
    held = hold(runtime, grace, ada, row=("ledger_transactions", movement))
    finish(runtime, clock, begin_erasure(runtime, ADA))
    assert held_rows(runtime, held.id)["ledger_transactions"] == 1


def test_a_hold_placed_in_the_middle_is_kept_until_the_key_goes(
    runtime: Runtime, ada: SessionView, grace: SessionView, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second, third = add_runs(runtime, ada.account.id, 3, at=clock.now())
    privacy_admin(runtime, "second@example.org")
    placed: dict[str, LegalHold] = {}
    refused: list[str] = []

    def around(step: RightStep) -> RightStep:
        def run(runtime: Runtime, work: Work) -> Done | Later | Again:
            if step.name == "drain" and "drain" not in placed:
                placed["drain"] = hold(runtime, session_of(runtime, grace.account.email), ada, row=("runs", first))
            if step.name == "key" and "key" not in placed:  # after what was held had been kept
                placed["key"] = hold(runtime, session_of(runtime, grace.account.email), ada, row=("runs", second))
            if step.name == "mails":
                try:
                    hold(runtime, session_of(runtime, grace.account.email), ada, row=("runs", third))
                except Conflict as late:
                    refused.append(late.code)
            return step.run(runtime, work)

        return RightStep(step.name, step.says, step.phase, run)

    monkeypatch.setitem(rights.STEPS, "erasure", tuple(map(around, ERASURE)))
    request_id = begin_erasure(runtime, ADA)
    finish(runtime, clock, request_id)
    assert refused == ["HOLD_TOO_LATE"]
    for name, run in (("drain", first), ("key", second)):
        rows, _ = read(runtime, session_of(runtime, grace.account.email), placed[name].id)
        assert {row["id"] for row in rows if row["table"] == "runs"} == {run}
    certificate = certificate_of(runtime, request_id)
    assert certificate is not None and len({each["hold"] for each in certificate.body["held"]}) == 2


def test_a_hold_that_ended_before_the_certificate_is_not_in_it(
    runtime: Runtime, ada: SessionView, grace: SessionView, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    (run,) = add_runs(runtime, ada.account.id, 1, at=clock.now())
    held = hold(runtime, grace, ada, row=("runs", run))

    def around(step: RightStep) -> RightStep:
        def act(runtime: Runtime, work: Work) -> Done | Later | Again:
            if step.name == "prove":
                lift_hold(runtime, session_of(runtime, grace.account.email), held.id)
                legal_holds.run(runtime, runtime.clock.now())
            return step.run(runtime, work)

        return RightStep(step.name, step.says, step.phase, act)

    monkeypatch.setitem(rights.STEPS, "erasure", tuple(map(around, ERASURE)))
    request_id = begin_erasure(runtime, ADA)
    finish(runtime, clock, request_id)
    certificate = certificate_of(runtime, request_id)
    assert (
        certificate is not None and certificate.body["held"] == [] and followups_of(runtime, certificate.number) == ()
    )
    assert request_file(runtime, request_id).request.outcome == "fulfilled" and held_rows(runtime, held.id) == {}


def test_who_left_can_only_be_held_where_something_is_left(
    runtime: Runtime, ada: SessionView, grace: SessionView, clock: FixedClock
) -> None:
    set_credits(runtime, ada.account, micros=5_000_000)
    (run,) = add_runs(runtime, ada.account.id, 1, at=clock.now())
    finish(runtime, clock, begin_erasure(runtime, ADA))
    by = session_of(runtime, grace.account.email)
    for what in ({"category": "user.name"}, {"category": "user.device"}):
        with pytest.raises(Conflict) as late:
            hold(runtime, by, ada, signed=False, **what)
        assert late.value.code == "HOLD_TOO_LATE"
    with pytest.raises(InvalidInput):
        hold(runtime, by, ada, signed=False, row=("runs", run))
    assert hold(runtime, by, ada, signed=False, category="user.financial").category == "user.financial"


def test_a_row_is_held_by_an_id_of_that_persons(
    runtime: Runtime, ada: SessionView, grace: SessionView, clock: FixedClock
) -> None:
    (mine,) = add_runs(runtime, ada.account.id, 1, at=clock.now())
    (theirs,) = add_runs(runtime, grace.account.id, 1, at=clock.now())
    for row in (("runs", theirs), ("runs", ""), ("runs", "x"), ("run_events", f"{mine}/9"), ("recovery_codes", "00")):
        with pytest.raises(InvalidInput) as wrong:
            hold(runtime, grace, ada, signed=False, row=row)
        assert wrong.value.code == "HOLD_ROW"
    assert hold(runtime, grace, ada, signed=False, row=("runs", f" {mine} ")).row_id == mine
    assert hold(runtime, grace, ada, signed=False, row=("run_events", f"{mine}/2")).row_id == f"{mine}/2"


def test_only_a_privacy_admin_reads_what_is_held_and_it_cannot_be_swapped(
    runtime: Runtime, ada: SessionView, grace: SessionView, clock: FixedClock
) -> None:
    one, two = add_runs(runtime, ada.account.id, 2, at=clock.now())
    held, other = hold(runtime, grace, ada, row=("runs", one)), hold(runtime, grace, ada, row=("runs", two))
    create_account(runtime, email="eve@example.org", password="correct horse battery staple")
    finish(runtime, clock, begin_erasure(runtime, ADA))
    with pytest.raises(Forbidden):
        read_held(runtime, session_of(runtime, "eve@example.org"), held.id)
    by = session_of(runtime, grace.account.email)
    with runtime.database.write() as session:
        session.execute(update(HeldRow).where(HeldRow.row_id == one).values(row_id="another"))
    with pytest.raises(AppError) as moved:
        read_held(runtime, by, held.id)
    assert moved.value.code == "SEAL_BROKEN"
    with runtime.database.write() as session:
        session.execute(update(HeldRow).where(HeldRow.row_id == "another").values(row_id=one))
        mine = (HeldRow.hold_id == other.id, HeldRow.table_name == "runs")
        session.execute(update(HeldRow).where(*mine).values(hold_id=held.id))
    with pytest.raises(AppError):
        read_held(runtime, by, held.id)


def test_a_hold_that_a_backup_brings_back_stays_ended(
    runtime: Runtime, ada: SessionView, grace: SessionView, clock: FixedClock
) -> None:
    """The database of a backup, put back after the hold ended: its rows are there again, its key is not."""
    (run,) = add_runs(runtime, ada.account.id, 1, at=clock.now())
    held = hold(runtime, grace, ada, row=("runs", run))
    finish(runtime, clock, begin_erasure(runtime, ADA))
    with runtime.database.read() as session:
        rows = [dict(row) for row in session.execute(select(HeldRow.__table__)).mappings()]
    lift_hold(runtime, session_of(runtime, grace.account.email), held.id)
    legal_holds.run(runtime, clock.now())
    with runtime.database.write() as session:
        session.execute(insert(HeldRow), rows)
        session.execute(update(LegalHoldRow).where(LegalHoldRow.id == held.id).values(ended_at=None, ended_by=None))
        session.execute(update(HoldCopyRow).values(released_at=None))
    replay_tombstones(runtime)
    with pytest.raises(AppError):
        read_held(runtime, session_of(runtime, grace.account.email), held.id)
    assert legal_holds.run(runtime, clock.now()) == 1 and held_rows(runtime, held.id) == {}
    assert verify_certificates(runtime).count == 2, "the end is certified once"
