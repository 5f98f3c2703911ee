"""A suspended account: nobody signs in, no key works, nothing new begins, what had begun goes on, and rights stay."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import select

from core.accounts.api_keys import create_api_key, find_key_holder, key_lives
from core.accounts.audit import list_acts
from core.accounts.authentication import finish_sign_in, sign_in
from core.accounts.domain import Account, SessionView
from core.accounts.models import AccountRow
from core.accounts.people import get_person
from core.accounts.queries import find_session
from core.accounts.roles import set_roles
from core.accounts.standing import standing_of
from core.accounts.suspension import end_suspension, suspend, suspension_reason
from core.platform.mail.queries import list_mails
from core.platform.runtime import Runtime
from core.privacy.by_form import ask_by_form
from core.shared.errors import AppError, Conflict, Forbidden, InvalidInput, NotFound
from tests.conftest import PASSWORD
from tests.integration.accounts.conftest import session_of
from tests.integration.accounts.test_second_factor import switched_on
from tests.support.clock import FixedClock

REASON = "Thousands of sign-ups from one network since Monday."


def code_of(call: object, *args: object, **more: object) -> str:
    with pytest.raises(AppError) as refused:
        call(*args, **more)  # type: ignore[operator]
    return refused.value.code


def test_every_way_in_is_closed(runtime: Runtime, ada: Account, admin: SessionView) -> None:
    token = sign_in(runtime, email=ada.email, password=PASSWORD).token
    key = create_api_key(runtime, ada, name="ci", scopes=("pipelines:read",)).key
    assert suspend(runtime, admin, ada.id, REASON) == 1
    assert find_session(runtime, token) is None
    assert code_of(sign_in, runtime, email=ada.email, password=PASSWORD) == "ACCOUNT_SUSPENDED"
    assert code_of(sign_in, runtime, email=ada.email, password="wrong") == "INVALID_CREDENTIALS", (
        "told to its owner only"
    )
    assert code_of(find_key_holder, runtime, key) == "ACCOUNT_SUSPENDED" and not key_lives(runtime, key)
    assert get_person(runtime, ada.id).standing == "suspended"


def test_it_is_written_down_and_the_person_is_told_why(runtime: Runtime, ada: Account, admin: SessionView) -> None:
    suspend(runtime, admin, ada.id, REASON)
    assert suspend(runtime, admin, ada.id, "Another reason that comes too late.") == 0
    (act,) = list_acts(runtime, 10, act="account.suspended").items
    assert (act.actor_id, act.subject_id) == (admin.account.id, ada.id) and REASON not in str(act.details)
    assert [each.kind for each in list_mails(runtime).items if each.account_id == ada.id] == ["account_suspended"]
    assert suspension_reason(runtime, ada.id) == REASON
    with runtime.database.read() as session:
        sealed = session.scalar(select(AccountRow.suspension_reason).where(AccountRow.id == ada.id))
    assert sealed is not None and REASON.encode() not in sealed


def test_it_ends_and_everything_works_again(runtime: Runtime, ada: Account, admin: SessionView) -> None:
    key = create_api_key(runtime, ada, name="ci", scopes=("pipelines:read",)).key
    suspend(runtime, admin, ada.id, REASON)
    end_suspension(runtime, admin, ada.id)
    end_suspension(runtime, admin, ada.id)
    assert sign_in(runtime, email=ada.email, password=PASSWORD).account.id == ada.id and key_lives(runtime, key)
    assert suspension_reason(runtime, ada.id) == "" and standing_of(runtime, ada.id).may_start
    assert len(list_acts(runtime, 10, act="account.suspension_ended").items) == 1


def test_who_may_not(runtime: Runtime, ada: Account, admin: SessionView, clock: FixedClock) -> None:
    mine = session_of(runtime, ada.email)
    assert code_of(suspend, runtime, mine, admin.account.id, REASON) == "NOT_ADMIN"
    assert code_of(end_suspension, runtime, mine, ada.id) == "NOT_ADMIN"
    assert code_of(suspend, runtime, admin, admin.account.id, REASON) == "OWN_ACCOUNT"
    for none in ("", "   short   ", "x" * 1_001):
        with pytest.raises(InvalidInput):
            suspend(runtime, admin, ada.id, none)
    with pytest.raises(NotFound):
        suspend(runtime, admin, "nobody", REASON)
    clock.advance(minutes=11)
    assert code_of(suspend, runtime, admin, ada.id, REASON) == "CONFIRM_PASSWORD"
    assert standing_of(runtime, ada.id).suspended_at is None


def test_a_suspended_admin_is_no_admin_that_remains(runtime: Runtime, ada: Account, admin: SessionView) -> None:
    set_roles(runtime, admin, ada.id, ("admin",))
    suspend(runtime, admin, ada.id, REASON)
    with pytest.raises(Conflict) as last:
        set_roles(runtime, admin, admin.account.id, ())
    assert last.value.code == "LAST_ADMIN"


def test_two_admins_who_suspend_each_other_do_not_both_succeed(
    runtime: Runtime, ada: Account, admin: SessionView
) -> None:
    for _ in range(4):
        set_roles(runtime, admin, ada.id, ("admin",))
        other = session_of(runtime, ada.email)

        def act(pair: tuple[SessionView, str]) -> bool:
            try:
                suspend(runtime, pair[0], pair[1], REASON)
            except AppError:
                return False
            return True

        with ThreadPoolExecutor(2) as pool:
            done = list(pool.map(act, [(admin, ada.id), (other, admin.account.id)]))
        assert done.count(True) == 1
        left, gone = (admin, ada.id) if done[0] else (other, admin.account.id)
        end_suspension(runtime, left, gone)
        admin = session_of(runtime, "root@example.org")


def test_the_second_half_of_a_sign_in_is_refused_too(
    runtime: Runtime, ada: Account, admin: SessionView, clock: FixedClock
) -> None:
    codes, _ = switched_on(runtime, ada, clock)
    with pytest.raises(Forbidden) as asked:
        sign_in(runtime, email=ada.email, password=PASSWORD)
    suspend(runtime, admin, ada.id, REASON)
    clock.advance(seconds=40)
    challenge, code = asked.value.context["challenge"], codes.at(clock.now())
    assert code_of(finish_sign_in, runtime, challenge=challenge, code=code) == "ACCOUNT_SUSPENDED"


def test_rights_are_used_without_signing_in(runtime: Runtime, ada: Account, admin: SessionView) -> None:
    suspend(runtime, admin, ada.id, REASON)
    ask_by_form(runtime, email=ada.email, right="access")
    assert "privacy_identity" in [each.kind for each in list_mails(runtime).items if each.account_id == ada.id]


def test_who_is_leaving_is_not_suspended(runtime: Runtime, ada: Account, admin: SessionView) -> None:
    with runtime.database.write() as session:
        session.get_one(AccountRow, ada.id).closing_at = runtime.clock.now()
    assert code_of(suspend, runtime, admin, ada.id, REASON) == "ACCOUNT_CLOSING"


def test_a_sign_in_that_came_through_beside_it_is_none(runtime: Runtime, ada: Account) -> None:
    token = sign_in(runtime, email=ada.email, password=PASSWORD).token
    with runtime.database.write() as session:
        session.get_one(AccountRow, ada.id).suspended_at = runtime.clock.now()
    assert find_session(runtime, token) is None
