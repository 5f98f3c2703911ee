"""A person's plan on its page, and plans that admins set."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest

from core.accounts.audit import list_acts
from core.accounts.commands import create_account
from core.accounts.domain import SessionView
from core.accounts.queries import find_session, get_account
from core.bootstrap import set_runtime
from core.credits.commands import change_plan, grant_month
from core.credits.plan_changes import plan_at
from core.platform.runtime import Runtime
from core.shared.errors import Conflict, Forbidden
from tests.conftest import PASSWORD
from tests.integration.pages.conftest import Person, page_test, sign_in_person, text_of
from tests.support.old_history import add_runs

DAY = datetime(2027, 5, 30, tzinfo=UTC)


@pytest.fixture
def pro(sqlite_runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> Iterator[Person]:
    yield sign_in_person(sqlite_runtime, monkeypatch, plan="pro")
    set_runtime(None)


def _announce(person: Person, plan: str) -> None:
    with person.runtime.database.write() as session:
        plan_at(person.runtime, session, person.account.id, plan, at=DAY, cause="ended")


def test_the_plan_says_what_is_used_and_what_comes(pro: Person) -> None:
    grant_month(pro.runtime, pro.account)
    app = page_test("pages.account.plan", "plan_page")
    said = text_of(app)
    assert "Pro plan" in said and "an admin of this installation sets the plans" in said
    assert "New credits on " in said and "announced" not in said
    assert [metric.value for metric in app.metric] == ["8,000 cr", "0 of 500", "0"]
    _announce(pro, "free")
    said = text_of(page_test("pages.account.plan", "plan_page"))
    assert "Free from 30 May 2027" in said and "Schedules are paused" in said
    assert "From 6 June 2027 on, a week after the change, runs are kept for 90 days." in said
    assert "None of your runs is from before 8 March 2027" in said and "/api/runs/export" not in said
    add_runs(pro.runtime, pro.account.id, 2, at=datetime(2026, 6, 1, tzinfo=UTC), plan="pro")
    add_runs(pro.runtime, pro.account.id, 1, at=datetime(2027, 4, 1, tzinfo=UTC), plan="pro")
    said = text_of(page_test("pages.account.plan", "plan_page"))
    assert "2 runs from before 8 March 2027 will be deleted on that day." in said
    assert "/api/runs/export?format=ndjson" in said
    _announce(pro, "starter")
    said = text_of(page_test("pages.account.plan", "plan_page"))
    assert "Starter from 30 May 2027" in said and "will be deleted" not in said and "Schedules are paused" not in said


def test_an_admin_sets_a_plan(admin: Person) -> None:
    grace = create_account(admin.runtime, email="grace@example.org", password=PASSWORD, plan="free")
    app = page_test("admin.person", "person_page", person=grace.id)
    assert "plans are set on this page" in text_of(app)
    assert app.button(key=f"plan-save-{grace.id}").disabled, "nothing is chosen yet"
    app.radio(key=f"plan-of-{grace.id}").set_value("pro").run()
    assert "Credits a month: 100 → 8,000" in text_of(app)
    app.button(key=f"plan-save-{grace.id}").click().run()
    assert not app.exception and get_account(admin.runtime, grace.id).plan == "pro"
    (act,) = list_acts(admin.runtime, 10, act="plan.changed").items
    assert (act.actor_id, act.subject_id) == (admin.account.id, grace.id)
    assert act.details == {"before": "free", "plan": "pro"}


def test_where_plans_are_bought_no_admin_sets_them(
    runtime_with: Callable[..., Runtime], monkeypatch: pytest.MonkeyPatch
) -> None:
    admin = sign_in_person(runtime_with(stripe_secret_key="sk_test_x"), monkeypatch, roles=("admin",))
    app = page_test("admin.person", "person_page", person=admin.account.id)
    assert "Plans are bought" in text_of(app)
    assert not [radio for radio in app.radio if str(radio.key).startswith("plan-of")]
    assert "Billing" in text_of(page_test("pages.account.plan", "plan_page"))
    set_runtime(None)
    with pytest.raises(Conflict, match="what is paid for decides"):
        change_plan(admin.runtime, admin.account, "pro", by=_session(admin))
    assert change_plan(admin.runtime, admin.account, "pro"), "the command line may"


def test_who_is_no_admin_sets_no_plan(pro: Person) -> None:
    with pytest.raises(Forbidden):
        change_plan(pro.runtime, pro.account, "enterprise", by=_session(pro))
    assert get_account(pro.runtime, pro.account.id).plan == "pro"


def _session(person: Person) -> SessionView:
    view = find_session(person.runtime, person.token)
    assert view is not None
    return view
