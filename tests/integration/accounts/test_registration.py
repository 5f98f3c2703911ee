"""Making an account with a mailed code, by policy and invitation, and what it does not tell strangers."""

import pytest
from sqlalchemy import text

from core.accounts.commands import create_account
from core.accounts.domain import Account, SessionView
from core.accounts.invitations import invite, list_invitations, revoke_invitation
from core.accounts.queries import find_account, find_session
from core.accounts.registration import CODE_TRIES, register, request_code
from core.platform.runtime import Runtime
from core.shared.errors import Forbidden, InvalidInput, LimitExceeded, NotFound
from tests.conftest import PASSWORD
from tests.integration.accounts.conftest import Installation, session_of
from tests.support.clock import FixedClock
from tests.support.letters import code_in, last_letter, letters_to, token_in

NEW = "grace@example.org"


def code_for(runtime: Runtime, email: str = NEW, **more: str) -> str:
    assert request_code(runtime, email=email, **more) == 600
    return code_in(last_letter(runtime, email))


def test_a_mailed_code_makes_an_account_once(runtime: Runtime) -> None:
    code = code_for(runtime)
    signed_in = register(
        runtime, email="Grace@Example.org", password=PASSWORD, code=f" {code[:3]} {code[3:]} ", name="G"
    )
    account = signed_in.account
    assert (account.email, account.plan, account.roles, account.name) == (NEW, "free", frozenset(), "G")
    found = find_session(runtime, signed_in.token)
    assert found is not None and found.account.id == account.id
    with pytest.raises(InvalidInput) as again:
        register(runtime, email=NEW, password=PASSWORD, code=code)
    assert again.value.code == "INVALID_CODE"


def test_the_code_is_mailed_in_the_language_asked_for(runtime: Runtime) -> None:
    code = code_for(runtime, language="fr")
    assert "Confirmez votre adresse" in last_letter(runtime, NEW).html
    assert register(runtime, email=NEW, password=PASSWORD, code=code, language="fr").account.language == "fr"


def test_a_known_address_gets_the_same_answer_and_a_mail_to_its_owner(runtime: Runtime, ada: Account) -> None:
    assert request_code(runtime, email=ada.email) == request_code(runtime, email=NEW)
    told = last_letter(runtime, ada.email)
    assert "have an account already" in told.subject and "/auth/forgot" in told.text
    # Whatever is tried, there is no code that would register it, and the answer is that of a wrong code.
    for code in ("000000", "123456"):
        with pytest.raises(InvalidInput) as refused:
            register(runtime, email=ada.email, password=PASSWORD, code=code)
        assert refused.value.code == "INVALID_CODE"


@pytest.mark.parametrize("email", ["ada@example.org", NEW])
def test_a_second_code_within_a_minute_is_refused_alike(
    runtime: Runtime, ada: Account, clock: FixedClock, email: str
) -> None:
    request_code(runtime, email=email)
    clock.advance(seconds=20)
    with pytest.raises(LimitExceeded) as slowed:
        request_code(runtime, email=email.upper())
    assert slowed.value.code == "CODE_JUST_SENT" and slowed.value.retry_after == 40
    assert len(letters_to(runtime, email)) == 1
    clock.advance(seconds=40)
    request_code(runtime, email=email)
    assert len(letters_to(runtime, email)) == 2


def test_a_code_ends_after_ten_minutes(runtime: Runtime, clock: FixedClock) -> None:
    code = code_for(runtime)
    clock.advance(seconds=600)
    with pytest.raises(InvalidInput):
        register(runtime, email=NEW, password=PASSWORD, code=code)
    assert find_account(runtime, NEW) is None


def test_a_code_can_be_tried_five_times_and_a_newer_one_replaces_it(runtime: Runtime, clock: FixedClock) -> None:
    code = code_for(runtime)
    wrong = f"{(int(code) + 1) % 1_000_000:06d}"
    for _ in range(CODE_TRIES):
        with pytest.raises(InvalidInput):
            register(runtime, email=NEW, password=PASSWORD, code=wrong)
    with pytest.raises(InvalidInput):
        register(runtime, email=NEW, password=PASSWORD, code=code)
    clock.advance(minutes=2)
    newer = code_for(runtime)
    assert register(runtime, email=NEW, password=PASSWORD, code=newer).account.email == NEW


def test_a_code_of_one_address_proves_no_other(runtime: Runtime) -> None:
    code = code_for(runtime)
    request_code(runtime, email="other@example.org")
    with pytest.raises(InvalidInput):
        register(runtime, email="other@example.org", password=PASSWORD, code=code)


def test_a_weak_password_uses_no_try_up(runtime: Runtime) -> None:
    code = code_for(runtime)
    for _ in range(CODE_TRIES + 1):
        with pytest.raises(InvalidInput) as weak:
            register(runtime, email=NEW, password="password", code=code)
        assert weak.value.code == "WEAK_PASSWORD" and len(weak.value.message) > 60, "it says what would be better"
    assert register(runtime, email=NEW, password=PASSWORD, code=code).account.email == NEW


def test_one_client_cannot_have_mails_sent_to_everybody(runtime: Runtime) -> None:
    with pytest.raises(LimitExceeded):
        for number in range(100):
            request_code(runtime, email=f"somebody{number}@example.org", client_host="192.0.2.7")
    request_code(runtime, email="elsewhere@example.org", client_host="198.51.100.9")


def test_nothing_of_an_address_or_code_is_stored_readable(runtime: Runtime) -> None:
    code = code_for(runtime)
    with runtime.database.read() as session:
        rows = session.execute(text("SELECT email_index, code_hash FROM sign_up_codes")).all()
    stored = b"".join(bytes(value) for row in rows for value in row)
    assert rows and b"grace" not in stored and code.encode() not in stored


def test_a_closed_installation_takes_nobody(installation: Installation) -> None:
    runtime = installation(signup="closed")
    for act in (
        lambda: request_code(runtime, email=NEW),
        lambda: register(runtime, email=NEW, password=PASSWORD, code="123456", invitation="x"),
    ):
        with pytest.raises(Forbidden) as closed:
            act()
        assert closed.value.code == "SIGNUP_CLOSED"


def test_by_invitation_only_the_invited_come_in_once(installation: Installation) -> None:
    runtime = installation()
    create_account(runtime, email="root@example.org", password=PASSWORD, roles=("admin",))
    by = session_of(runtime, "root@example.org")
    code = code_for(runtime)
    with pytest.raises(Forbidden) as uninvited:
        register(runtime, email=NEW, password=PASSWORD, code=code)
    assert uninvited.value.code == "INVITATION_NEEDED"
    link = invite(runtime, by, email=NEW, plan="pro", roles=("accounting",))
    token = token_in(last_letter(runtime, NEW), "/auth/register")
    assert link.endswith(token) and list_invitations(runtime).items[0].email == NEW
    with pytest.raises(Forbidden) as other:
        register(runtime, email="other@example.org", password=PASSWORD, code=code, invitation=token)
    assert other.value.code == "INVITATION_INVALID"
    account = register(runtime, email=NEW, password=PASSWORD, code=code, invitation=token).account
    assert (account.plan, account.roles) == ("pro", frozenset({"accounting"}))
    assert list_invitations(runtime).items == ()
    with pytest.raises(Forbidden):
        register(runtime, email=NEW, password=PASSWORD, code=code, invitation=token)


def test_an_invitation_can_be_taken_back_and_ends_after_a_week(
    runtime: Runtime, admin: SessionView, clock: FixedClock
) -> None:
    first = invite(runtime, admin).split("invitation=")[1]
    second = invite(runtime, admin).split("invitation=")[1]
    revoke_invitation(runtime, admin, list_invitations(runtime).items[1].id)
    code = code_for(runtime)
    with pytest.raises(Forbidden):
        register(runtime, email=NEW, password=PASSWORD, code=code, invitation=first)
    with pytest.raises(NotFound):
        revoke_invitation(runtime, admin, "no-such-id")
    clock.advance(days=7)
    code = code_for(runtime)
    with pytest.raises(Forbidden):
        register(runtime, email=NEW, password=PASSWORD, code=code, invitation=second)


def test_only_admins_invite_and_roles_ask_for_the_password(
    runtime: Runtime, ada: Account, admin: SessionView, clock: FixedClock
) -> None:
    with pytest.raises(Forbidden) as refused:
        invite(runtime, session_of(runtime, ada.email))
    assert refused.value.code == "NOT_ADMIN"
    clock.advance(minutes=11)
    invite(runtime, admin)
    with pytest.raises(Forbidden) as stale:
        invite(runtime, admin, roles=("admin",))
    assert stale.value.code == "CONFIRM_PASSWORD"
