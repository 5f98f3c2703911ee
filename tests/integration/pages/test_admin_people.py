"""Admins invite, give roles, and read the audit log."""

import pytest
from sqlalchemy import text

from core.accounts.commands import create_account
from core.accounts.invitations import find_admission, list_invitations
from core.accounts.queries import get_account
from tests.conftest import PASSWORD
from tests.integration.pages.conftest import Person, page_test, text_of


def test_an_invitation_is_made_shown_and_taken_back(admin: Person) -> None:
    app = page_test("admin.people", "people_page")
    app.text_input(key="invite-email").set_value("grace@example.org")
    app.selectbox(key="invite-plan").set_value("pro")
    app.button(key="FormSubmitter:invite-Invite").click().run()
    link = next(block.value for block in app.code)
    assert find_admission(admin.runtime, link.split("invitation=")[1]).plan == "pro"
    assert "grace@example.org" in text_of(app) and app.text_input(key="invite-email").value == ""
    app.button(key="invitation-done").click().run()
    assert not app.code
    (invitation,) = list_invitations(admin.runtime).items
    app.button(key=f"revoke-{invitation.id}").click().run()
    assert list_invitations(admin.runtime).items == () and not app.exception


def test_a_wrong_address_keeps_what_was_typed(admin: Person) -> None:
    app = page_test("admin.people", "people_page")
    app.text_input(key="invite-email").set_value("not an address")
    app.button(key="FormSubmitter:invite-Invite").click().run()
    assert "e-mail address" in app.error[0].value and app.text_input(key="invite-email").value == "not an address"


def test_roles_are_given_and_the_last_admin_stays(admin: Person) -> None:
    grace = create_account(admin.runtime, email="grace@example.org", password=PASSWORD)
    app = page_test("admin.person", "person_page", person=grace.id)
    app.button_group(key=f"roles-of-{grace.id}").set_value(["privacy_admin"])
    app.button(key=f"roles-save-{grace.id}").click().run()
    assert get_account(admin.runtime, grace.id).roles == {"privacy_admin"}
    app = page_test("admin.person", "person_page", person=admin.account.id)
    app.button_group(key=f"roles-of-{admin.account.id}").set_value([])
    app.button(key=f"roles-save-{admin.account.id}").click().run()
    assert "last admin" in app.error[0].value and get_account(admin.runtime, admin.account.id).is_admin


def test_without_a_fresh_password_no_role_is_shown_to_change(admin: Person) -> None:
    with admin.runtime.database.write() as session:
        session.execute(text("UPDATE sessions SET confirmed_at = NULL"))
    assert "/auth/confirm?then=people" in text_of(page_test("admin.people", "people_page"))
    app = page_test("admin.person", "person_page", person=admin.account.id)
    assert f"/auth/confirm?then=person&amp;person={admin.account.id}" in text_of(app)
    assert not [button for button in app.button if str(button.key).startswith("roles-save")]


def test_the_audit_log_is_read_and_proven(admin: Person) -> None:
    grace = create_account(admin.runtime, email="grace@example.org", password=PASSWORD)
    app = page_test("admin.audit", "audit_page")
    assert text_of(app).count("Account made") == 2 and "example.org" not in text_of(app)
    app.text_input(key="filter-id").set_value(grace.id).run()
    assert text_of(app).count("Account made") == 1
    app.button(key="audit-verify").click().run()
    assert "2 acts checked" in app.success[0].value
    with admin.runtime.database.write() as session:
        session.execute(text("UPDATE audit_log SET details = '{}' WHERE seq = 1"))
    app.button(key="audit-verify").click().run()
    assert "was altered" in app.error[0].value


@pytest.mark.parametrize("act", ["account.invited", "second_factor.on"])
def test_an_act_that_never_happened_says_so(admin: Person, act: str) -> None:
    app = page_test("admin.audit", "audit_page")
    app.selectbox(key="filter-act").set_value(act).run()
    assert "No such act so far" in text_of(app)
