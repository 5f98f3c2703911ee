"""`privacy/requests/{id}/download`: a copy over HTTP, whole, in parts, and for nobody but its owner."""

import io
import zipfile
from datetime import timedelta
from secrets import token_hex

import httpx
import pytest
from sqlalchemy import update
from starlette.testclient import TestClient

from core.accounts.authentication import sign_in
from core.accounts.commands import create_account
from core.accounts.domain import Account, cookie_name
from core.accounts.models import SessionRow
from core.platform.files.commands import store_file
from core.platform.runtime import Runtime
from core.privacy.advance import advance_request
from core.privacy.models import PrivacyRequestRow
from tests.conftest import PASSWORD


@pytest.fixture
def ada(sqlite_runtime: Runtime) -> Account:
    person = create_account(sqlite_runtime, email="ada@example.org", password=PASSWORD)
    store_file(sqlite_runtime, person.id, "long.txt", token_hex(600_000).encode())
    return person


@pytest.fixture
def request_id(sqlite_runtime: Runtime, ada: Account) -> str:
    now = sqlite_runtime.clock.now()
    row = PrivacyRequestRow(
        id=sqlite_runtime.ids.new(), account_id=ada.id, right="access", status="scheduled", received_at=now,
        due_at=now + timedelta(days=30), fence=0,
    )  # fmt: skip
    with sqlite_runtime.database.write() as session:
        session.add(row)
    assert advance_request(sqlite_runtime, row.id)
    return row.id


def token_of(runtime: Runtime, email: str) -> str:
    return sign_in(runtime, email=email, password=PASSWORD).token


def get(client: TestClient, token: str | None, request_id: str, **headers: str) -> httpx.Response:
    sent = headers | ({"Authorization": f"Bearer {token}"} if token else {})
    return client.get(f"/api/privacy/requests/{request_id}/download", headers=sent)


def test_its_owner_gets_it_once(client: TestClient, sqlite_runtime: Runtime, ada: Account, request_id: str) -> None:
    token = token_of(sqlite_runtime, ada.email)
    answer = get(client, token, request_id)
    assert answer.status_code == 200 and answer.headers["content-type"] == "application/zip"
    assert answer.headers["cache-control"] == "no-store" and "attachment" in answer.headers["content-disposition"]
    assert int(answer.headers["content-length"]) == len(answer.content)
    assert "summary.html" in zipfile.ZipFile(io.BytesIO(answer.content)).namelist()
    again = get(client, token, request_id)
    assert again.status_code == 404 and again.json()["code"] == "COPY_FETCHED"


def test_what_broke_off_goes_on_where_it_ended(
    client: TestClient, sqlite_runtime: Runtime, ada: Account, request_id: str
) -> None:
    token = token_of(sqlite_runtime, ada.email)
    with client.stream(
        "GET", f"/api/privacy/requests/{request_id}/download", headers={"Authorization": f"Bearer {token}"}
    ) as broken:
        size = int(broken.headers["content-length"])
    # The test's client takes all that is sent, so the try above counted: a new file takes the place of the old one.
    assert size > 500_000
    beyond = get(client, token, request_id, Range=f"bytes={size + 10}-")
    assert beyond.status_code in (404, 422)


def test_a_part_is_answered_as_one(client: TestClient, sqlite_runtime: Runtime, ada: Account, request_id: str) -> None:
    token = token_of(sqlite_runtime, ada.email)
    answer = get(client, token, request_id, Range="bytes=400000-")
    size = int(answer.headers["content-range"].rpartition("/")[2])
    assert answer.status_code == 206 and len(answer.content) == size - 400_000
    assert answer.headers["content-range"] == f"bytes 400000-{size - 1}/{size}"


def test_nobody_else_and_not_without_the_password(
    client: TestClient, sqlite_runtime: Runtime, ada: Account, request_id: str
) -> None:
    create_account(sqlite_runtime, email="eve@example.org", password=PASSWORD, roles=("admin", "privacy_admin"))
    assert get(client, None, request_id).status_code == 401
    theirs = get(client, token_of(sqlite_runtime, "eve@example.org"), request_id)
    assert theirs.status_code == 404 and theirs.json()["code"] == "COPY_NOT_FOUND"
    token = token_of(sqlite_runtime, ada.email)
    with sqlite_runtime.database.write() as session:
        long_ago = sqlite_runtime.clock.now() - timedelta(minutes=11)
        session.execute(update(SessionRow).where(SessionRow.account_id == ada.id).values(confirmed_at=long_ago))
    stale = get(client, token, request_id)
    assert stale.status_code == 403 and stale.json()["code"] == "CONFIRM_PASSWORD"
    client.cookies.set(cookie_name(https=False), token_of(sqlite_runtime, ada.email))
    assert get(client, None, request_id).status_code == 200, "a browser's own session does"
