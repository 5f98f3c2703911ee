"""The form for who does not sign in, as a browser without JavaScript meets it."""

import pytest
from starlette.testclient import TestClient

from core.accounts.commands import create_account
from core.accounts.domain import Account
from core.accounts.models import AccountRow
from core.platform.runtime import Runtime
from core.privacy.advance import advance_request
from core.privacy.queries import open_requests
from tests.conftest import PASSWORD
from tests.integration.web.conftest import browser
from tests.integration.web.test_account_forms import send
from tests.support.letters import last_letter, letters_to, token_in

PATH, CONFIRM = "/privacy/request", "/privacy/confirm"


@pytest.fixture
def ada(site: Runtime) -> Account:
    return create_account(site, email="ada@example.org", password=PASSWORD, name="Ada")


def test_from_the_form_to_a_request_in_two_presses(site: Runtime, ada: Account, guest: TestClient) -> None:
    form = guest.get(PATH)
    assert form.status_code == 200 and form.text.count('type="radio"') == 6
    sent = send(guest, PATH, form.text, email=ada.email, right="access", text="")
    assert sent.status_code == 200 and "on its way" in sent.text
    token = token_in(last_letter(site, ada.email), CONFIRM)
    asked = guest.get(f"{CONFIRM}?token={token}")
    assert "Was this request yours?" in asked.text and "A copy of what we hold" in asked.text
    assert open_requests(site)[0].status == "awaiting_identity", "opening the link did nothing"
    done = send(guest, CONFIRM, asked.text)
    assert done.status_code == 200 and open_requests(site)[0].status == "scheduled"
    assert guest.get(f"{CONFIRM}?token={token}").status_code == 403
    assert send(guest, CONFIRM, asked.text).status_code == 403


def test_an_unknown_address_sees_the_same_page(site: Runtime, ada: Account, guest: TestClient) -> None:
    def shown(email: str, **more: str) -> tuple[int, str]:
        page = send(guest, PATH, guest.get(PATH).text, email=email, right="erasure", text="", **more)
        return page.status_code, page.text

    assert shown(ada.email) == shown("nobody@example.org") == shown("not an address")
    assert letters_to(site, "nobody@example.org") == [] and len(letters_to(site, ada.email)) == 1


def test_what_is_missing_is_said_at_its_field_and_nothing_typed_is_lost(
    site: Runtime, ada: Account, guest: TestClient
) -> None:
    page = guest.get(PATH).text
    nothing = send(guest, PATH, page, email=" ", text="<b>words</b>")
    assert nothing.status_code == 422 and 'id="email-error"' in nothing.text and 'id="right-error"' in nothing.text
    assert "&lt;b&gt;words&lt;/b&gt;" in nothing.text
    for email in (ada.email, "nobody@example.org"):
        wordless = send(guest, PATH, page, email=email, right="rectification", text="")
        assert wordless.status_code == 422 and 'id="text-error"' in wordless.text and email in wordless.text
        assert 'value="rectification" required checked' in wordless.text
    assert open_requests(site) == ()


def test_only_our_own_page_sends_it(site: Runtime, ada: Account) -> None:
    with browser(site) as guest:
        foreign = guest.post(PATH, data={"email": ada.email, "right": "erasure", "text": ""})
        assert foreign.status_code == 403 and open_requests(site) == ()
        send(guest, PATH, guest.get(PATH).text, email=ada.email, right="erasure", text="")
        token = token_in(last_letter(site, ada.email), CONFIRM)
        assert guest.post(CONFIRM, data={"token": token}).status_code == 403
        assert open_requests(site)[0].status == "awaiting_identity"


def test_a_client_that_asks_for_many_waits(site: Runtime) -> None:
    with browser(site, "203.0.113.9") as guest:
        page = guest.get(PATH).text
        statuses = [
            send(guest, PATH, page, email=f"p{n}@example.org", right="access", text="").status_code for n in range(32)
        ]
    assert statuses[:30] == [200] * 30 and set(statuses[30:]) == {429}


def test_a_deletion_of_the_last_admin_says_what_to_do(site: Runtime, guest: TestClient) -> None:
    create_account(site, email="root@example.org", password=PASSWORD, roles=("admin",))
    send(guest, PATH, guest.get(PATH).text, email="root@example.org", right="erasure", text="")
    page = guest.get(f"{CONFIRM}?token={token_in(last_letter(site, 'root@example.org'), CONFIRM)}")
    done = send(guest, CONFIRM, page.text)
    assert done.status_code == 409 and "last admin" in done.text


def test_a_copy_is_fetched_by_its_link_alone(site: Runtime, ada: Account, guest: TestClient) -> None:
    with site.database.write() as session:
        session.get_one(AccountRow, ada.id).suspended_at = site.clock.now()
    send(guest, PATH, guest.get(PATH).text, email=ada.email, right="portability", text="")
    token = token_in(last_letter(site, ada.email), CONFIRM)
    send(guest, CONFIRM, guest.get(f"{CONFIRM}?token={token}").text)
    (request,) = open_requests(site)
    while advance_request(site, request.id):
        pass
    copies = [mail for mail in letters_to(site, ada.email) if "/privacy/copy" in mail.text]
    address = f"/privacy/copy?token={token_in(copies[0], '/privacy/copy')}"
    page = guest.get(address)
    assert page.status_code == 200 and guest.get(address).status_code == 200, "opening it fetches nothing"
    assert guest.post("/privacy/copy", data={"token": address.partition("=")[2]}).status_code == 403
    fetched = send(guest, "/privacy/copy", page.text)
    assert (
        fetched.status_code == 200 and fetched.content[:2] == b"PK" and fetched.headers["cache-control"] == "no-store"
    )
    assert send(guest, "/privacy/copy", page.text).status_code == 404
    assert guest.get("/privacy/copy?token=nothing").status_code == 403
