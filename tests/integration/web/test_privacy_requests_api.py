"""`privacy/requests` over HTTP: who asks, what is answered, and that nothing is anybody else's or a key's."""

from collections.abc import Callable
from io import BytesIO

import pytest
from pypdf import PdfReader
from sqlalchemy import text
from starlette.testclient import TestClient

from core.accounts.domain import Account
from core.platform.runtime import Runtime
from tests.integration.web.test_api_basics import problem
from tests.support.letters import last_letter, token_in


@pytest.fixture
def web_runtime(runtime_with: Callable[..., Runtime], database_settings: dict[str, str]) -> Runtime:
    return runtime_with(app_url="http://testserver", **database_settings)


def forget_password_was_entered(runtime: Runtime) -> None:
    with runtime.database.write() as session:
        session.execute(text("UPDATE sessions SET confirmed_at = NULL"))


def test_a_right_is_used_and_followed(api: TestClient, web_runtime: Runtime) -> None:
    asked = api.post("/api/privacy/requests", json={"right": "erasure"})
    assert asked.status_code == 201
    body = asked.json()
    assert {"id", "right", "status", "received_at", "due_at"} <= set(body)
    assert (body["right"], body["status"], body["identity"]) == ("erasure", "scheduled", "session")
    assert body["start_at"] > body["received_at"] and body["received_at"].endswith("Z")
    again = problem(api.post("/api/privacy/requests", json={"right": "erasure"}), 409, "ERASURE_ASKED")
    assert "already" in again["error"]
    found = api.get(f"/api/privacy/requests/{body['id']}").json()
    assert [event["code"] for event in found["events"]] == ["received", "identity_session", "scheduled"]
    assert [item["id"] for item in api.get("/api/privacy/requests").json()["items"]] == [body["id"]]
    assert api.post(f"/api/privacy/requests/{body['id']}/begin").json()["start_at"] <= body["start_at"]
    assert api.post(f"/api/privacy/requests/{body['id']}/withdraw").json()["outcome"] == "withdrawn"
    problem(api.post(f"/api/privacy/requests/{body['id']}/withdraw"), 409, "REQUEST_MOVED")
    problem(api.get(f"/api/privacy/requests/{body['id']}/download"), 404, "COPY_NOT_FOUND")


def test_without_the_password_it_waits_for_a_mailed_link(
    api: TestClient, web_runtime: Runtime, person: Account
) -> None:
    forget_password_was_entered(web_runtime)
    body = api.post("/api/privacy/requests", json={"right": "objection"}).json()
    assert (body["status"], body["identity"]) == ("awaiting_identity", None)
    problem(api.post(f"/api/privacy/requests/{body['id']}/begin"), 403, "CONFIRM_PASSWORD")
    assert token_in(last_letter(web_runtime, person.email), "/privacy/confirm")


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({}, 422, "INVALID_REQUEST"),
        ({"right": "fame"}, 422, "INVALID_REQUEST"),
        ({"right": "access", "more": 1}, 422, "INVALID_REQUEST"),
        ({"right": "access", "name": "X"}, 422, "NOT_FOR_THIS_RIGHT"),
        ({"right": "rectification"}, 422, "NOTHING_TO_CORRECT"),
        ({"right": "access", "text": "x" * 5001}, 422, "INVALID_REQUEST"),
        ({"right": "access", "text": "a\0b"}, 422, "NUL_CHARACTER"),
        ({"right": "access", "at_once": "yes"}, 422, "INVALID_REQUEST"),
    ],
)
def test_what_makes_no_sense_is_refused(api: TestClient, body: dict[str, object], status: int, code: str) -> None:
    problem(api.post("/api/privacy/requests", json=body), status, code)
    assert api.get("/api/privacy/requests").json()["items"] == []


def test_sent_again_under_a_key_it_is_the_same_request(api: TestClient) -> None:
    sent = {"json": {"right": "rectification", "name": "Ada L."}, "headers": {"Idempotency-Key": "k1"}}
    first, second = api.post("/api/privacy/requests", **sent), api.post("/api/privacy/requests", **sent)
    assert first.json()["id"] == second.json()["id"] and len(api.get("/api/privacy/requests").json()["items"]) == 1
    other = {**sent, "json": {"right": "access"}}
    problem(api.post("/api/privacy/requests", **other), 409, "IDEMPOTENCY_KEY_REUSED")


def test_the_answer_is_a_letter(api: TestClient, web_runtime: Runtime) -> None:
    waits = api.post("/api/privacy/requests", json={"right": "access"}).json()["id"]
    problem(api.get(f"/api/privacy/requests/{waits}/answer"), 409, "NOT_ANSWERED")
    done = api.post("/api/privacy/requests", json={"right": "rectification", "language": "fr"}).json()
    assert done["outcome"] == "fulfilled"
    letter = api.get(f"/api/privacy/requests/{done['id']}/answer")
    assert letter.status_code == 200 and letter.headers["content-type"] == "application/pdf"
    assert letter.headers["cache-control"] == "no-store"
    reader = PdfReader(BytesIO(letter.content))
    said = "\n".join(page.extract_text() for page in reader.pages)
    assert "Réponse à votre demande" in said and done["id"] in said and "Vos données ont été rectifiées" in said
    assert reader.trailer["/Root"]["/Lang"] == "fr"


def test_pages_of_requests(api: TestClient) -> None:
    made = [api.post("/api/privacy/requests", json={"right": "rectification", "name": f"A{n}"}) for n in range(3)]
    ids = [each.json()["id"] for each in made]
    first = api.get("/api/privacy/requests?limit=2").json()
    rest = api.get(f"/api/privacy/requests?limit=2&cursor={first['next_cursor']}").json()
    assert [item["id"] for item in first["items"] + rest["items"]] == ids[::-1] and rest["next_cursor"] is None
