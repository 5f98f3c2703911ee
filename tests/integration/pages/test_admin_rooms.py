"""The admins' rooms: what needs them today, people, runs of everybody, mail, providers and settings."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import text, update

from core.accounts.audit import list_acts
from core.accounts.authentication import sign_in
from core.accounts.commands import create_account
from core.accounts.domain import Account, cookie_name
from core.accounts.letters import tell
from core.accounts.people import get_person
from core.accounts.queries import find_session, get_account
from core.accounts.suspension import suspend
from core.bootstrap import newest_revision, set_runtime
from core.credits.queries import balance
from core.execution.commands import start_run
from core.execution.models import RunRow
from core.pipelines.commands import create_pipeline
from core.platform.disk import DiskSpace
from core.platform.mail.models import MailRow
from core.platform.mail.queries import list_mails, outbox_figures
from core.platform.runtime import Runtime
from core.shared.errors import AppError
from tests.conftest import PASSWORD
from tests.integration.pages.conftest import Person, page_test, sign_in_person, text_of, wait_for_end

REASON = "They wrote that the total of their last run is wrong."
SECRET = {"name": "Secret plan", "steps": [{"id": "a", "type": "transform", "template": "Top secret words"}]}


@pytest.fixture
def grace(admin: Person) -> Account:
    return create_account(admin.runtime, email="grace@example.org", password=PASSWORD, name="Grace", plan="free")


def run_of(admin: Person, owner: Account) -> str:
    pipeline = create_pipeline(admin.runtime, owner, SECRET)
    run = start_run(admin.runtime, owner, pipeline.id, {}, trigger="manual")
    wait_for_end(replace(admin, account=owner), run.id)
    return run.id


def mail_to(admin: Person, account: Account) -> str:
    with admin.runtime.database.write() as session:
        tell(admin.runtime, session, account, "password_changed")
    return list_mails(admin.runtime, states=("queued",)).items[0].id


def test_nothing_needs_anybody_and_then_much_does(admin: Person, grace: Account) -> None:
    from core.platform.jobs.commands import mark_looks

    mark_looks(admin.runtime, ["schedules"])
    set_runtime(replace(admin.runtime, measure_disk=lambda _folder: DiskSpace(10**12, 10**11 * 5)))
    said = text_of(page_test("admin.overview", "overview_page"))
    assert "Nothing: no requests" in said and "Free" in said
    run = run_of(admin, grace)
    mail_to(admin, grace)
    long_ago = admin.runtime.clock.now() - timedelta(hours=3)
    with admin.runtime.database.write() as session:
        session.execute(update(RunRow).where(RunRow.id == run).values(status="pending", created_at=long_ago))
        session.execute(update(MailRow).values(created_at=long_ago))
        session.execute(text("DELETE FROM job_looks"))
    set_runtime(replace(admin.runtime, measure_disk=lambda _folder: DiskSpace(10**12, 10**9)))
    said = text_of(page_test("admin.overview", "overview_page"))
    for line, room in (
        ("1 run stuck", "admin-runs"),
        ("1 mail not sent for more than an hour", "admin-mail"),
        ("nearly full: 0.9 GB, 0 % free", "admin-settings"),
        ("No scheduler has looked", "admin-jobs"),
    ):
        assert line in said and f'/{room}"' in said, line


@pytest.mark.parametrize(
    ("space", "low"),
    [
        (DiskSpace(100 * 2**30, 11 * 2**30), False),
        (DiskSpace(100 * 2**30, 9 * 2**30), True),
        (DiskSpace(10 * 2**30, 2**31 - 1), True),
    ],
)
def test_when_a_disk_is_low(space: DiskSpace, low: bool) -> None:
    assert space.is_low is low


def test_people_are_found_by_address_id_and_state(admin: Person, grace: Account) -> None:
    app = page_test("admin.people", "people_page")
    assert "2 with an account" in text_of(app) and "grace@example.org" in text_of(app)
    app.text_input(key="people-search").set_value(" GRACE@example.org ").run()
    assert "grace@example.org" in text_of(app) and "ada@example.org" not in text_of(app)
    assert "grace" not in str(app.query_params), "an address stays out of the address bar"
    app.text_input(key="people-search").set_value(grace.id[:13]).run()
    assert "grace@example.org" in text_of(app)
    app.text_input(key="people-search").set_value("grace").run()
    assert "whole address" in app.error[0].value
    app.text_input(key="people-search").set_value("nobody@example.org").run()
    assert "Nobody fits" in text_of(app) and not app.exception
    shown = text_of(page_test("admin.people", "people_page", role="admin"))
    assert "ada@example.org" in shown and "grace@example.org" not in shown
    assert "Nobody fits" in text_of(page_test("admin.people", "people_page", state="suspended"))
    assert "grace@example.org" in text_of(page_test("admin.people", "people_page", plan="free", state="active"))


def test_a_person_is_suspended_and_let_in_again(admin: Person, grace: Account) -> None:
    app = page_test("admin.person", "person_page", person=grace.id)
    app.button(key="suspend-go").click().run()
    assert "at least 20 characters" in app.error[0].value and get_person(admin.runtime, grace.id).standing == "active"
    app.text_area(key=f"suspend-reason-{grace.id}").set_value(REASON)
    app.button(key="suspend-go").click().run()
    assert get_person(admin.runtime, grace.id).standing == "suspended" and REASON in text_of(app)
    with pytest.raises(AppError, match="suspended"):
        sign_in(admin.runtime, email=grace.email, password=PASSWORD)
    app.button(key="suspension-end").click().run()
    assert get_person(admin.runtime, grace.id).standing == "active" and not app.exception


def test_one_does_not_suspend_oneself(admin: Person) -> None:
    app = page_test("admin.person", "person_page", person=admin.account.id)
    keys = {str(button.key) for button in app.button}
    assert "suspend-go" not in keys and "look-go" not in keys and "sign-out-person" in keys


def test_credits_are_given_and_taken_back_for_a_declared_reason(admin: Person, grace: Account) -> None:
    app = page_test("admin.person", "person_page", person=grace.id)
    app.number_input(key="gift-credits").set_value(12.5)
    app.selectbox(key="gift-why").set_value("correction")
    app.button(key="gift-go").click().run()
    assert balance(admin.runtime, grace).available_micros == 12_500_000 and not app.exception
    app.number_input(key="gift-credits").set_value(-20.0)
    app.button(key="gift-go").click().run()
    assert balance(admin.runtime, grace).available_micros == 0, "no more than was given"
    taken, given = list_acts(admin.runtime, 10, act="credits.granted").items
    assert given.details == {"micros": 12_500_000, "why": "correction"} and taken.details["micros"] == -12_500_000
    app.number_input(key="gift-credits").set_value(0.0)
    app.button(key="gift-go").click().run()
    assert "Nothing was changed" in app.error[0].value


def test_sign_ins_are_ended(admin: Person, grace: Account) -> None:
    token = sign_in(admin.runtime, email=grace.email, password=PASSWORD).token
    app = page_test("admin.person", "person_page", person=grace.id)
    app.button(key="sign-out-person").click().run()
    assert find_session(admin.runtime, token) is None and find_session(admin.runtime, admin.token) is not None


def test_content_is_closed_until_a_reason_is_written(admin: Person, grace: Account) -> None:
    run = run_of(admin, grace)
    closed = text_of(page_test("admin.person", "person_page", person=grace.id, run=run))
    assert "Top secret words" not in closed and "Secret plan" not in closed and run[-8:] in closed
    app = page_test("admin.person", "person_page", person=grace.id)
    app.text_area(key=f"look-reason-{grace.id}").set_value(REASON)
    app.button(key="look-go").click().run()
    assert "Top secret words" not in text_of(app), "open, and nothing is read yet"
    read = page_test("admin.person", "person_page", person=grace.id, run=run)
    assert "Top secret words" in text_of(read) and not read.exception
    names = text_of(page_test("admin.person", "person_page", person=grace.id, part="pipelines"))
    assert "Secret plan" in names
    app = page_test("admin.person", "person_page", person=grace.id, run=run)
    app.button(key="look-end").click().run()
    assert "Top secret words" not in text_of(app)


def test_the_person_reads_who_looked(admin: Person, grace: Account) -> None:
    run = run_of(admin, grace)
    app = page_test("admin.person", "person_page", person=grace.id)
    app.text_area(key=f"look-reason-{grace.id}").set_value(REASON)
    app.button(key="look-go").click().run()
    page_test("admin.person", "person_page", person=grace.id, run=run)
    admin.cookies[cookie_name(https=False)] = sign_in(admin.runtime, email=grace.email, password=PASSWORD).token
    said = text_of(page_test("pages.account.my_data", "my_data_page"))
    assert REASON in said and "read: 1 run" in said and "grace" not in said.split("Who looked")[1][:400]


def test_runs_of_everybody_show_no_content(admin: Person, grace: Account) -> None:
    run = run_of(admin, grace)
    app = page_test("admin.runs", "runs_page")
    said = text_of(app)
    assert run[-8:] in said and grace.id[-8:] in said
    assert "ecret" not in said and "grace@" not in said
    assert "No run fits" in text_of(page_test("admin.runs", "runs_page", status="failed"))
    assert run[-8:] in text_of(page_test("admin.runs", "runs_page", owner=grace.id, plan="free"))
    app.selectbox(key="filter-status").set_value("failed").run()
    assert app.query_params["status"] in ("failed", ["failed"])
    app.button(key="filters-clear").click().run()
    assert "status" not in app.query_params and not app.exception


def test_a_mail_is_tried_now_and_dropped_after_a_question(admin: Person, grace: Account) -> None:
    mail_id = mail_to(admin, grace)
    with admin.runtime.database.write() as session:
        later = admin.runtime.clock.now() + timedelta(hours=1)
        session.execute(update(MailRow).values(next_attempt_at=later, attempts=3, reason="smtp_450"))
    app = page_test("admin.mails", "mails_page")
    said = text_of(app)
    assert "g…@e…" in said and "grace@example.org" not in said and "Password changed" in said and "smtp_450" in said
    app.button(key=f"mail-again-{mail_id}").click().run()
    (mail,) = list_mails(admin.runtime, states=("queued",)).items
    assert mail.next_attempt_at <= admin.runtime.clock.now()
    app.button(key=f"mail-drop-{mail_id}").click().run()
    assert "never sent" in text_of(app) and outbox_figures(admin.runtime).queued == 1
    app.button(key="mail-drop-go").click().run()
    assert outbox_figures(admin.runtime).queued == 0 and not app.exception
    assert "Dropped by an admin" in text_of(page_test("admin.mails", "mails_page", state="dropped"))
    assert [act.act for act in list_acts(admin.runtime, 2).items] == ["mail.dropped", "mail.tried_again"]


def test_an_empty_outbox_says_so(admin: Person) -> None:
    said = text_of(page_test("admin.mails", "mails_page"))
    assert "Nothing waits" in said and "None so far" in said


def test_prices_are_the_vendors_and_ours_and_unknown_ones_say_so(
    runtime_with: Callable[..., Runtime], monkeypatch: pytest.MonkeyPatch
) -> None:
    partner = {
        "name": "local",
        "base_url": "http://127.0.0.1:9/v1",
        "api_key": "sk-hidden",
        "models": ["llama-x", "llama-y"],
        "prices": {"llama-y": {"input": 0.4, "output": 2}},
        "region": "EU",
    }
    sign_in_person(runtime_with(llama_partners=(partner,), openai_api_key="sk-oai"), monkeypatch, roles=("admin",))
    said = text_of(page_test("admin.providers", "providers_page"))
    assert "1 price unknown" in said and "$0.40" in said and "$0.50" in said and "$2.50" in said and "×1.25" in said
    assert "settings of local" in said and "genai-prices" in said and "key set" in said and "no key here" in said
    assert "sk-hidden" not in said and "sk-oai" not in said
    assert "claude" not in text_of(page_test("admin.providers", "providers_page", provider="local"))
    set_runtime(None)


def test_settings_are_shown_and_secrets_are_not(
    runtime_with: Callable[..., Runtime], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    runtime = runtime_with(smtp_url="smtp://mailer:hunter22@mail.example.org:587", openai_api_key="sk-very-secret")
    sign_in_person(runtime, monkeypatch, roles=("admin",))
    app = page_test("admin.settings", "settings_page")
    said = text_of(app)
    assert "smtp://•••@mail.example.org:587" in said and "STEPIQ_FILE_MAX_MB" in said and newest_revision() in said
    assert "hunter22" not in said and "sk-very-secret" not in said and "mailer" not in said
    assert "SQLite" in said and "GB free" in said
    app.text_input(key="settings-text").set_value("ANTHROPIC_API_KEY").run()
    assert "not set" in text_of(app) and "STEPIQ_FILE_MAX_MB" not in text_of(app) and not app.exception
    set_runtime(None)


def test_who_was_suspended_meanwhile_sees_nothing(admin: Person) -> None:
    other = create_account(admin.runtime, email="root@example.org", password=PASSWORD, roles=("admin",))
    view = find_session(admin.runtime, sign_in(admin.runtime, email=other.email, password=PASSWORD).token)
    assert view is not None
    app = page_test("admin.runs", "runs_page")
    suspend(admin.runtime, view, admin.account.id, REASON)
    app.run()
    assert "Signed out" in text_of(app) and get_account(admin.runtime, admin.account.id).is_admin
