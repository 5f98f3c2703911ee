"""A legal hold keeps what it names, from the moment it is placed until it ends, and nobody else's."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select

from core.accounts.audit import list_acts
from core.accounts.commands import create_account
from core.accounts.domain import Account, SessionView
from core.credits.commands import grant_month
from core.platform.runtime import Runtime
from core.privacy.erasure.commands import begin_erasure, carry_out
from core.privacy.inventory import find_table
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
