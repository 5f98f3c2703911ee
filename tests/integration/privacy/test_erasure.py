"""Erasing a person: to the end, whatever comes in between, and nobody else with them."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from core.accounts.audit import verify_audit
from core.accounts.commands import create_account
from core.accounts.domain import Account
from core.accounts.queries import find_account, list_accounts
from core.credits.commands import grant_month
from core.credits.queries import verify_ledger
from core.platform.runtime import Runtime
from core.privacy.advance import LEASE, advance_request
from core.privacy.erasure.certificates import verify_certificates
from core.privacy.erasure.commands import begin_erasure
from core.privacy.erasure.models import ErasureRow
from core.privacy.erasure.rows import left_rows
from core.privacy.models import PrivacyRequestRow
from tests.conftest import PASSWORD
from tests.support.clock import FixedClock

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
