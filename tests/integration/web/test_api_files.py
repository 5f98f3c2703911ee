"""Files over HTTP: every way to send one, what is refused, and who may have it back."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from anyio import to_thread
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.testclient import TestClient

from core.accounts.authentication import sign_in
from core.accounts.commands import create_account
from core.platform.files.inspection import AT_ONCE
from core.platform.runtime import Runtime
from tests.conftest import PASSWORD
from tests.integration.web.conftest import ORIGIN
from tests.integration.web.test_api_basics import problem
from tests.support import samples
from web.api.payloads import FileAnswer
from web.api.shapes import Listing
from web.middleware import build_middleware
from web.routes import build_routes


@pytest.fixture
def small(runtime_with: Callable[..., Runtime]) -> Iterator[tuple[TestClient, Runtime]]:
    """An installation whose files have a megabyte at most."""
    runtime = runtime_with(app_url=ORIGIN, file_max_mb=1)
    create_account(runtime, email="ada@example.org", password=PASSWORD)
    token = sign_in(runtime, email="ada@example.org", password=PASSWORD).token
    app = Starlette(routes=build_routes(runtime), middleware=build_middleware(runtime))
    with TestClient(app, base_url=ORIGIN, headers={"Authorization": f"Bearer {token}"}) as client:
        yield client, runtime


def stored(runtime: Runtime) -> list[Path]:
    return [path for path in runtime.settings.blobs.rglob("*") if path.is_file()]


def other(runtime: Runtime) -> dict[str, str]:
    create_account(runtime, email="eve@example.org", password=PASSWORD)
    return {"Authorization": f"Bearer {sign_in(runtime, email='eve@example.org', password=PASSWORD).token}"}


@pytest.mark.parametrize("base", ["/api", "/v1/api"])
def test_a_form_with_a_file(api: TestClient, base: str) -> None:
    answer = api.post(f"{base}/files", files={"file": ("Größe ‹1›.csv", samples.CSV, "text/csv")})
    assert answer.status_code == 201
    file = answer.json()
    FileAnswer.model_validate(file)
    assert set(file) == {"id", "name", "kind", "media_type", "size", "created_at"}
    assert (file["name"], file["kind"], file["media_type"]) == ("Größe ‹1›.csv", "csv", "text/csv")
    assert file["size"] == len(samples.CSV) and file["created_at"].endswith("Z")
    back = api.get(f"{base}/files/{file['id']}")
    assert back.status_code == 200 and back.content == samples.CSV
    assert back.headers["content-disposition"] == f"attachment; filename*=UTF-8''{quote('Größe ‹1›.csv')}"
    assert back.headers["content-length"] == str(len(samples.CSV))
    assert back.headers["content-type"] == "text/csv; charset=utf-8"
    assert back.headers["x-content-type-options"] == "nosniff" and back.headers["cache-control"] == "no-store"
    policy = back.headers["content-security-policy"]
    assert "sandbox" in policy.split("; ") and "default-src 'none'" in policy


@pytest.mark.parametrize(
    ("headers", "name"),
    [
        ({"X-File-Name": quote("Zoë.csv")}, "Zoë.csv"),
        ({"Content-Disposition": 'attachment; filename="a b.csv"'}, "a b.csv"),
        ({"Content-Disposition": f"attachment; filename=x.csv; filename*=UTF-8''{quote('é.csv')}"}, "é.csv"),
        ({"X-File-Name": "..%2F..%2Fetc%2Fpasswd"}, "passwd"),
        ({}, "file"),
        ({"Content-Type": "application/x-www-form-urlencoded"}, "file"),
    ],
)
def test_a_bare_body(api: TestClient, headers: dict[str, str], name: str) -> None:
    answer = api.post("/api/files", content=samples.CSV, headers=headers)
    assert answer.status_code == 201, answer.text
    assert (answer.json()["name"], answer.json()["kind"]) == (name, "csv")


def test_the_declared_type_only_decides_between_kinds_of_text(api: TestClient) -> None:
    bare = b"one\n2\n"
    assert api.post("/api/files", content=bare, headers={"Content-Type": "text/csv"}).json()["kind"] == "csv"
    assert api.post("/api/files", content=bare).json()["kind"] == "text"
    picture = api.post("/api/files", content=samples.image(), headers={"Content-Type": "text/csv"}).json()
    assert picture["media_type"] == "image/png"


def test_many_chunks_and_binary_content_arrive_whole(api: TestClient) -> None:
    words = b"".join(b"%d, \r\n--boundary\r\n" % n for n in range(60_000))
    answer = api.post("/api/files", files={"file": ("a.txt", words)})
    assert answer.status_code == 201 and answer.json()["size"] == len(words)
    assert api.get(f"/api/files/{answer.json()['id']}").content == words
    pieces = (words[at : at + 777] for at in range(0, len(words), 777))
    bare = api.post("/api/files", content=pieces, headers={"X-File-Name": "a.txt"})
    assert api.get(f"/api/files/{bare.json()['id']}").content == words


def test_pages_of_others_are_never_pages_of_ours(api: TestClient) -> None:
    file = api.post("/api/files", files={"file": ("a.html", b"<html><script>alert(1)</script>")}).json()
    assert file["media_type"] == "text/html"
    back = api.get(f"/api/files/{file['id']}")
    assert back.headers["content-type"] == "text/plain; charset=utf-8"
    assert back.headers["content-disposition"].startswith("attachment;")


def test_everything_is_the_owners_only(api: TestClient, web_runtime: Runtime) -> None:
    file = api.post("/api/files", content=b"my words").json()
    theirs = other(web_runtime)
    problem(api.get(f"/api/files/{file['id']}", headers=theirs), 404, "FILE_NOT_FOUND")
    problem(api.delete(f"/api/files/{file['id']}", headers=theirs), 404, "FILE_NOT_FOUND")
    assert api.get("/api/files", headers=theirs).json()["items"] == []
    problem(api.get("/api/files/..%2f..%2fkeys%2fmaster.key"), 404, "NOT_FOUND")
    problem(api.get("/api/files/none"), 404, "FILE_NOT_FOUND")
    assert api.get(f"/api/files/{file['id']}").status_code == 200


def test_the_cookie_reads_a_file_and_sends_none(api: TestClient, token: str) -> None:
    file = api.post("/api/files", content=b"my words").json()
    del api.headers["Authorization"]
    problem(api.get(f"/api/files/{file['id']}"), 401, "UNAUTHENTICATED")
    api.cookies.set("stepiq_session", token)
    assert api.get(f"/api/files/{file['id']}").content == b"my words"
    problem(api.post("/api/files", content=b"more"), 401, "UNAUTHENTICATED")
    problem(api.delete(f"/api/files/{file['id']}"), 401, "UNAUTHENTICATED")


def test_lists_and_deletes(api: TestClient, web_runtime: Runtime) -> None:
    ids = [api.post("/api/files", content=b"text %d" % n).json()["id"] for n in range(3)]
    page = api.get("/api/files?limit=2").json()
    Listing[FileAnswer].model_validate(page)
    assert [file["id"] for file in page["items"]] == ids[:0:-1]
    rest = api.get(f"/api/files?limit=2&cursor={page['next_cursor']}").json()
    assert [file["id"] for file in rest["items"]] == ids[:1] and rest["next_cursor"] is None
    assert api.delete(f"/api/files/{ids[0]}").status_code == 204
    problem(api.delete(f"/api/files/{ids[0]}"), 404, "FILE_NOT_FOUND")
    problem(api.get(f"/api/files/{ids[0]}"), 404, "FILE_NOT_FOUND")
    assert len(stored(web_runtime)) == 2


def test_what_is_refused_and_why(api: TestClient, web_runtime: Runtime) -> None:
    for content, name, status, code in (
        (b"", "a.csv", 422, "FILE_EMPTY"),
        (samples.SVG, "a.svg", 415, "FILE_TYPE_UNSUPPORTED"),
        (samples.zip_bomb(), "a.csv", 415, "FILE_TYPE_UNSUPPORTED"),
        (samples.ELF, "a.txt", 415, "FILE_TYPE_UNSUPPORTED"),
        (b"{", "a.json", 422, "FILE_INVALID"),
        (samples.locked_pdf("x", "pw"), "a.pdf", 422, "FILE_ENCRYPTED"),
    ):
        body = problem(api.post("/api/files", files={"file": (name, content)}), status, code)
        assert body["details"] == [{"path": "file", "code": code, "message": body["error"]}]
    assert stored(web_runtime) == []


def test_bodies_that_are_no_whole_form(api: TestClient, web_runtime: Runtime) -> None:
    form = {"Content-Type": "multipart/form-data; boundary=XX"}
    part = b'--XX\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\nwords\r\n'
    for headers, content, code, status in (
        (form, part, "MALFORMED_UPLOAD", 400),
        (form, part[:-9], "MALFORMED_UPLOAD", 400),
        (form, b"words", "MALFORMED_UPLOAD", 400),
        (form, b"", "MALFORMED_UPLOAD", 400),
        ({"Content-Type": "multipart/form-data"}, part, "MALFORMED_UPLOAD", 400),
        ({"Content-Type": "multipart/form-data; boundary=" + "X" * 71}, part, "MALFORMED_UPLOAD", 400),
        (form, part.replace(b'"file"', b'"other"') + b"--XX--\r\n", "FILE_MISSING", 422),
        (form, part + part + b"--XX--\r\n", "INVALID_REQUEST", 422),
        (form, b"--XX\r\n" + b"X-A: " + b"x" * 9_000 + b"\r\n" + part[6:] + b"--XX--\r\n", "MALFORMED_UPLOAD", 400),
    ):
        problem(api.post("/api/files", content=content, headers=headers), status, code)
    assert stored(web_runtime) == []
    assert api.post("/api/files", content=part + b"--XX--\r\n", headers=form).status_code == 201


def test_a_file_may_be_larger_than_another_body_but_not_than_its_limit(small: tuple[TestClient, Runtime]) -> None:
    client, runtime = small
    megabyte = 1024 * 1024

    def chunks(size: int) -> Iterator[bytes]:  # no length is declared
        for _ in range(size // 1024):
            yield b"words " * 170 + b"1234"

    for send in (lambda size: b"w" * size, chunks):
        for size in (megabyte + 1024, megabyte + 200 * 1024, 5 * megabyte):
            problem(client.post("/api/files", content=send(size)), 413, "FILE_TOO_LARGE")
    large = client.post("/api/files", files={"file": ("a", b"w" * (megabyte + 1))})
    assert "1 MB" in problem(large, 413, "FILE_TOO_LARGE")["error"]
    problem(client.post("/api/files/", content=b"w" * megabyte), 413, "BODY_TOO_LARGE")
    problem(client.post("/api/pipelines", content=b"w" * megabyte), 413, "BODY_TOO_LARGE")
    assert stored(runtime) == []
    assert client.post("/api/files", content=chunks(megabyte)).status_code == 201
    assert client.post("/v1/api/files", files={"file": ("a", b"w" * megabyte)}).status_code == 201


def test_nobody_unknown_sends_a_file(client: TestClient, web_runtime: Runtime) -> None:
    problem(client.post("/api/files", content=b"words" * 9_000), 401, "UNAUTHENTICATED")
    assert not web_runtime.settings.blobs.exists()


def test_a_client_that_goes_away_leaves_nothing(client: TestClient, web_runtime: Runtime, token: str) -> None:
    messages: list[dict[str, Any]] = [
        {"type": "http.request", "body": b"word " * 200_000, "more_body": True},
        {"type": "http.disconnect"},
    ]
    sent: list[Any] = []
    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": "/api/files",
        "raw_path": b"/api/files",
        "root_path": "",
        "query_string": b"",
        "headers": [(b"host", b"testserver"), (b"authorization", f"Bearer {token}".encode())],
        "client": ("127.0.0.1", 50000),
        "server": ("testserver", 80),
    }

    async def receive() -> dict[str, Any]:
        if len(messages) == 1:
            assert [path.suffix for path in stored(web_runtime)] == [".part"], "what came is sealed already"
        return messages.pop(0) if messages else {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)

    assert client.portal is not None
    client.portal.call(client.app, scope, receive, send)
    assert stored(web_runtime) == []


async def test_uploads_that_wait_hold_no_thread(runtime_with: Callable[..., Runtime]) -> None:
    runtime = runtime_with(app_url=ORIGIN)
    create_account(runtime, email="ada@example.org", password=PASSWORD)
    token = sign_in(runtime, email="ada@example.org", password=PASSWORD).token
    app = Starlette(routes=build_routes(runtime), middleware=build_middleware(runtime))
    (judging,) = {route.app.state.judging for route in app.routes if isinstance(route, Mount)}
    headers = {"Authorization": f"Bearer {token}"}
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url=ORIGIN, headers=headers, timeout=60) as client:
        uploads = [client.post("/api/files", content=b"words %d" % n) for n in range(50)]
        tasks = [asyncio.create_task(upload) for upload in uploads]
        while judging.statistics().tasks_waiting < 40:
            assert not all(task.done() for task in tasks)
            await asyncio.sleep(0.01)
        assert judging.borrowed_tokens == AT_ONCE
        assert to_thread.current_default_thread_limiter().borrowed_tokens < 10
        assert (await client.get("/api/user/me")).status_code == 200
        answers = await asyncio.gather(*tasks)
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.json()["id"] for answer in answers}) == 50


def test_models_say_whether_they_see(client: TestClient) -> None:
    models = {model["id"]: model for model in client.get("/api/models").json()["items"]}
    assert models["claude-sonnet-5-5"]["vision"] and models["gpt-4o"]["vision"]
    assert not models["demo"]["vision"] and not models["gpt-3.5-turbo"]["vision"]


def test_the_upload_is_documented(client: TestClient) -> None:
    operation = client.get("/api/openapi.json").json()["paths"]["/files"]["post"]
    form = operation["requestBody"]["content"]["multipart/form-data"]["schema"]
    assert form["required"] == ["file"] and form["properties"]["file"]["format"] == "binary"
    assert {"201", "400", "401", "403", "408", "413", "415", "422"} <= set(operation["responses"])
