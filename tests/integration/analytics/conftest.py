"""People whose use is counted, and an admin who asks."""

from collections.abc import Callable

import pytest

from core.accounts.authentication import sign_in
from core.accounts.commands import create_account
from core.accounts.domain import SessionView
from core.accounts.queries import find_session
from core.platform.runtime import Runtime
from tests.conftest import PASSWORD


@pytest.fixture
def admin_of() -> Callable[[Runtime, str], SessionView]:
    """Make an admin, signed in."""

    def make(runtime: Runtime, name: str = "root", *roles: str) -> SessionView:
        email = f"{name}@example.org"
        create_account(runtime, email=email, password=PASSWORD, roles=roles or ("admin",))
        view = find_session(runtime, sign_in(runtime, email=email, password=PASSWORD).token)
        assert view is not None
        return view

    return make
