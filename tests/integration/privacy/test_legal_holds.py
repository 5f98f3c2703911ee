"""A legal hold keeps what it names, from the moment it is placed until it ends, and nobody else's."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from threading import Thread
from typing import Any

import pytest
from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from core.accounts.audit import list_acts
from core.accounts.commands import create_account
from core.accounts.domain import Account, SessionView
from core.credits.commands import grant_month, set_credits
from core.credits.models import LedgerTransaction
from core.execution import run_retention
from core.platform.pace import Pace
from core.platform.runtime import Runtime
from core.privacy.erasure.commands import begin_erasure, carry_out
from core.privacy.inventory import find_table
from core.privacy.models import PrivacyRequestRow, RequestEventRow
from core.privacy.retention import books
from core.privacy.retention.dry_run import due_rows
from core.privacy.retention.holds import (
    LegalHold,
    cosign_hold,
    end_lapsed_holds,
    holds_of,
    lift_hold,
    list_holds,
    place_hold,
)
from core.privacy.retention.models import LegalHoldRow
from core.privacy.retention.sweep import sweep
from core.shared.errors import Conflict, Forbidden, InvalidInput
from tests.conftest import PASSWORD
from tests.integration.accounts.conftest import session_of
from tests.support.clock import FixedClock
from tests.support.old_history import add_runs

LAW = "Code civil Art. 2224"


@pytest.fixture
def runtime(runtime_with: Callable[..., Runtime], database_settings: dict[str, str], clock: FixedClock) -> Runtime:
    return runtime_with(clock=clock, **database_settings)


@pytest.fixture
def free(runtime: Runtime) -> Account:
    return create_account(runtime, email="free@example.org", password=PASSWORD, plan="free")


@pytest.fixture
def officer(runtime: Runtime) -> SessionView:
    create_account(runtime, email="dpo@example.org", password=PASSWORD, roles=("privacy_admin",))
    return session_of(runtime, "dpo@example.org")


def hold(runtime: Runtime, by: SessionView, person: Account, **what: Any) -> LegalHold:
    until = what.pop("until", runtime.clock.now() + timedelta(days=365))
    return place_hold(runtime, by, person.id, law=LAW, reason="A claim about an invoice.", until=until, **what)


def runs_left(runtime: Runtime) -> set[str]:
    with runtime.database.read() as session:
        return set(session.scalars(select(find_table("runs").c.id)))


def old(runtime: Runtime) -> datetime:
    return runtime.clock.now() - timedelta(days=100)


def sign(runtime: Runtime, held: LegalHold) -> None:
    create_account(runtime, email="second@example.org", password=PASSWORD, roles=("privacy_admin",))
    cosign_hold(runtime, session_of(runtime, "second@example.org"), held.id)


@pytest.mark.parametrize("category", [None, "user.content", "user"])
def test_what_is_held_is_not_swept_and_not_counted(
    runtime: Runtime, free: Account, officer: SessionView, category: str | None
) -> None:
    other = create_account(runtime, email="other@example.org", password=PASSWORD, plan="free")
    kept = add_runs(runtime, free.id, 2, at=old(runtime))
    add_runs(runtime, other.id, 2, at=old(runtime))
    held = hold(runtime, officer, free, category=category)
    assert {each.table: each.rows for each in due_rows(runtime)} == {"runs": 2, "step_runs": 4, "run_events": 6}
    sweep(runtime, runtime.clock.now())
    assert runs_left(runtime) == set(kept)
    lift_hold(runtime, officer, held.id)
    assert sum(each.rows for each in due_rows(runtime) if each.table == "runs") == 2
    sweep(runtime, runtime.clock.now())
    assert runs_left(runtime) == set() and list_holds(runtime) == ()


def test_another_category_holds_no_runs(runtime: Runtime, free: Account, officer: SessionView) -> None:
    add_runs(runtime, free.id, 2, at=old(runtime))
    hold(runtime, officer, free, category="user.financial")
    sweep(runtime, runtime.clock.now())
    assert runs_left(runtime) == set()


@pytest.mark.parametrize("table", ["runs", "step_runs", "delivery_attempts"])
def test_a_row_that_is_held_keeps_its_run(runtime: Runtime, free: Account, officer: SessionView, table: str) -> None:
    kept, _ = add_runs(runtime, free.id, 2, at=old(runtime), whole=True)
    steps, deliveries = find_table("step_runs"), find_table("deliveries")
    with runtime.database.read() as session:
        ids = {
            "runs": kept,
            "step_runs": session.scalars(select(steps.c.id).where(steps.c.run_id == kept)).first(),
            "delivery_attempts": session.scalars(select(deliveries.c.id).where(deliveries.c.run_id == kept)).one(),
        }
    row = ids[table]
    assert row is not None
    hold(runtime, officer, free, row=(table, row))
    assert sum(each.rows for each in due_rows(runtime) if each.table == "runs") == 1
    sweep(runtime, runtime.clock.now())
    assert runs_left(runtime) == {kept}


def test_a_hold_nobody_signs_lapses_and_a_signed_one_ends_on_its_day(
    runtime: Runtime, free: Account, officer: SessionView, clock: FixedClock
) -> None:
    def counts() -> bool:
        with runtime.database.read() as session:
            return bool(holds_of(session, free.id, clock.now()))

    unsigned = hold(runtime, officer, free)
    clock.advance(hours=47)
    assert counts() and [each.id for each in list_holds(runtime, free.id)] == [unsigned.id]
    clock.advance(hours=2)
    assert not counts()
    sweep(runtime, clock.now())
    assert [act.act for act in list_acts(runtime, 1).items] == ["hold.lapsed"]
    with pytest.raises(Conflict):
        lift_hold(runtime, session_of(runtime, "dpo@example.org"), unsigned.id)
    signed = hold(runtime, session_of(runtime, "dpo@example.org"), free, until=clock.now() + timedelta(days=10))
    sign(runtime, signed)
    clock.advance(days=9)
    assert counts()
    clock.advance(days=2)
    assert not counts()


def test_another_privacy_admin_signs_or_the_only_one_a_day_later(
    runtime: Runtime, free: Account, officer: SessionView, clock: FixedClock
) -> None:
    alone = hold(runtime, officer, free)
    with pytest.raises(Conflict) as soon:
        cosign_hold(runtime, officer, alone.id)
    assert soon.value.code == "SIGN_AGAIN_LATER"
    clock.advance(hours=25)
    again = session_of(runtime, "dpo@example.org")
    cosign_hold(runtime, again, alone.id)
    (act,) = list_acts(runtime, 1, act="hold.signed").items
    assert act.details["same_admin"] is True
    two = hold(runtime, again, free)
    sign(runtime, two)
    with pytest.raises(Conflict) as twice:
        cosign_hold(runtime, again, two.id)
    assert twice.value.code == "HOLD_SIGNED"
    three = hold(runtime, again, free)
    with pytest.raises(Conflict) as own:
        cosign_hold(runtime, again, three.id)
    assert own.value.code == "ANOTHER_MUST_SIGN"
    with pytest.raises(Forbidden):
        cosign_hold(runtime, session_of(runtime, "free@example.org"), three.id)
    clock.advance(days=3)
    assert {each.id for each in list_holds(runtime, free.id)} == {alone.id, two.id}


def test_only_a_privacy_admin_holds_and_never_their_own(
    runtime: Runtime, free: Account, officer: SessionView, clock: FixedClock
) -> None:
    with pytest.raises(Forbidden):
        hold(runtime, session_of(runtime, "free@example.org"), officer.account)
    with pytest.raises(Forbidden) as own:
        hold(runtime, officer, officer.account)
    assert own.value.code == "OWN_REQUEST"
    for wrong in (
        {"until": clock.now()},
        {"until": clock.now() + timedelta(days=4000)},
        {"category": "system.operations"},
        {"row": ("audit_log", "1")},
        {"category": "user.content", "row": ("runs", "x")},
    ):
        with pytest.raises(InvalidInput):
            hold(runtime, officer, free, **wrong)
    clock.advance(minutes=11)
    with pytest.raises(Forbidden) as stale:
        hold(runtime, officer, free)
    assert stale.value.code == "CONFIRM_PASSWORD" and list_holds(runtime) == ()


def test_the_reason_is_sealed(runtime: Runtime, free: Account, officer: SessionView) -> None:
    held = hold(runtime, officer, free)
    assert held.reason == "A claim about an invoice."
    with runtime.database.read() as session:
        assert b"invoice" not in session.get_one(LegalHoldRow, held.id).reason


@pytest.mark.usefixtures("no_other_process")
def test_reasons_go_with_the_person_once_a_hold_is_over(
    runtime: Runtime, free: Account, officer: SessionView, clock: FixedClock
) -> None:
    grant_month(runtime, free)
    over = hold(runtime, officer, free)
    lift_hold(runtime, officer, over.id)
    goes_on = hold(runtime, officer, free, row=("credit_accounts", free.id))  # of what the law keeps anyway
    carry_out(runtime, begin_erasure(runtime, free.email))
    assert [held.reason for held in list_holds(runtime)] == [goes_on.reason], "it is needed as long as it counts"
    assert not runtime.vault.knows(over.id) and runtime.vault.knows(goes_on.id)
    clock.advance(days=366)
    assert end_lapsed_holds(runtime) == 1 and not runtime.vault.knows(goes_on.id)
    with runtime.database.read() as session:
        rows = session.scalars(select(LegalHoldRow)).all()
    assert [(row.law, row.reason) for row in rows] == [(LAW, b""), (LAW, b"")], "that there was one stays as proof"


def before_batch(monkeypatch: pytest.MonkeyPatch, number: int, act: Callable[[], object]) -> None:
    """Do something between two batches of a sweep, as another process may."""
    real, begun = Pace.write, list[int]()

    @contextmanager
    def write(pace: Pace) -> Iterator[Session]:
        begun.append(1)
        pace.rows = 20
        if len(begun) == number:
            act()
        with real(pace) as session:
            yield session
        pace.rows = 20  # whatever it learnt: there are to be several

    monkeypatch.setattr(Pace, "write", write)


@pytest.mark.parametrize("what", ["row", "category"])
def test_a_hold_placed_in_the_middle_of_a_sweep_keeps_the_rest(
    runtime: Runtime, free: Account, officer: SessionView, clock: FixedClock, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    """The moment of a sweep is that of its beginning; a hold that is placed after it counts all the same."""
    runs, began = add_runs(runtime, free.id, 60, at=old(runtime), steps=5), clock.now()
    scope: dict[str, Any] = {"row": ("runs", runs[-1])} if what == "row" else {"category": "user.content"}

    def place() -> None:
        clock.advance(seconds=1)
        hold(runtime, officer, free, **scope)

    with monkeypatch.context() as patch:
        before_batch(patch, 3, place)
        sweep(runtime, began)
    left = runs_left(runtime)
    assert runs[-1] in left and 20 < len(left) < 60, "the batches after it delete nothing"
    sweep(runtime, clock.now())
    assert runs_left(runtime) == ({runs[-1]} if what == "row" else left)


def test_a_hold_comes_before_a_batch_or_after_it(
    runtime: Runtime, free: Account, officer: SessionView, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who places one while a batch deletes waits for it, and is told that the row is gone."""
    (run,) = add_runs(runtime, free.id, 1, at=old(runtime))
    answers: list[str] = []

    def place() -> None:
        try:
            hold(runtime, officer, free, row=("runs", run))
            answers.append("held")
        except InvalidInput as refusal:
            answers.append(refusal.code)

    placing, real = Thread(target=place), run_retention._delete

    def delete_while(*args: Any) -> int:
        placing.start()
        placing.join(timeout=0.5)
        assert answers == [], "it waits for this transaction"
        return real(*args)

    monkeypatch.setattr(run_retention, "_delete", delete_while)
    sweep(runtime, runtime.clock.now())
    placing.join(timeout=30)
    assert answers == ["HOLD_ROW"] and runs_left(runtime) == set() and list_holds(runtime) == ()


def test_proofs_of_who_is_held_go_but_for_the_rows_that_are(
    runtime: Runtime, free: Account, officer: SessionView, clock: FixedClock
) -> None:
    """A hold on one row, or on a category that is not in them, keeps nothing else of its person."""
    closed = clock.now() - timedelta(days=365 * 6)
    ids = [runtime.ids.new() for _ in range(3)]
    rows = (
        PrivacyRequestRow(
            id=each, account_id=free.id, right="access", status="closed", received_at=closed, due_at=closed,
            closed_at=closed, fence=0,
        )
        for each in ids
    )  # fmt: skip
    step = RequestEventRow(
        id=runtime.ids.new(), request_id=ids[1], at=closed, actor="system", before="received", after="closed", code="x"
    )
    with runtime.database.write() as session:
        session.add_all([*rows])
        session.flush()
        session.add(step)
    hold(runtime, officer, free, category="user.device")
    hold(runtime, officer, free, row=("privacy_requests", ids[0]))
    hold(runtime, officer, free, row=("privacy_request_events", step.id))
    assert {each.table: each.rows for each in due_rows(runtime)} == {"privacy_requests": 1}
    sweep(runtime, clock.now())
    with runtime.database.read() as session:
        assert set(session.scalars(select(PrivacyRequestRow.id))) == {ids[0], ids[1]}


@pytest.mark.parametrize("when", ["before", "meanwhile"])
def test_books_of_who_left_stay_while_a_row_of_them_is_held(
    runtime: Runtime, officer: SessionView, clock: FixedClock, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    gone = create_account(runtime, email="gone@example.org", password=PASSWORD, plan="pro")
    set_credits(runtime, gone, micros=5_000_000)
    with runtime.database.write() as session:
        session.execute(delete(find_table("accounts")).where(find_table("accounts").c.id == gone.id))
        movement = session.scalars(select(LedgerTransaction.id).where(LedgerTransaction.owner_id == gone.id)).first()
    assert movement is not None
    clock.advance(days=366 * 11)

    def place() -> None:
        hold(runtime, session_of(runtime, "dpo@example.org"), gone, row=("ledger_transactions", movement))

    def count() -> int:
        with runtime.database.read() as session:
            found = select(func.count()).select_from(LedgerTransaction).where(LedgerTransaction.owner_id == gone.id)
            return session.scalar(found) or 0

    before = count()
    with monkeypatch.context() as patch:
        if when == "before":
            place()
        else:
            real = books._newest
            patch.setattr(books, "_newest", lambda *args: (real(*args), place())[0])
        sweep(runtime, clock.now())
    assert count() == before > 0
    clock.advance(days=3)
    sweep(runtime, clock.now())
    assert count() == 0, "nobody signed it"
