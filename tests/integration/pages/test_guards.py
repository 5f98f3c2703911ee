"""Every page, callback and widget asks whose session it is, each time: before, after, and for another's things."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import current_thread
from time import monotonic, sleep
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session
from streamlit.testing.v1 import AppTest

from core.accounts.authentication import sign_in
from core.accounts.commands import create_account
from core.accounts.domain import ROLES, SessionView
from core.accounts.invitations import invite
from core.accounts.queries import find_account, find_session
from core.accounts.sessions import sign_out
from core.bootstrap import set_runtime
from core.execution.commands import start_run
from core.execution.queries import run_status
from core.pipelines.commands import create_pipeline, ensure_example
from core.platform.runtime import Runtime
from tests.conftest import PASSWORD
from tests.integration.pages.conftest import TIMEOUT, Person, page_test, sign_in_person, text_of, wait_for_end

PLACES = {
    "": "pages.workspace.notebook.notebook_page",
    "pipelines": "pages.workspace.pipelines.pipelines_page",
    "runs": "pages.workspace.runs.runs_page",
    "run": "pages.workspace.run_detail.run_page",
    "reviews": "pages.workspace.reviews.reviews_page",
    "schedules": "pages.workspace.schedules.schedules_page",
    "usage": "pages.account.usage.usage_page",
    "plan": "pages.account.plan.plan_page",
    "billing": "pages.account.billing.billing_page",
    "keys": "pages.account.keys.keys_page",
    "api-keys": "pages.account.api_keys.api_keys_page",
    "profile": "pages.account.profile.profile_page",
    "my-data": "pages.account.my_data.my_data_page",
    "preferences": "pages.account.preferences.preferences_page",
    "secrets": "pages.account.secrets.secrets_page",
    "data-flow": "pages.account.data_flow.data_flow_page",
    "admin": "admin.overview.overview_page",
    "admin-jobs": "admin.jobs.jobs_page",
    "people": "admin.people.people_page",
    "person": "admin.person.person_page",
    "admin-runs": "admin.runs.runs_page",
    "admin-mail": "admin.mails.mails_page",
    "admin-providers": "admin.providers.providers_page",
    "admin-settings": "admin.settings.settings_page",
    "audit": "admin.audit.audit_page",
    "admin-promises": "admin.promises.promises_page",
    "admin-policy": "admin.policy.policy_page",
    "retention": "admin.retention.retention_page",
    "privacy-requests": "admin.privacy_requests.privacy_requests_page",
    "admin-billing": "admin.billing.billing_page",
    "admin-egress": "admin.egress.egress_page",
    "admin-console": "admin.console.console_page",
    "admin-analytics": "admin.analytics.analytics_page",
}
WITHOUT_WIDGETS = {"data-flow", "usage", "plan", "admin", "billing"}  # they tell, and do nothing
ADMIN = [path for path, place in PLACES.items() if place.startswith("admin.")]


@pytest.fixture
def root(sqlite_runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> Iterator[Person]:
    """Somebody with every role, a pipeline, a run, and an invitation to take back."""
    yield sign_in_person(sqlite_runtime, monkeypatch, roles=ROLES)
    set_runtime(None)


def open_page(path: str, query: dict[str, str]) -> AppTest:
    module, _, function = PLACES[path].rpartition(".")
    return page_test(module, function, **query)


def query_of(person: Person, path: str) -> dict[str, str]:
    """The address of a page that has something to show."""
    example = ensure_example(person.runtime, person.account)
    if path == "":
        return {"pipeline": example, "cell": "first"}
    if path == "run":
        run = start_run(person.runtime, person.account, example, {}, trigger="manual")
        wait_for_end(person, run.id)
        return {"run": run.id}
    if path == "person":
        other = find_account(person.runtime, "grace@example.org")
        other = other or create_account(person.runtime, email="grace@example.org", password=PASSWORD)
        return {"person": other.id}
    if path == "reviews":
        asks = {"name": "Asks", "steps": [{"id": "ask", "type": "human_review", "message": "Well?"}]}
        run = start_run(
            person.runtime,
            person.account,
            create_pipeline(person.runtime, person.account, asks).id,
            {},
            trigger="manual",
        )
        wait_for_review(person, run.id)
    return {}


def wait_for_review(person: Person, run_id: str) -> None:
    end = monotonic() + TIMEOUT
    while run_status(person.runtime, person.account.id, run_id) != "waiting":
        assert monotonic() < end, "the run asks nothing"
        sleep(0.02)


def _list_pages() -> None:
    """Runs inside the app: the shell is a script, and draws when it is imported."""
    import streamlit as st

    from core.bootstrap import get_runtime
    from pages.shell import pages_for
    from pages.ui.session import current_session

    known = {}
    for page in (each for group in pages_for(current_session(get_runtime())).values() for each in group):
        target = page._page
        place = f"admin.{target.stem}" if hasattr(target, "stem") else f"{target.__module__}.{target.__name__}"
        known[page.url_path] = place
    st.session_state["known"] = known


def test_every_page_is_in_the_table(root: Person) -> None:
    app = AppTest.from_function(_list_pages, default_timeout=TIMEOUT).run()
    listed = {path: place.rpartition(".")[0] if path in ADMIN else place for path, place in PLACES.items()}
    assert app.session_state["known"] == listed


@pytest.mark.parametrize("path", PLACES)
def test_without_a_session_a_page_is_empty(root: Person, path: str) -> None:
    query = query_of(root, path)
    root.cookies.clear()
    app = open_page(path, query)
    assert "Signed out" in text_of(app) and root.account.email not in text_of(app)
    assert not widgets_of(app) and not app.dataframe and not app.exception


OTHERS: list[tuple[str, tuple[str, ...]]] = [
    (path, roles)
    for path in ADMIN
    for roles in ((), ("privacy_admin",), ("accounting",))
    if (path, roles)
    not in {
        ("admin-billing", ("accounting",)),
        ("retention", ("privacy_admin",)),
        ("privacy-requests", ("privacy_admin",)),
    }
]


@pytest.mark.parametrize(("path", "roles"), OTHERS)
def test_an_admin_page_is_nothing_for_others(
    sqlite_runtime: Runtime, monkeypatch: pytest.MonkeyPatch, path: str, roles: tuple[str, ...]
) -> None:
    sign_in_person(sqlite_runtime, monkeypatch, roles=roles)
    create_account(sqlite_runtime, email="grace@example.org", password=PASSWORD)
    app = open_page(path, {})
    assert "no such page" in app.error[0].value and not widgets_of(app)
    assert "grace@example.org" not in text_of(app)
    set_runtime(None)


def widgets_of(app: AppTest) -> list[Any]:
    kinds = (
        "button",
        "button_group",
        "selectbox",
        "text_input",
        "text_area",
        "number_input",
        "toggle",
        "checkbox",
        "radio",
    )
    return [widget for kind in kinds for widget in app.get(kind)]


def enabled_widgets(app: AppTest) -> list[Any]:
    return [widget for widget in widgets_of(app) if not getattr(widget, "disabled", False)]


def name_of(widget: Any) -> str:
    return f"{widget.type} {getattr(widget, 'key', None) or widget.label}"


def enabled_in(app: AppTest) -> list[str]:
    return [name_of(widget) for widget in enabled_widgets(app)]


def touch(widget: Any) -> None:
    """Use a widget as a person would."""
    if widget.type == "button":
        widget.click()
    elif widget.type in ("selectbox", "radio"):
        # Where words are shown for names, AppTest knows the words only; the function that makes them has the names.
        names = getattr(getattr(widget, "format_func", None), "__self__", None)
        widget.set_value(list(names if isinstance(names, dict) else widget.options)[-1])
    elif widget.type in ("toggle", "checkbox"):
        widget.set_value(not widget.value)
    elif widget.type == "number_input":
        widget.set_value(7)
    elif widget.type == "button_group":
        widget.set_value(list(widget.options)[:1] if isinstance(widget.value, list) else None)
    else:
        widget.set_value("changed")


@contextmanager
def writes_noted(runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Every write transaction begun meanwhile."""
    begun: list[str] = []
    write = runtime.database.write

    def noted() -> Any:
        if not current_thread().name.startswith(("asyncio", "engine")):  # those carry runs out, whoever looks
            begun.append("write")
        return write()

    with monkeypatch.context() as patched:
        patched.setattr(runtime.database, "write", noted)
        yield begun


@pytest.mark.parametrize("path", PLACES)
def test_after_the_end_of_a_session_no_widget_does_anything(
    root: Person, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    query = query_of(root, path)
    app = open_page(path, query)
    assert not app.exception
    expected = enabled_in(app)
    tried = []
    for at in range(len(expected)):
        widget = enabled_widgets(app)[at]
        sign_out(root.runtime, root.token)
        with writes_noted(root.runtime, monkeypatch) as begun:
            touch(widget)
            app.run()
        assert begun == [], f"{widget.label} of {path or 'the notebook'} wrote"
        assert "Signed out" in text_of(app) and not widgets_of(app), widget.label
        tried.append(name_of(widget))
        revive(root)
        app = open_page(path, query)
    assert tried == expected, "each that can be used was"
    assert expected or path in WITHOUT_WIDGETS


@pytest.mark.parametrize("path", ADMIN)
def test_who_is_no_admin_any_more_does_nothing_on_a_page_drawn_before(
    root: Person, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    query = query_of(root, path)
    invite(root.runtime, session_of(root))
    app = open_page(path, query)
    expected = enabled_in(app)
    tried = []
    for at in range(len(expected)):
        widget = enabled_widgets(app)[at]
        set_roles_of(root, "")
        with writes_noted(root.runtime, monkeypatch) as begun:
            touch(widget)
            app.run()
        assert begun == [], f"{widget.label} of {path} wrote"
        assert "no such page" in app.error[0].value and not widgets_of(app), widget.label
        tried.append(name_of(widget))
        set_roles_of(root, ",".join(ROLES))
        app = open_page(path, query)
    assert tried == expected and (expected or path in WITHOUT_WIDGETS)


def session_of(person: Person) -> SessionView:
    view = find_session(person.runtime, person.token)
    assert view is not None
    return view


def set_roles_of(person: Person, roles: str) -> None:
    """Take the roles away, or give them back: only here, where the last admin may go."""
    with person.runtime.database.write() as session:
        session.execute(text("UPDATE accounts SET roles = :r WHERE id = :i"), {"r": roles, "i": person.account.id})


def revive(person: Person) -> None:
    """The session lives again: only here, so that the next widget can be tried."""
    with person.runtime.database.write() as session:
        session.execute(text("UPDATE sessions SET ended_at = NULL"))


@pytest.mark.parametrize("path", ["", "run"])
def test_anothers_things_are_not_found(root: Person, monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    query = query_of(root, path)
    secret = text_of(open_page(path, query))
    eve = create_account(root.runtime, email="eve@example.org", password=PASSWORD)
    root.cookies["stepiq_session"] = sign_in(root.runtime, email=eve.email, password=PASSWORD).token
    shown = text_of(open_page(path, query))
    assert query.get("run", query.get("pipeline", "?")) not in shown and shown != secret


def test_the_notes_of_writes_would_see_one(root: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    with writes_noted(root.runtime, monkeypatch) as begun, root.runtime.database.write() as session:
        assert isinstance(session, Session)
    assert begun == ["write"]
