"""People, a clock that is set, and the mails they get, on both databases."""

from collections.abc import Callable
from typing import Any

import pytest

from core.accounts.authentication import sign_in
from core.accounts.commands import create_account
from core.accounts.domain import ROLES, Account, SessionView
from core.accounts.queries import find_session
from core.platform.runtime import Runtime
from tests.conftest import PASSWORD
from tests.support.clock import FixedClock

Installation = Callable[..., Runtime]


@pytest.fixture
def installation(
    runtime_with: Callable[..., Runtime], database_settings: dict[str, str], clock: FixedClock
) -> Installation:
    """Make a Runtime with that clock and these settings."""

    def make(**values: Any) -> Runtime:
        return runtime_with(clock=clock, **{**database_settings, **values})

    return make


@pytest.fixture
def runtime(installation: Installation) -> Runtime:
    """An installation that everybody may sign up at."""
    return installation(signup="open")


@pytest.fixture
def ada(runtime: Runtime) -> Account:
    """A person without roles."""
    return create_account(runtime, email="ada@example.org", password=PASSWORD, name="Ada")


@pytest.fixture
def admin(runtime: Runtime) -> SessionView:
    """The sign-in of an admin who has just entered the password."""
    create_account(runtime, email="root@example.org", password=PASSWORD, roles=ROLES)
    return session_of(runtime, "root@example.org")


def session_of(runtime: Runtime, email: str, password: str = PASSWORD, **more: Any) -> SessionView:
    """Sign in, and look the session up."""
    found = find_session(runtime, sign_in(runtime, email=email, password=password, **more).token)
    assert found is not None
    return found
