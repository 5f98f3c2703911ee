"""People, privacy admins and a clock that is set, on both databases."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from core.accounts.commands import create_account
from core.accounts.domain import SessionView
from core.platform.runtime import Runtime
from tests.conftest import PASSWORD
from tests.integration.accounts.conftest import session_of
from tests.support.clock import FixedClock

REASON = "The figures were checked against the invoices."


@pytest.fixture
def runtime(runtime_with: Callable[..., Runtime], database_settings: dict[str, str], clock: FixedClock) -> Runtime:
    return runtime_with(clock=clock, **database_settings)


@pytest.fixture
def no_other_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """No other process has keys in memory, so nothing waits until they are gone from there."""
    monkeypatch.setattr("core.privacy.erasure.ending.HELD", timedelta(0))


@pytest.fixture
def ada(runtime: Runtime) -> SessionView:
    """Somebody who has just entered the password."""
    create_account(runtime, email="ada@example.org", password=PASSWORD, name="Ada")
    return session_of(runtime, "ada@example.org")


@pytest.fixture
def grace(runtime: Runtime) -> SessionView:
    """A privacy admin."""
    return privacy_admin(runtime, "grace@example.org")


def privacy_admin(runtime: Runtime, email: str) -> SessionView:
    """One more privacy admin, the password just entered."""
    create_account(runtime, email=email, password=PASSWORD, roles=("privacy_admin",))
    return session_of(runtime, email)
