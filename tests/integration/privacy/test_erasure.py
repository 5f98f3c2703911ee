"""Erasing a person: to the end, whatever comes in between, and nobody else with them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlalchemy import func, select, text

from core.accounts.audit import verify_audit
from core.accounts.authentication import sign_in
from core.accounts.commands import create_account
from core.accounts.domain import Account, SessionView
from core.accounts.queries import find_account, find_session, list_accounts
from core.credits.commands import grant_month
from core.credits.queries import verify_ledger
from core.execution import journal, leases
from core.execution.changes import LostLease, StepEnded, StepKey, StepStarted
from core.execution.claims import claim
from core.execution.commands import start_run
from core.pipelines.commands import create_pipeline
from core.platform.files.commands import store_file
from core.platform.runtime import Runtime
from core.privacy import rights
from core.privacy.advance import LEASE, advance_request
from core.privacy.erasure.certificates import certificate_of, get_certificate, verify_certificates, verify_file
from core.privacy.erasure.commands import begin_erasure
from core.privacy.erasure.ending import freeze
from core.privacy.erasure.models import ErasureRow, HeldRow
from core.privacy.erasure.rows import left_rows
from core.privacy.erasure.steps import ERASURE
from core.privacy.inventory import find_table, tables
from core.privacy.models import PrivacyRequestRow
from core.privacy.retention.holds import place_hold
from core.privacy.steps import Again, Done, Later, RightStep, Work
from core.shared.errors import AppError, Conflict, Forbidden, InvalidInput, NotFound
from tests.conftest import PASSWORD
from tests.support.clock import FixedClock
from tests.support.old_history import add_runs

pytestmark = pytest.mark.usefixtures("postgres_keys")

SAY = {"name": "Say", "version": 1, "steps": [{"id": "say", "prompt": "Say it", "model": "demo"}]}
LAW = "Code civil Art. 2224"
ADA, EVE = "ada.canary@planted.example", "eve@example.org"


@pytest.fixture
def runtime(runtime_with: Callable[..., Runtime], database_settings: dict[str, str], clock: FixedClock) -> Runtime:
    return runtime_with(clock=clock, **database_settings)


@pytest.fixture
def ada(runtime: Runtime) -> Account:
    made = create_account(runtime, email=ADA, password=PASSWORD, name="Ada Canary Lovelace", plan="free")
    grant_month(runtime, made)
    return made


def finish(runtime: Runtime, clock: FixedClock, request_id: str) -> None:
    """Carry it on as the scheduler does, until it is closed."""
    for _ in range(60):
        advance_request(runtime, request_id)
        with runtime.database.read() as session:
            row = session.get_one(PrivacyRequestRow, request_id)
        if row.status == "closed":
            return
        clock.advance(seconds=(row.wake_at - clock.now()).total_seconds() if row.wake_at else LEASE.total_seconds() + 1)
    raise AssertionError(f"still {row.status}")


def test_a_person_is_erased(runtime: Runtime, clock: FixedClock, ada: Account) -> None:
    eve = create_account(runtime, email=EVE, password=PASSWORD, name="Eve")
    request_id = begin_erasure(runtime, ADA)
    finish(runtime, clock, request_id)
    assert find_account(runtime, ADA) is None
    assert [account.id for account in list_accounts(runtime)] == [eve.id]
    assert left_rows(runtime, ada.id) == {}
    assert verify_ledger(runtime).problems == () and verify_audit(runtime).problems == ()
    proof = verify_certificates(runtime)
    assert proof.count == 1 and proof.problems == ()
    with runtime.database.read() as session:
        row = session.get_one(ErasureRow, request_id)
        assert row.subject is None and row.address_index is None
    assert not runtime.vault.knows(ada.id) and not runtime.vault.knows(request_id)


class Killed(BaseException):
    pass


@pytest.mark.parametrize(("when", "is_held"), [("before", False), ("after", False), ("after", True)])
def test_killed_at_every_step_it_comes_to_the_same_end(
    sqlite_runtime_at: Runtime, clock: FixedClock, monkeypatch: pytest.MonkeyPatch, when: str, is_held: bool
) -> None:
    runtime = sqlite_runtime_at
    person = create_account(runtime, email=ADA, password=PASSWORD, name="Ada Canary Lovelace", plan="free")
    grant_month(runtime, person)
    if is_held:
        kept, _ = add_runs(runtime, person.id, 2, at=clock.now(), whole=True)
        admin = privacy_admin(runtime, clock)
        until = clock.now() + timedelta(days=9)
        place_hold(runtime, admin, person.id, law=LAW, reason="A claim.", until=until, row=("runs", kept))
    killed: list[str] = []

    def cut(step: RightStep) -> RightStep:
        def run(runtime: Runtime, work: Work) -> Done | Later | Again:
            if when == "after":
                answer = step.run(runtime, work)
            if step.name not in killed and (when == "before" or isinstance(answer, Done)):
                killed.append(step.name)
                raise Killed
            return answer if when == "after" else step.run(runtime, work)

        return RightStep(step.name, step.says, step.phase, run)

    monkeypatch.setitem(rights.STEPS, "erasure", tuple(map(cut, ERASURE)))
    request_id = begin_erasure(runtime, ADA)
    for _ in range(len(ERASURE)):
        with pytest.raises(Killed):
            while True:
                clock.advance(seconds=LEASE.total_seconds() + 1)
                advance_request(runtime, request_id)
        if len(killed) < len(ERASURE):
            assert begin_erasure(runtime, ADA) == request_id, "asked again, it is the same one that goes on"
    assert killed == [step.name for step in ERASURE]
    clock.advance(seconds=LEASE.total_seconds() + 1)
    finish(runtime, clock, request_id)
    assert left_rows(runtime, person.id) == {} and verify_certificates(runtime).count == 1
    assert verify_ledger(runtime).problems == () and verify_audit(runtime).problems == ()
    assert not runtime.vault.knows(person.id) and not runtime.vault.knows(request_id)
    assert not advance_request(runtime, request_id), "once more there is nothing to do"
    certificate = certificate_of(runtime, request_id)
    assert certificate is not None
    kept_rows = {each["what"]: each["count"] for each in certificate.body["held"]}
    whole = {"runs": 1, "step_runs": 2, "run_events": 3, "reviews": 1, "deliveries": 1, "delivery_attempts": 1}
    assert kept_rows == (whole if is_held else {})
    with runtime.database.read() as session:
        assert (session.scalar(select(func.count()).select_from(HeldRow)) or 0) == sum(kept_rows.values())
    with pytest.raises(NotFound):
        begin_erasure(runtime, ADA)


@pytest.fixture
def sqlite_runtime_at(runtime_with: Callable[..., Runtime], clock: FixedClock) -> Runtime:
    return runtime_with(clock=clock)


def test_nothing_begins_for_somebody_who_leaves(runtime: Runtime, clock: FixedClock, ada: Account) -> None:
    pipeline = create_pipeline(runtime, ada, SAY)
    waiting = start_run(runtime, ada, pipeline.id, {})
    request_id = begin_erasure(runtime, ADA)
    with runtime.database.read() as session:
        row = session.get_one(PrivacyRequestRow, request_id)
    freeze(runtime, Work(request_id, ada.id, row.received_at, lambda: None, {}))
    with pytest.raises(Forbidden) as refused:
        start_run(runtime, ada, pipeline.id, {})
    assert refused.value.code == "ACCOUNT_CLOSING"
    assert claim(runtime, waiting.id, "serve:late") is None and leases.unclaimed_runs(runtime) == []
    with pytest.raises(Forbidden):
        sign_in(runtime, email=ADA, password=PASSWORD)
    finish(runtime, clock, request_id)


async def test_a_run_in_flight_writes_nothing_after(runtime: Runtime, clock: FixedClock, ada: Account) -> None:
    """A process that had the run in hand, and was not heard of since, comes back when everything is over."""
    run = start_run(runtime, ada, create_pipeline(runtime, ada, SAY).id, {})
    claimed = claim(runtime, run.id, "serve:slow")
    assert claimed is not None
    key = StepKey("", "say", 1)
    row_id = runtime.ids.new()
    started = StepStarted(key, row_id, 0, "llm", 1, "demo", "demo", None, 1000, False, False, {"prompt": "x"})
    journal.apply(runtime, claimed, [started])
    request_id = begin_erasure(runtime, ADA)
    finish(runtime, clock, request_id)
    before = stored(runtime)
    ended = StepEnded(key, row_id, 1, "completed", {"parsed": "late"}, held_micros=1000, credit_micros=900)
    with pytest.raises(LostLease):
        journal.apply(runtime, claimed, [ended])
    assert journal.append_tokens(runtime, [(claimed, "say", "late")]) == [run.id]
    with pytest.raises(AppError):
        store_file(runtime, ada.id, "late.txt", b"late")
    assert stored(runtime) == before
    assert verify_ledger(runtime).problems == ()
    with runtime.database.read() as session:
        books = session.execute(text("SELECT available_micros, held_micros, spent_micros FROM credit_accounts")).all()
        causes = session.scalars(text("SELECT cause FROM ledger_transactions")).all()
    assert books == [(0, 0, 0)], "what was held went back, and ended with the rest"
    assert not any("say" in cause for cause in causes), "the books name no step"


def stored(runtime: Runtime) -> dict[str, int]:
    return {
        entry.name: count
        for entry in tables()
        if entry.name not in ("rate_windows", "job_looks")
        for count in [_count(runtime, entry.name)]
    }


def _count(runtime: Runtime, name: str) -> int:
    with runtime.database.read() as session:
        return session.scalar(select(func.count()).select_from(find_table(name))) or 0


def test_the_last_admin_goes_only_with_the_installation(runtime: Runtime, clock: FixedClock) -> None:
    create_account(runtime, email=EVE, password=PASSWORD, roles=("admin",))
    with pytest.raises(Conflict) as refused:
        begin_erasure(runtime, EVE)
    assert refused.value.code == "LAST_ADMIN"
    finish(runtime, clock, begin_erasure(runtime, EVE, close_installation=True))
    assert list_accounts(runtime) == ()


def test_a_certificate_is_proven_offline_and_an_altered_one_is_not(
    runtime: Runtime, clock: FixedClock, ada: Account
) -> None:
    request_id = begin_erasure(runtime, ADA)
    finish(runtime, clock, request_id)
    with runtime.database.read() as session:
        number = session.get_one(ErasureRow, request_id).number
    told = get_certificate(runtime, number).as_json()
    assert verify_file(told).number == number and ADA not in told and "Ada" not in told
    with pytest.raises(InvalidInput):
        verify_file(told.replace('"accounts": 1', '"accounts": 2'))
    with runtime.database.write() as session:
        session.execute(text("UPDATE erasure_certificates SET body = replace(body, 'accounts', 'account_s')"))
    assert verify_certificates(runtime).problems


def privacy_admin(runtime: Runtime, clock: FixedClock) -> SessionView:
    create_account(runtime, email=EVE, password=PASSWORD, roles=("privacy_admin",))
    session = find_session(runtime, sign_in(runtime, email=EVE, password=PASSWORD).token)
    assert session is not None
    return session


def test_an_erasure_goes_on_while_all_is_held_for_a_claim(runtime: Runtime, clock: FixedClock, ada: Account) -> None:
    add_runs(runtime, ada.id, 1, at=clock.now())
    until = clock.now() + timedelta(days=1)
    place_hold(runtime, privacy_admin(runtime, clock), ada.id, law=LAW, reason="A claim.", until=until)
    request_id = begin_erasure(runtime, ADA)
    finish(runtime, clock, request_id)
    assert find_account(runtime, ADA) is None and not runtime.vault.knows(ada.id) and left_rows(runtime, ada.id) == {}
    with runtime.database.read() as session:
        assert {"accounts", "runs", "step_runs"} <= set(session.scalars(select(HeldRow.table_name)))
    assert verify_ledger(runtime).problems == () and verify_audit(runtime).problems == ()
