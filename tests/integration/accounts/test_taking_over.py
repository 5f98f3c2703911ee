"""Ways to take an account over, or to stay in one, that were thought of and closed."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from sqlalchemy import delete, select, update

from core.accounts import authentication, second_factor
from core.accounts.addresses import ask_address_change, confirm_address, undo_address
from core.accounts.audit import list_acts, verify_audit
from core.accounts.authentication import sign_in
from core.accounts.commands import create_account, owner_link, set_up_owner
from core.accounts.domain import Account, SessionView
from core.accounts.invitations import invite
from core.accounts.models import AuditHead, AuditRow
from core.accounts.passwords import change_password, forget_password, reset_password
from core.accounts.queries import find_session, get_account, list_sessions, needs_setup
from core.accounts.registration import CODES_A_DAY, register, request_code
from core.accounts.roles import set_roles
from core.accounts.sessions import check_confirmed, sign_out_everywhere
from core.platform.keystore import DATA_KEYS
from core.platform.runtime import Runtime
from core.privacy.asking import ask
from core.privacy.commands import withdraw
from core.privacy.queries import open_erasure
from core.shared.errors import AppError, Conflict, Forbidden, InvalidInput, LimitExceeded
from tests.conftest import PASSWORD
from tests.integration.accounts.conftest import session_of
from tests.integration.accounts.test_second_factor import switched_on
from tests.support.clock import FixedClock
from tests.support.letters import code_in, last_letter, letters_to, token_in

OTHER = "seven purple submarines"
EVE, FURTHER = "eve@elsewhere.example", "eve.two@elsewhere.example"


def move(runtime: Runtime, present: str, to: str) -> None:
    ask_address_change(runtime, session_of(runtime, present), to)
    confirm_address(runtime, token_in(last_letter(runtime, to), "/auth/address/confirm"))


def test_the_form_of_a_new_password_confirms_nothing(runtime: Runtime, ada: Account, clock: FixedClock) -> None:
    """It asks for no second factor, so what asks for one must not take it for one."""
    app, _ = switched_on(runtime, ada, clock)
    token = sign_in(runtime, email=ada.email, password=PASSWORD, code=app.at(clock.now())).token
    clock.advance(minutes=11)

    def view() -> SessionView:
        found = find_session(runtime, token)
        assert found is not None
        return found

    with pytest.raises(InvalidInput):
        change_password(runtime, view(), current=PASSWORD, password=PASSWORD)
    change_password(runtime, view(), current=PASSWORD, password=OTHER)
    with pytest.raises(Forbidden):
        check_confirmed(runtime, view())


@pytest.mark.parametrize("way", ["reset", "change", "everywhere"])
def test_a_change_of_address_that_waits_ends_with_a_new_password(runtime: Runtime, ada: Account, way: str) -> None:
    here = session_of(runtime, ada.email)
    ask_address_change(runtime, here, EVE)
    link = token_in(last_letter(runtime, EVE), "/auth/address/confirm")
    if way == "reset":
        forget_password(runtime, email=ada.email)
        reset_password(runtime, token=token_in(last_letter(runtime, ada.email), "/auth/reset"), password=OTHER)
    elif way == "change":
        change_password(runtime, here, current=PASSWORD, password=OTHER)
    else:
        sign_out_everywhere(runtime, ada.id)
    with pytest.raises(Forbidden):
        confirm_address(runtime, link)


def test_the_owner_takes_a_change_back_whatever_was_changed_after_it(
    runtime: Runtime, ada: Account, clock: FixedClock
) -> None:
    move(runtime, ada.email, EVE)
    adas = token_in(last_letter(runtime, ada.email), "/auth/address/undo")
    clock.advance(minutes=5)
    eve = get_account(runtime, ada.id)
    switched_on(runtime, eve, clock)
    second_factor.switch_off(runtime, eve)
    move(runtime, EVE, FURTHER)
    eves = token_in(last_letter(runtime, EVE), "/auth/address/undo")
    undo_address(runtime, eves)
    undo_address(runtime, adas)
    assert get_account(runtime, ada.id).email == ada.email


def test_taking_a_change_back_ends_the_password_and_a_factor_set_up_since(
    runtime: Runtime, ada: Account, clock: FixedClock
) -> None:
    move(runtime, ada.email, EVE)
    undo = token_in(last_letter(runtime, ada.email), "/auth/address/undo")
    clock.advance(minutes=5)
    switched_on(runtime, get_account(runtime, ada.id), clock)
    undo_address(runtime, undo)
    assert not get_account(runtime, ada.id).has_second_factor and list_sessions(runtime, ada.id) == ()
    with pytest.raises(Forbidden):
        sign_in(runtime, email=ada.email, password=PASSWORD)
    forget_password(runtime, email=ada.email)
    reset_password(runtime, token=token_in(last_letter(runtime, ada.email), "/auth/reset"), password=OTHER)
    assert sign_in(runtime, email=ada.email, password=OTHER).account.id == ada.id


def test_an_operator_helps_who_lost_phone_and_codes(runtime: Runtime, ada: Account, clock: FixedClock) -> None:
    app, _ = switched_on(runtime, ada, clock)
    session_of(runtime, ada.email, code=app.at(clock.now()))
    assert second_factor.switch_off(runtime, ada, by_operator=True)
    assert list_sessions(runtime, ada.id) == () and not second_factor.switch_off(runtime, ada, by_operator=True)
    session_of(runtime, ada.email)
    assert list_acts(runtime, 1, act="second_factor.off").items[0].actor_id is None


def test_used_and_renewed_recovery_codes_are_told(runtime: Runtime, ada: Account, clock: FixedClock) -> None:
    _, codes = switched_on(runtime, ada, clock)
    session_of(runtime, ada.email, code=codes[0])
    second_factor.renew_codes(runtime, get_account(runtime, ada.id))
    subjects = [mail.subject for mail in letters_to(runtime, ada.email)]
    assert "Your recovery codes: 9 left" in subjects and "Your recovery codes: 10 left" in subjects


def test_a_password_replaced_while_it_was_checked_opens_no_session(
    runtime: Runtime, ada: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    forget_password(runtime, email=ada.email)
    link = token_in(last_letter(runtime, ada.email), "/auth/reset")
    matches = authentication.password_matches

    def meanwhile(runtime: Runtime, password: str, hashed: str | None) -> bool:
        found = matches(runtime, password, hashed)
        reset_password(runtime, token=link, password=OTHER)
        return found

    monkeypatch.setattr(authentication, "password_matches", meanwhile)
    with pytest.raises(Forbidden):
        sign_in(runtime, email=ada.email, password=PASSWORD)
    assert list_sessions(runtime, ada.id) == ()


def test_an_invitation_ends_with_the_role_of_who_made_it(runtime: Runtime, admin: SessionView) -> None:
    mallory = create_account(runtime, email="mallory@example.org", password=PASSWORD, roles=("admin",))
    link = invite(runtime, session_of(runtime, mallory.email), roles=("admin",)).split("invitation=")[1]
    set_roles(runtime, admin, mallory.id, ())
    request_code(runtime, email="again@example.org")
    code = code_in(last_letter(runtime, "again@example.org"))
    with pytest.raises(Forbidden):
        register(runtime, email="again@example.org", password=PASSWORD, code=code, invitation=link)


def test_an_invitation_is_used_once_also_by_two_at_once(runtime: Runtime, admin: SessionView) -> None:
    link = invite(runtime, admin).split("invitation=")[1]
    people = [f"new{number}@example.org" for number in range(4)]
    codes = {}
    for email in people:
        request_code(runtime, email=email)
        codes[email] = code_in(last_letter(runtime, email))
    together = Barrier(len(people), timeout=30)

    def come_in(email: str) -> bool:
        together.wait()
        try:
            register(runtime, email=email, password=PASSWORD, code=codes[email], invitation=link)
        except Forbidden:
            return False
        return True

    with ThreadPoolExecutor(len(people)) as pool:
        assert list(pool.map(come_in, people)).count(True) == 1


def test_an_address_gets_a_number_of_codes_a_day_and_no_more_mail(runtime: Runtime, clock: FixedClock) -> None:
    clock.moment = clock.moment.replace(hour=0)
    for number in range(CODES_A_DAY):
        request_code(runtime, email=EVE)
        if number < 5:
            with pytest.raises(LimitExceeded) as soon:
                request_code(runtime, email=EVE)
            assert soon.value.code == "CODE_JUST_SENT", "which is not counted"
        assert len(letters_to(runtime, EVE)) == number + 1
        clock.advance(seconds=61)
    with pytest.raises(LimitExceeded) as enough:
        request_code(runtime, email=EVE)
    assert enough.value.code == "RATE_LIMITED" and len(letters_to(runtime, EVE)) == CODES_A_DAY


def test_who_signs_up_first_does_not_end_the_set_up(runtime: Runtime) -> None:
    link = owner_link(runtime)
    assert link is not None
    request_code(runtime, email=EVE)
    register(runtime, email=EVE, password=PASSWORD, code=code_in(last_letter(runtime, EVE)))
    assert needs_setup(runtime) and owner_link(runtime) is not None
    link = owner_link(runtime)
    assert link is not None
    owner = set_up_owner(runtime, token=link.split("token=")[1], email="root@example.org", password=PASSWORD)
    assert owner.is_admin and not needs_setup(runtime) and owner_link(runtime) is None


def test_a_failed_registration_leaves_no_key_behind(runtime: Runtime, ada: Account) -> None:
    def keys() -> int:
        with runtime.vault._keys._engine.connect() as connection:
            return len(connection.execute(select(DATA_KEYS.c.subject_id)).all())

    before = keys()
    for act in (
        lambda: register(runtime, email=EVE, password=PASSWORD, code="000000"),
        lambda: create_account(runtime, email=ada.email, password=PASSWORD),
        lambda: set_up_owner(runtime, token="x", email=EVE, password=PASSWORD),
    ):
        with pytest.raises(AppError):
            act()
    assert keys() == before


def test_admins_who_leave_at_once_wait_for_each_other_and_one_stays(runtime: Runtime) -> None:
    emails = [f"admin{number}@example.org" for number in range(4)]
    for email in emails:
        create_account(runtime, email=email, password=PASSWORD, roles=("admin",))
    views = [session_of(runtime, email) for email in emails]
    for _ in range(4):
        together = Barrier(len(views), timeout=30)

        def leave(view: SessionView) -> bool:
            together.wait()  # noqa: B023
            try:
                ask(runtime, view, "erasure")
            except Conflict as last:
                assert last.code == "LAST_ADMIN"
                return False
            return True

        with ThreadPoolExecutor(len(views)) as pool:
            left = list(pool.map(leave, views))
        assert left.count(True) == len(views) - 1
        for view, gone in zip(views, left, strict=True):
            if gone:
                asked = open_erasure(runtime, view.account.id)
                assert asked is not None
                withdraw(runtime, view, asked.id)


def test_the_end_of_the_log_cannot_be_cut_off_with_its_mark(runtime: Runtime, ada: Account, admin: SessionView) -> None:
    set_roles(runtime, admin, ada.id, ("accounting",))
    assert verify_audit(runtime).problems == ()
    with runtime.database.write() as session:
        last = (session.scalar(select(AuditHead.seq)) or 0) - 1
        kept = session.scalar(select(AuditRow.hash).where(AuditRow.seq == last))
        session.execute(delete(AuditRow).where(AuditRow.seq > last))
        session.execute(update(AuditHead).values(seq=last, hash=kept))
    assert verify_audit(runtime).problems != ()
    with runtime.database.write() as session:
        session.execute(delete(AuditRow))
        session.execute(delete(AuditHead))
    assert verify_audit(runtime).problems != ()
