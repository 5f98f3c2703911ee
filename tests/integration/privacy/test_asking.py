"""Asking for the deletion of one's account, and taking it back."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from core.accounts.audit import list_acts
from core.accounts.automation import automation_paused_at
from core.accounts.commands import create_account
from core.accounts.queries import list_sessions
from core.platform.runtime import Runtime
from core.privacy.commands import ask_erasure, withdraw_erasure
from core.privacy.queries import open_erasure, open_requests
from core.shared.errors import Conflict, Forbidden, NotFound
from tests.conftest import PASSWORD
from tests.integration.accounts.conftest import session_of
from tests.support.clock import FixedClock
from tests.support.letters import last_letter


@pytest.fixture
def runtime(runtime_with: Callable[..., Runtime], database_settings: dict[str, str], clock: FixedClock) -> Runtime:
    return runtime_with(clock=clock, **database_settings)


def test_a_request_has_its_date_its_mail_and_its_effects(runtime: Runtime, clock: FixedClock) -> None:
    create_account(runtime, email="ada@example.org", password=PASSWORD)
    here, _there = session_of(runtime, "ada@example.org"), session_of(runtime, "ada@example.org")
    asked = ask_erasure(runtime, here)
    assert (asked.right, asked.status, f"{asked.due_at:%Y-%m-%d}") == ("erasure", "verified", "2027-02-28")
    assert [view.id for view in list_sessions(runtime, here.account.id)] == [here.id]
    assert automation_paused_at(runtime, here.account.id) == clock.now()
    mail = last_letter(runtime, "ada@example.org")
    assert "We received your request" in mail.subject and "2027-02-28" in mail.text
    assert open_requests(runtime) == (asked,)
    acts = {act.act for act in list_acts(runtime, 10, account_id=here.account.id).items}
    assert {"account.deletion_asked", "automation.paused"} <= acts
    withdraw_erasure(runtime, here)
    assert open_erasure(runtime, here.account.id) is None and open_requests(runtime) == ()
    with pytest.raises(NotFound):
        withdraw_erasure(runtime, here)


def test_it_is_asked_once_however_often_it_is_clicked(runtime: Runtime) -> None:
    create_account(runtime, email="ada@example.org", password=PASSWORD)
    here = session_of(runtime, "ada@example.org")

    def ask(_: int) -> bool:
        try:
            ask_erasure(runtime, here)
        except Conflict as again:
            assert again.code == "ERASURE_ASKED"
            return False
        return True

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(ask, range(4))).count(True) == 1
    assert len(open_requests(runtime)) == 1


def test_the_password_is_asked_for_and_the_last_admin_stays(runtime: Runtime, clock: FixedClock) -> None:
    create_account(runtime, email="root@example.org", password=PASSWORD, roles=("admin",))
    create_account(runtime, email="ada@example.org", password=PASSWORD)
    root, ada = session_of(runtime, "root@example.org"), session_of(runtime, "ada@example.org")
    with pytest.raises(Conflict) as last:
        ask_erasure(runtime, root)
    assert last.value.code == "LAST_ADMIN"
    clock.advance(minutes=11)
    with pytest.raises(Forbidden) as stale:
        ask_erasure(runtime, ada)
    assert stale.value.code == "CONFIRM_PASSWORD" and open_requests(runtime) == ()
