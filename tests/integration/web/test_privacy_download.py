"""`privacy/requests/{id}/download`: a copy over HTTP, whole, in parts, and for nobody but its owner."""

import io
import zipfile
from contextlib import suppress
from datetime import timedelta
from secrets import token_hex

import httpx
import pytest
from sqlalchemy import update
from starlette.applications import Starlette
from starlette.testclient import TestClient
from starlette.types import Message

from core.accounts.authentication import sign_in
from core.accounts.commands import create_account
from core.accounts.domain import Account, cookie_name
from core.accounts.models import SessionRow
from core.platform.files.commands import store_file
from core.platform.runtime import Runtime
from core.privacy.advance import advance_request
from core.privacy.export.fetching import find_copy
from core.privacy.models import PrivacyRequestRow
from tests.conftest import PASSWORD
from tests.integration.web.conftest import ORIGIN
from web.middleware import build_middleware
from web.routes import build_routes


@pytest.fixture
def ada(web_runtime: Runtime) -> Account:
    person = create_account(web_runtime, email="ada@example.org", password=PASSWORD)
    store_file(web_runtime, person.id, "long.txt", token_hex(600_000).encode())
    return person


@pytest.fixture
def request_id(web_runtime: Runtime, ada: Account) -> str:
    now = web_runtime.clock.now()
    row = PrivacyRequestRow(
        id=web_runtime.ids.new(), account_id=ada.id, right="access", status="scheduled", received_at=now,
        due_at=now + timedelta(days=30), fence=0,
    )  # fmt: skip
    with web_runtime.database.write() as session:
        session.add(row)
    assert advance_request(web_runtime, row.id)
    return row.id


def token_of(runtime: Runtime, email: str) -> str:
    return sign_in(runtime, email=email, password=PASSWORD).token


def get(client: TestClient, token: str | None, request_id: str, **headers: str) -> httpx.Response:
    sent = headers | ({"Authorization": f"Bearer {token}"} if token else {})
    return client.get(f"/api/privacy/requests/{request_id}/download", headers=sent)


def test_its_owner_gets_it_once(client: TestClient, web_runtime: Runtime, ada: Account, request_id: str) -> None:
    token = token_of(web_runtime, ada.email)
    answer = get(client, token, request_id)
    assert answer.status_code == 200 and answer.headers["content-type"] == "application/zip"
    assert answer.headers["cache-control"] == "no-store" and "attachment" in answer.headers["content-disposition"]
    assert int(answer.headers["content-length"]) == len(answer.content)
    assert "summary.html" in zipfile.ZipFile(io.BytesIO(answer.content)).namelist()
    again = get(client, token, request_id)
    assert again.status_code == 404 and again.json()["code"] == "COPY_FETCHED"


async def test_what_broke_off_on_the_way_goes_on_where_it_ended(
    web_runtime: Runtime, ada: Account, request_id: str
) -> None:
    app = Starlette(routes=build_routes(web_runtime), middleware=build_middleware(web_runtime))
    token = token_of(web_runtime, ada.email)
    path = f"/api/privacy/requests/{request_id}/download"
    scope = {
        "type": "http", "asgi": {"version": "3.0", "spec_version": "2.4"}, "http_version": "1.1", "method": "GET",
        "scheme": "http", "path": path, "raw_path": path.encode(), "root_path": "", "query_string": b"",
        "headers": [(b"host", b"testserver"), (b"authorization", f"Bearer {token}".encode())],
        "client": ("127.0.0.1", 5), "server": ("testserver", 80),
    }  # fmt: skip
    got: list[bytes] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        if message["type"] == "http.response.body":
            if got:
                raise OSError("the client is gone")
            got.append(message["body"])

    with suppress(Exception):
        await app(scope, receive, send)
    view = find_copy(web_runtime, ada.id, request_id)
    assert len(got) == 1 and view is not None and view.fetched_at is None
    with TestClient(app, base_url=ORIGIN) as client:
        rest = get(client, token, request_id, Range=f"bytes={len(got[0])}-")
    assert rest.status_code == 206 and len(got[0]) + len(rest.content) == view.size
    assert zipfile.ZipFile(io.BytesIO(got[0] + rest.content)).testzip() is None
    view = find_copy(web_runtime, ada.id, request_id)
    assert view is not None and view.fetched_at is not None


def test_a_part_is_answered_as_one(client: TestClient, web_runtime: Runtime, ada: Account, request_id: str) -> None:
    token = token_of(web_runtime, ada.email)
    answer = get(client, token, request_id, Range="bytes=400000-")
    size = int(answer.headers["content-range"].rpartition("/")[2])
    assert answer.status_code == 206 and len(answer.content) == size - 400_000
    assert answer.headers["content-range"] == f"bytes 400000-{size - 1}/{size}"


def test_nobody_else_and_not_without_the_password(
    client: TestClient, web_runtime: Runtime, ada: Account, request_id: str
) -> None:
    create_account(web_runtime, email="eve@example.org", password=PASSWORD, roles=("admin", "privacy_admin"))
    assert get(client, None, request_id).status_code == 401
    theirs = get(client, token_of(web_runtime, "eve@example.org"), request_id)
    assert theirs.status_code == 404 and theirs.json()["code"] == "COPY_NOT_FOUND"
    token = token_of(web_runtime, ada.email)
    with web_runtime.database.write() as session:
        long_ago = web_runtime.clock.now() - timedelta(minutes=11)
        session.execute(update(SessionRow).where(SessionRow.account_id == ada.id).values(confirmed_at=long_ago))
    stale = get(client, token, request_id)
    assert stale.status_code == 403 and stale.json()["code"] == "CONFIRM_PASSWORD"
    client.cookies.set(cookie_name(https=False), token_of(web_runtime, ada.email))
    assert get(client, None, request_id).status_code == 200, "a browser's own session does"
