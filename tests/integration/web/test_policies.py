"""The public pages of policies: the text, its versions, and what changed, without JavaScript and without cookies."""

import re
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime

import pytest
from starlette.testclient import TestClient

from core.accounts.acceptances import list_acceptances
from core.accounts.authentication import sign_in
from core.accounts.commands import create_account, owner_link
from core.accounts.queries import find_account, find_session
from core.platform.runtime import Runtime
from core.privacy.policies.commands import publish, save_draft, take_back
from core.privacy.policies.queries import get_draft
from tests.conftest import PASSWORD
from tests.integration.web.conftest import ORIGIN, browser, csrf_of
from tests.support.clock import FixedClock

NOW = datetime(2026, 11, 25, 10, 0, tzinfo=UTC)


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(NOW)


@pytest.fixture
def site(runtime_with: Callable[..., Runtime], clock: FixedClock) -> Runtime:
    return runtime_with(app_url=ORIGIN, signup="open", clock=clock)


@pytest.fixture
def guest(site: Runtime) -> Iterator[TestClient]:
    with browser(site) as made:
        yield made


def announce(runtime: Runtime, *, script: str = "") -> str:
    create_account(runtime, email="root@example.org", password=PASSWORD, roles=("admin",))
    by = find_session(runtime, sign_in(runtime, email="root@example.org", password=PASSWORD).token)
    assert by is not None
    text = get_draft(runtime, "privacy").text.replace("within 30 days", f"within 20 days {script}")
    draft = save_draft(
        runtime, by, "privacy", text=text, summary=f"We answer sooner. {script}", material=True,
        effective_on=date(2026, 12, 20), revision=0,
    )  # fmt: skip
    return publish(runtime, by, "privacy", revision=draft.revision).id


def test_the_policy_says_who_what_why_and_links_its_promises(guest: TestClient) -> None:
    page = guest.get("/privacy/policy")
    assert page.status_code == 200 and "set-cookie" not in page.headers and "<script" not in page.text
    assert page.text.count("<h1>") == 1 and "Pupuce CORP (EURL), Angers, France" in page.text
    for number in range(1, 28):
        assert f'href="/privacy#P{number:02}"' in page.text
    assert 'id="cookies"' in page.text and "<table" in page.text and "{{" not in page.text and "{P" not in page.text
    for path in ("/terms", "/privacy/policy/2026-02-25", "/terms/2026-02-25"):
        assert guest.get(path).status_code == 200
    versions = guest.get("/privacy/policy/versions").text
    assert "25 February 2026" in versions and "counts now" in versions and "The first version." in versions
    for path in ("/privacy/policy/2020-01-01", "/terms/x", "/privacy/policy/2026-02-25/changes", "/terms/x/changes"):
        assert guest.get(path).status_code == 404


def test_a_version_to_come_is_announced_with_what_changes(guest: TestClient, site: Runtime, clock: FixedClock) -> None:
    version_id = announce(site)
    now = guest.get("/privacy/policy")
    assert "A new version counts from 20 December 2026" in now.text and "within 30 days" in now.text
    coming = guest.get("/privacy/policy/2026-12-20").text
    assert "This version counts from 20 December 2026" in coming and "within 20 days" in coming
    changes = guest.get("/privacy/policy/2026-12-20/changes").text
    assert "<del>30</del><ins>20</ins>" in changes and "paragraphs without a change" in changes
    assert "We answer sooner." in guest.get("/privacy/policy/versions").text
    back = guest.get("/privacy/policy/2026-02-25/changes?from=2026-12-20").text
    assert "<del>20</del><ins>30</ins>" in back
    assert guest.get("/privacy/policy/2026-12-20/changes?from=nothing").status_code == 404
    clock.advance(days=30)
    assert "within 20 days" in guest.get("/privacy/policy").text
    assert "counted before" in guest.get("/privacy/policy/versions").text
    assert version_id


def test_a_version_that_was_taken_back_says_so(guest: TestClient, site: Runtime) -> None:
    version_id = announce(site)
    by = find_session(site, sign_in(site, email="root@example.org", password=PASSWORD).token)
    assert by is not None
    take_back(site, by, version_id)
    assert "taken back" in guest.get("/privacy/policy/2026-12-20").text
    assert "2026-12-20" not in guest.get("/privacy/policy/versions").text
    assert "A new version" not in guest.get("/privacy/policy").text


def test_what_an_admin_writes_cannot_become_html(guest: TestClient, site: Runtime) -> None:
    announce(site, script="<script>alert(1)</script><img src=x>")
    for path in ("/privacy/policy/2026-12-20", "/privacy/policy/versions", "/privacy/policy/2026-12-20/changes"):
        page = guest.get(path).text
        assert "<script" not in page and "<img src=x" not in page and "alert" in page


def test_registering_records_what_was_shown(guest: TestClient, site: Runtime) -> None:
    form = {"csrf_token": csrf_of(guest.get("/auth/register").text), "email": "ada@example.org", "invitation": ""}
    asked = guest.post("/auth/register", data=form)
    assert 'href="/terms"' in asked.text and 'href="/privacy/policy"' in asked.text
    mail = next(site.settings.mail_dir.glob("*.eml"), None) if site.settings.mail_dir.exists() else None
    if mail is None:
        from core.platform.mail.commands import send_due

        send_due(site)
        mail = next(site.settings.mail_dir.glob("*.eml"))
    code = re.search(r"\b(\d{6})\b", mail.read_text())
    assert code is not None
    done = guest.post(
        "/auth/register/finish",
        data={**form, "csrf_token": csrf_of(asked.text), "code": code[1], "password": PASSWORD, "name": ""},
    )
    assert done.status_code == 303
    account = find_account(site, "ada@example.org")
    assert account is not None
    found = list_acceptances(site, account.id)
    assert {(each.document, each.version, each.way) for each in found} == {
        ("privacy", "2026-02-25", "registration"),
        ("terms", "2026-02-25", "registration"),
    }


def test_the_first_owner_is_shown_them_too_and_the_api_counts_as_use(guest: TestClient, site: Runtime) -> None:
    link = owner_link(site)
    assert link is not None
    token = link.split("token=")[1]
    page = guest.get(f"/setup?token={token}").text
    assert 'href="/terms"' in page
    form = {"csrf_token": csrf_of(page), "token": token, "email": "own@example.org", "password": PASSWORD, "name": ""}
    assert guest.post("/setup", data=form).status_code == 303
    owner = find_account(site, "own@example.org")
    assert owner is not None and {each.way for each in list_acceptances(site, owner.id)} == {"registration"}
    ada = create_account(site, email="ada@example.org", password=PASSWORD)
    bearer = sign_in(site, email="ada@example.org", password=PASSWORD).token
    assert guest.get("/api/user/me", headers={"Authorization": f"Bearer {bearer}"}).status_code == 200
    assert [each.way for each in list_acceptances(site, ada.id)] == ["use", "use"]
