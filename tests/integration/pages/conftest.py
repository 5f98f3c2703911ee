"""Pages on a real core: a prepared SQLite Runtime, a signed-in person, and AppTest."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, sleep

import pytest
from streamlit.runtime.context import ContextProxy
from streamlit.testing.v1 import AppTest

from core.accounts.authentication import sign_in
from core.accounts.commands import create_account
from core.accounts.domain import Account, cookie_name
from core.accounts.provider_notices import note_terms_seen
from core.bootstrap import set_runtime
from core.execution.domain import ACTIVE
from core.execution.queries import run_status
from core.platform.runtime import Runtime
from pages.ui.interruptions import let_callbacks_end
from tests.conftest import PASSWORD

SHELL = Path(__file__).resolve().parents[3] / "pages" / "shell.py"
TIMEOUT = 20
let_callbacks_end()  # as the app does


@dataclass
class Person:
    """Somebody signed in; `cookies` is what their browser sends."""

    runtime: Runtime
    account: Account
    token: str
    cookies: dict[str, str]


@pytest.fixture
def person(sqlite_runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> Iterator[Person]:
    """Ada, signed in, on the plan without limits."""
    yield sign_in_person(sqlite_runtime, monkeypatch, roles=())
    set_runtime(None)


@pytest.fixture
def admin(sqlite_runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> Iterator[Person]:
    """Ada as an admin."""
    yield sign_in_person(sqlite_runtime, monkeypatch, roles=("admin",))
    set_runtime(None)


def sign_in_person(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch, *, roles: tuple[str, ...] = (), plan: str | None = None
) -> Person:
    """Makes Ada and signs her in; the process's Runtime becomes this one."""
    set_runtime(runtime)
    runtime.dispatcher.start()
    account = create_account(runtime, email="ada@example.org", password=PASSWORD, name="Ada", roles=roles, plan=plan)
    token = sign_in(runtime, email="ada@example.org", password=PASSWORD).token
    cookies = {cookie_name(https=False): token}
    # AppTest cannot be given cookies.
    monkeypatch.setattr(ContextProxy, "cookies", property(lambda _self: cookies))
    return Person(runtime, account, token, cookies)


@pytest.fixture
def slow_person(runtime_with: Callable[..., Runtime], monkeypatch: pytest.MonkeyPatch) -> Iterator[Person]:
    """Ada, where the demo model takes its time."""
    yield sign_in_person(runtime_with(demo_pace_ms=2000), monkeypatch, roles=())
    set_runtime(None)


@pytest.fixture
def payer(runtime_with: Callable[..., Runtime], monkeypatch: pytest.MonkeyPatch) -> Iterator[Person]:
    """Ada, where a vendor's model costs credits and cannot be reached."""
    runtime = runtime_with(anthropic_api_key="sk-ant-test-key", anthropic_base_url="http://127.0.0.1:9")
    yield sign_in_person(runtime, monkeypatch)
    set_runtime(None)


@pytest.fixture
def open_app(person: Person) -> Callable[..., AppTest]:
    """Opens the app as the signed-in person, with a query."""
    return open_shell


@pytest.fixture
def open_slow_app(slow_person: Person) -> Callable[..., AppTest]:
    """As `open_app`, where the demo model takes its time."""
    return open_shell


def open_shell(**query: str) -> AppTest:
    """The whole app as the person whose cookies are set, with a query."""
    app = AppTest.from_file(str(SHELL), default_timeout=TIMEOUT)
    for name, value in query.items():
        app.query_params[name] = value
    return app.run()


def page_test(module: str, function: str, **query: str) -> AppTest:
    """One page without the shell around it."""
    script = f"from pages.ui.theme import apply_theme\nfrom {module} import {function}\napply_theme()\n{function}()\n"
    app = AppTest.from_string(script, default_timeout=TIMEOUT)
    for name, value in query.items():
        app.query_params[name] = value
    return app.run()


def text_of(app: AppTest) -> str:
    """Everything the page says in HTML and Markdown, in order."""
    kinds = ("html", "markdown", "error", "caption")
    return "\n".join(
        str(getattr(element, "value", None) or getattr(element, "proto", ""))
        for kind in kinds
        for element in app.get(kind)
    )


def wait_for_end(person: Person, run_id: str) -> str:
    """The final status of a run of the process's own dispatcher."""
    end = monotonic() + TIMEOUT
    while (status := run_status(person.runtime, person.account.id, run_id)) in ACTIVE:
        assert monotonic() < end, "the run did not end"
        sleep(0.02)
    return status


def know_terms(person: Person) -> None:
    """The person was shown the terms of every vendor before."""
    known = (person.runtime.catalogue.provider_terms(vendor) for vendor in person.runtime.catalogue.vendors())
    seen = [(each.provider, each.terms.checked_at) for each in known if each is not None]
    note_terms_seen(person.runtime, person.account.id, seen)
