"""Who may give roles, that one admin remains, and a log that cannot be altered unseen."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import text

from core.accounts.api_keys import create_api_key, delete_api_key
from core.accounts.audit import ACTS, list_acts, record_act, verify_audit
from core.accounts.automation import pause_automation, resume_automation, set_key_cap
from core.accounts.commands import create_account, delete_own_key, delete_secret, save_own_key, set_secret
from core.accounts.domain import Account, SessionView
from core.accounts.passwords import set_password
from core.accounts.queries import get_account
from core.accounts.roles import set_roles
from core.credits.commands import set_credits
from core.platform.runtime import Runtime
from core.shared.errors import Conflict, Forbidden, InvalidInput, InvariantViolated, NotFound
from tests.conftest import PASSWORD
from tests.integration.accounts.conftest import session_of
from tests.support.clock import FixedClock


def test_an_admin_gives_and_takes_roles(runtime: Runtime, ada: Account, admin: SessionView, clock: FixedClock) -> None:
    set_roles(runtime, admin, ada.id, ("privacy_admin", "privacy_admin"))
    assert get_account(runtime, ada.id).roles == {"privacy_admin"}
    set_roles(runtime, admin, ada.id, ())
    assert get_account(runtime, ada.id).roles == frozenset()
    with pytest.raises(InvalidInput):
        set_roles(runtime, admin, ada.id, ("god",))
    with pytest.raises(NotFound):
        set_roles(runtime, admin, "nobody", ("admin",))
    clock.advance(minutes=11)
    with pytest.raises(Forbidden) as stale:
        set_roles(runtime, admin, ada.id, ("admin",))
    assert stale.value.code == "CONFIRM_PASSWORD"


def test_nobody_else_gives_roles(runtime: Runtime, ada: Account) -> None:
    view = session_of(runtime, ada.email)
    with pytest.raises(Forbidden):
        set_roles(runtime, view, ada.id, ("admin",))
    create_account(runtime, email="dpo@example.org", password=PASSWORD, roles=("privacy_admin", "accounting"))
    with pytest.raises(Forbidden):
        set_roles(runtime, session_of(runtime, "dpo@example.org"), ada.id, ("admin",))


def test_the_last_admin_remains(runtime: Runtime, ada: Account, admin: SessionView) -> None:
    with pytest.raises(Conflict) as last:
        set_roles(runtime, admin, admin.account.id, ("accounting",))
    assert last.value.code == "LAST_ADMIN" and get_account(runtime, admin.account.id).is_admin
    set_roles(runtime, admin, ada.id, ("admin",))
    set_roles(runtime, admin, admin.account.id, ())
    assert get_account(runtime, ada.id).is_admin and not get_account(runtime, admin.account.id).is_admin


def test_two_admins_who_remove_each_other_do_not_both_succeed(
    runtime: Runtime, ada: Account, admin: SessionView
) -> None:
    for _ in range(5):
        set_roles(runtime, admin, ada.id, ("admin",))
        set_roles(runtime, admin, admin.account.id, ("admin",))
        other = session_of(runtime, ada.email)

        def remove(pair: tuple[SessionView, str]) -> bool:
            try:
                set_roles(runtime, pair[0], pair[1], ())
            except Conflict:
                return False
            return True

        with ThreadPoolExecutor(2) as pool:
            done = list(pool.map(remove, [(admin, ada.id), (other, admin.account.id)]))
        remaining = [id for id in (ada.id, admin.account.id) if get_account(runtime, id).is_admin]
        assert done.count(True) == 1 and len(remaining) == 1
        if remaining == [ada.id]:
            set_roles(runtime, session_of(runtime, ada.email), admin.account.id, ("admin",))


def test_acts_are_logged_by_ids_only_and_the_chain_holds(runtime: Runtime, ada: Account, admin: SessionView) -> None:
    set_roles(runtime, admin, ada.id, ("accounting",))
    set_password(runtime, email=ada.email, password="seven purple submarines")
    acts = list_acts(runtime, 50, account_id=ada.id).items
    assert [act.act for act in acts] == ["password.set", "account.roles_changed", "account.made"]
    assert acts[1].actor_id == admin.account.id and acts[1].details == {"before": "", "after": "accounting"}
    proof = verify_audit(runtime)
    assert proof.problems == () and proof.rows >= 4
    with runtime.database.read() as session:
        stored = str(session.execute(text("SELECT * FROM audit_log")).all())
    assert "example.org" not in stored and "Ada" not in stored


def test_pages_of_the_log_do_not_overlap(runtime: Runtime, ada: Account) -> None:
    for number in range(7):
        with runtime.database.write() as session:
            record_act(runtime, session, "job.started_by_hand", actor_id=ada.id, number=number)
    first = list_acts(runtime, 4)
    second = list_acts(runtime, 4, first.next_cursor)
    seen = [act.seq for act in (*first.items, *second.items)]
    assert seen == sorted(set(seen), reverse=True) and len(seen) == 8 == verify_audit(runtime).rows


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE audit_log SET actor_id = 'somebody else' WHERE seq = 2",
        "UPDATE audit_log SET details = '{}' WHERE seq = 2",
        "UPDATE audit_log SET act = 'account.made' WHERE seq = 2",
        "DELETE FROM audit_log WHERE seq = 2",
        "DELETE FROM audit_log WHERE seq = (SELECT max(seq) FROM audit_log)",
        "DELETE FROM audit_log",
        "UPDATE audit_head SET seq = seq - 1",
        "DELETE FROM audit_head",
        "INSERT INTO audit_log (seq, at, act, details, hash) SELECT 99, at, act, details, hash FROM audit_log "
        "WHERE seq = 1",
        "UPDATE audit_log SET seq = seq + 100 WHERE seq = 3",
    ],
)
def test_an_altered_log_is_found(runtime: Runtime, ada: Account, damage: str) -> None:
    for number in range(3):
        with runtime.database.write() as session:
            record_act(runtime, session, "job.started_by_hand", actor_id=ada.id, number=number)
    assert verify_audit(runtime).problems == ()
    with runtime.database.write() as session:
        session.execute(text(damage))
    assert verify_audit(runtime).problems != ()


def test_writers_at_once_make_one_chain(runtime: Runtime, ada: Account) -> None:
    def write(number: int) -> None:
        with runtime.database.write() as session:
            record_act(runtime, session, "job.started_by_hand", actor_id=ada.id, number=number)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, range(40)))
    proof = verify_audit(runtime)
    assert proof.problems == () and proof.rows == 41


def test_an_act_that_is_not_declared_is_refused(runtime: Runtime) -> None:
    with pytest.raises(InvariantViolated), runtime.database.write() as session:
        record_act(runtime, session, "something.else", actor_id=None)


def test_keys_secrets_and_credits_leave_their_marks(runtime: Runtime, ada: Account) -> None:
    key = create_api_key(runtime, ada, "Nightly", ["pipelines:read"]).view
    set_key_cap(runtime, ada.id, key.id, 5_000_000)
    delete_api_key(runtime, ada.id, key.id)
    save_own_key(runtime, ada.id, "anthropic", "sk-ant-own-key-1")
    delete_own_key(runtime, ada.id, "anthropic")
    delete_own_key(runtime, ada.id, "anthropic")
    set_secret(runtime, ada.id, "WEATHER_KEY", "a secret value")
    delete_secret(runtime, ada.id, "WEATHER_KEY")
    pause_automation(runtime, ada.id)
    pause_automation(runtime, ada.id)
    resume_automation(runtime, ada.id)
    set_credits(runtime, ada, micros=7_000_000)
    acts = [act.act for act in list_acts(runtime, 50, account_id=ada.id).items][::-1]
    assert acts == [
        "account.made", "api_key.made", "api_key.cap_changed", "api_key.deleted", "own_key.saved", "own_key.deleted",
        "secret.saved", "secret.deleted", "automation.paused", "automation.resumed", "credits.set",
    ]  # fmt: skip
    assert set(acts) <= set(ACTS) and verify_audit(runtime).problems == ()
    with runtime.database.read() as session:
        stored = str(session.execute(text("SELECT * FROM audit_log")).all())
    assert "WEATHER" not in stored and "Nightly" not in stored and "sk-ant" not in stored
