"""Who may use the API, what errors look like, and what anybody may read."""

import json
from typing import Any

import jsonschema
import pytest
from starlette.testclient import TestClient

from core.accounts.domain import Account
from core.accounts.queries import find_session
from core.accounts.sessions import sign_out
from core.platform.runtime import Runtime
from tests.conftest import PASSWORD
from web.api.account_payloads import SignedInUser, UsageAnswer, User
from web.api.payloads import ModelAnswer
from web.api.shapes import Listing, Problem
from web.body_limit import DRAIN, MAX_BODY


def problem(answer: Any, status: int, code: str) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/json"
    body: dict[str, Any] = answer.json()
    assert set(body) <= {"error", "code", "details"} and body["code"] == code and body["error"]
    Problem.model_validate(body)
    return body


def test_health_and_ready_on_both_addresses(client: TestClient) -> None:
    for base in ("/api", "/v1/api"):
        health, ready = client.get(f"{base}/health"), client.get(f"{base}/ready")
        assert health.json().keys() == {"status", "version"} and health.json()["status"] == "ok"
        assert ready.status_code == 200 and ready.json() == health.json()


def test_ready_says_when_the_database_does_not_answer(client: TestClient, web_runtime: Runtime, monkeypatch) -> None:
    def broken() -> None:
        raise OSError("disk gone, path /secret")

    monkeypatch.setattr(web_runtime.database, "read", broken)
    body = problem(client.get("/api/ready"), 503, "NOT_READY")
    assert "secret" not in json.dumps(body)
    assert client.get("/api/health").status_code == 200


def test_signing_in_gives_a_token_that_dies_with_signing_out(
    client: TestClient, web_runtime: Runtime, person: Account
) -> None:
    answer = client.post("/v1/api/auth/login", json={"email": person.email, "password": PASSWORD})
    assert answer.status_code == 200 and "set-cookie" not in answer.headers
    SignedInUser.model_validate(answer.json())
    token = answer.json()["token"]
    bearer = {"Authorization": f"Bearer {token}"}
    me = client.get("/api/user/me", headers=bearer)
    assert me.status_code == 200 and me.json() == answer.json()["user"]
    User.model_validate(me.json())
    assert me.json()["email"] == person.email and me.json()["created_at"].endswith("Z")
    out = client.post("/api/auth/logout", headers=bearer)
    assert out.status_code == 204 and out.content == b""
    assert find_session(web_runtime, token) is None
    problem(client.get("/api/user/me", headers=bearer), 401, "UNAUTHENTICATED")
    problem(client.post("/api/auth/logout", headers=bearer), 401, "UNAUTHENTICATED")


def test_wrong_credentials_are_401_and_echo_nothing(client: TestClient, person: Account) -> None:
    answer = client.post("/api/auth/login", json={"email": person.email, "password": "not this one"})
    body = problem(answer, 401, "INVALID_CREDENTIALS")
    assert "not this one" not in json.dumps(body)
    missing = client.post("/api/auth/login", json={"email": 7, "password": "hidden hidden", "more": 1})
    body = problem(missing, 422, "INVALID_REQUEST")
    assert {d["path"] for d in body["details"]} == {"email", "more"} and "hidden" not in missing.text


ROUTES = [
    ("GET", "/user/me"),
    ("GET", "/user/usage"),
    ("GET", "/pipelines"),
    ("POST", "/pipelines"),
    ("POST", "/pipelines/validate"),
    ("GET", "/pipelines/x"),
    ("PUT", "/pipelines/x"),
    ("DELETE", "/pipelines/x"),
    ("POST", "/pipelines/x/restore"),
    ("GET", "/pipelines/x/versions"),
    ("GET", "/pipelines/x/versions/1"),
    ("GET", "/pipelines/x/export"),
    ("POST", "/pipelines/x/estimate"),
    ("POST", "/pipelines/x/run"),
    ("GET", "/runs"),
    ("GET", "/runs/x"),
    ("GET", "/runs/x/stream"),
    ("POST", "/runs/x/cancel"),
    ("POST", "/runs/x/retry"),
    ("POST", "/auth/logout"),
    ("GET", "/files"),
    ("POST", "/files"),
    ("GET", "/files/x"),
    ("DELETE", "/files/x"),
]


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_everything_personal_needs_a_token(client: TestClient, method: str, path: str) -> None:
    for headers in ({}, {"Authorization": "Bearer x"}, {"Authorization": "Basic eDp5"}, {"X-API-Key": "sk_live_x"}):
        answer = client.request(method, f"/api{path}", headers=headers)
        problem(answer, 401, "UNAUTHENTICATED")
        assert answer.headers["www-authenticate"] == "Bearer"


def test_the_cookie_reads_but_changes_nothing(client: TestClient, web_runtime: Runtime, token: str) -> None:
    client.cookies.set("stepiq_session", token)
    assert client.get("/api/user/me").status_code == 200
    for method, path in ROUTES:
        if method != "GET":
            problem(client.request(method, f"/api{path}", json={}), 401, "UNAUTHENTICATED")
    wrong = client.get("/api/user/me", headers={"Authorization": "Bearer x"})
    assert wrong.status_code == 401, "a header that is there counts, not the cookie beside it"
    sign_out(web_runtime, token)
    assert client.get("/api/user/me").status_code == 401


def test_unknown_addresses_and_methods(api: TestClient) -> None:
    problem(api.get("/api/nothing"), 404, "NOT_FOUND")
    problem(api.get("/api/"), 404, "NOT_FOUND")
    problem(api.get("/api/pipelines/"), 404, "NOT_FOUND")
    answer = api.delete("/api/user/me")
    problem(answer, 405, "METHOD_NOT_ALLOWED")
    assert "GET" in answer.headers["allow"]
    problem(api.get("/api/runs/none"), 404, "RUN_NOT_FOUND")
    problem(api.get("/api/pipelines/none"), 404, "PIPELINE_NOT_FOUND")


@pytest.mark.parametrize(
    "body",
    [b"{", b"", b"{'a': 1}", b'{"email": NaN}', b'{"a": "\\ud800"}', b'{"a": "\xff"}', b"[" * 20_000, b"1" * 5000],
)
def test_malformed_json_is_400_everywhere(api: TestClient, body: bytes) -> None:
    headers = {"Content-Type": "application/json"}
    for path in ("/auth/login", "/pipelines", "/pipelines/validate", "/pipelines/x/run"):
        if body or path.endswith("pipelines"):
            answer = api.post(f"/api{path}", content=body, headers=headers)
            if not (path == "/pipelines/x/run" and answer.status_code == 422):
                problem(answer, 400, "MALFORMED_JSON")


def test_bodies_above_256_kb_are_refused_while_they_arrive(api: TestClient) -> None:
    def chunks(size: int):  # no length is declared
        for _ in range(size // 1024):
            yield b" " * 1024

    for path in ("/pipelines", "/pipelines/validate", "/auth/login"):
        headers = {"Content-Type": "application/json"}
        for size in (MAX_BODY + 1, DRAIN + 1):
            problem(api.post(f"/api{path}", content=b" " * size, headers=headers), 413, "BODY_TOO_LARGE")
        problem(api.post(f"/api{path}", content=chunks(MAX_BODY + 1024), headers=headers), 413, "BODY_TOO_LARGE")
        problem(api.post(f"/api{path}", content=chunks(MAX_BODY), headers=headers), 400, "MALFORMED_JSON")
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    assert api.post("/auth/login", content=chunks(MAX_BODY + 1024), headers=form).status_code == 413


def test_models_are_public_with_our_markup(client: TestClient, web_runtime: Runtime) -> None:
    answer = client.get("/api/models")
    assert answer.status_code == 200
    Listing[ModelAnswer].model_validate(answer.json())
    models = {model["id"]: model for model in answer.json()["items"]}
    assert models["demo"]["free"] and models["demo"]["available"]
    priced = next(card for card in web_runtime.catalogue.list() if card.price is not None and not card.free)
    assert priced.price is not None
    shown = models[priced.id]["prices"]
    assert shown["input_usd_per_mtok"] == pytest.approx(float(priced.price.input_usd_per_mtok) * 1.25)
    assert not models[priced.id]["available"], "no platform key is set"
    assert models[priced.id]["data_terms"]["checked_at"]


def test_the_schema_of_the_format_is_public(client: TestClient) -> None:
    schema = client.get("/api/schema/pipeline.json").json()
    jsonschema.Draft202012Validator.check_schema(schema)
    good = {"name": "Hello", "steps": [{"id": "hello", "model": "demo", "prompt": "Say hello."}]}
    jsonschema.validate(good, schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"name": "Hello", "steps": []}, schema)


def test_every_route_is_documented(client: TestClient) -> None:
    document = client.get("/api/openapi.json").json()
    operations = {
        (method.upper(), path): operation
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    }
    for method, path in ROUTES:
        named = {"pipelines": "pipeline_id", "runs": "run_id", "files": "file_id"}.get(path.split("/")[1], "")
        wanted = path.replace("/x", f"/{{{named}}}").replace("/1", "/{number}")
        operation = operations[method, wanted]
        assert operation.get("description"), wanted
        assert "401" in operation["responses"], wanted
    assert {("GET", "/health"), ("GET", "/models"), ("POST", "/auth/login")} <= set(operations)
    assert document["servers"] == [{"url": "/api"}]


def test_usage_starts_at_nothing(api: TestClient) -> None:
    usage = api.get("/api/user/usage").json()
    UsageAnswer.model_validate(usage)
    assert usage == {"credits_used": 0, "credits_remaining": None, "runs_today": 0, "total_cost_cents": 0}
