"""API keys: shown once, kept as a hash, held to their scopes, over at once; and the webhooks they open."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select
from starlette.testclient import TestClient

from core.accounts.api_keys import create_api_key, find_key_holder
from core.accounts.authentication import sign_in
from core.accounts.commands import create_account
from core.accounts.domain import SCOPES, Account
from core.accounts.models import ApiKeyRow
from core.pipelines.commands import create_pipeline
from core.platform.runtime import Runtime
from tests.conftest import PASSWORD
from tests.support.clock import FixedClock

GREETING = {
    "name": "Greeting",
    "version": 1,
    "input": {"schema": {"name": {"type": "string", "required": True}}},
    "steps": [{"id": "greet", "type": "transform", "template": "Hello {{input.name}}"}],
}


@pytest.fixture
def pipeline(web_runtime: Runtime, person: Account) -> str:
    return create_pipeline(web_runtime, person, GREETING).id


@pytest.fixture
def key_with(web_runtime: Runtime, person: Account) -> Callable[..., dict[str, str]]:
    """The header of a new key with some scopes."""

    def make(*scopes: str) -> dict[str, str]:
        return {"X-API-Key": create_api_key(web_runtime, person, "Test", scopes).key}

    return make


def test_a_key_is_shown_once_and_kept_as_a_hash(api: TestClient, web_runtime: Runtime) -> None:
    made = api.post("/api/user/api-keys", json={"name": "Nightly import", "scopes": ["pipelines:read"]})
    assert made.status_code == 201
    body = made.json()
    assert body["key"].startswith("sk_live_") and body["key"].startswith(body["prefix"]) and len(body["prefix"]) == 12
    (listed,) = api.get("/api/user/api-keys").json()["items"]
    assert listed == {name: value for name, value in body.items() if name != "key"}
    with web_runtime.database.read() as session:
        row = session.scalars(select(ApiKeyRow)).one()
        stored = [str(getattr(row, column.key)) for column in ApiKeyRow.__table__.columns]
    assert not any(body["key"][12:] in value for value in stored) and "Nightly import" not in str(stored)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"name": " ", "scopes": ["pipelines:read"]}, "INVALID_NAME"),
        ({"name": "x" * 101, "scopes": ["pipelines:read"]}, "INVALID_NAME"),
        ({"name": "x", "scopes": []}, "INVALID_SCOPES"),
        ({"name": "x", "scopes": ["admin"]}, "INVALID_SCOPES"),
        ({"name": "x", "scopes": ["pipelines:read"], "expires_at": "2020-01-01T00:00:00Z"}, "INVALID_EXPIRY"),
    ],
)
def test_a_wrong_request_makes_no_key(api: TestClient, body: dict[str, Any], code: str) -> None:
    refused = api.post("/api/user/api-keys", json=body)
    assert refused.status_code == 422 and refused.json()["code"] == code
    assert api.get("/api/user/api-keys").json()["items"] == []


def test_the_free_plan_has_no_keys(web_runtime: Runtime, client: TestClient) -> None:
    create_account(web_runtime, email="free@example.org", password=PASSWORD, plan="free")
    token = sign_in(web_runtime, email="free@example.org", password=PASSWORD).token
    body = {"name": "x", "scopes": ["pipelines:read"]}
    refused = client.post("/api/user/api-keys", json=body, headers={"Authorization": f"Bearer {token}"})
    assert (refused.status_code, refused.json()["code"]) == (403, "PLAN_LIMIT")


def test_a_key_does_what_its_scopes_say_and_no_more(
    client: TestClient, key_with: Callable[..., dict[str, str]], pipeline: str
) -> None:
    acts = {
        "pipelines:read": ("GET", f"/api/pipelines/{pipeline}", None),
        "pipelines:write": ("PUT", f"/api/pipelines/{pipeline}", {"description": "Says hello"}),
        "pipelines:execute": ("POST", f"/api/pipelines/{pipeline}/run", {"input_data": {"name": "Ada"}}),
        "webhooks:trigger": ("POST", f"/api/webhooks/{pipeline}", {"name": "Ada"}),
    }
    assert set(acts) == set(SCOPES)
    for scope in SCOPES:
        key = key_with(scope)
        for act, (method, path, body) in acts.items():
            answer = client.request(method, path, json=body, headers=key)
            expected = answer.is_success if act == scope else answer.status_code == 403
            assert expected, (scope, act, answer.text)
            assert act == scope or answer.json()["code"] == "SCOPE"


def test_a_key_reaches_nothing_of_the_account(client: TestClient, key_with: Callable[..., dict[str, str]]) -> None:
    key = key_with(*SCOPES)
    for method, path in (
        ("GET", "/api/user/me"), ("GET", "/api/user/api-keys"), ("POST", "/api/user/api-keys"),
        ("GET", "/api/user/secrets"), ("GET", "/api/user/usage"),
    ):  # fmt: skip
        assert client.request(method, path, json={"name": "x", "scopes": []}, headers=key).status_code == 401, path


def test_a_key_that_is_over_or_deleted_is_nobody(
    runtime_with: Callable[..., Runtime], database_settings: dict[str, str]
) -> None:
    clock = FixedClock(datetime(2026, 11, 24, tzinfo=UTC))
    runtime = runtime_with(clock=clock, **database_settings)
    owner = create_account(runtime, email="ada@example.org", password=PASSWORD)
    until = clock.now() + timedelta(hours=1)
    made = create_api_key(runtime, owner, "Short", ["pipelines:read"], expires_at=until)
    holder = find_key_holder(runtime, made.key)
    assert holder is not None and holder.account.id == owner.id and holder.scopes == {"pipelines:read"}
    assert find_key_holder(runtime, made.key + "x") is None and find_key_holder(runtime, "") is None
    clock.advance(hours=1)
    assert find_key_holder(runtime, made.key) is None


def test_a_deleted_key_is_refused_at_the_next_request(api: TestClient, client: TestClient, pipeline: str) -> None:
    body = {"name": "x", "scopes": ["pipelines:read"], "expires_at": "2999-01-01T00:00:00Z"}
    made = api.post("/api/user/api-keys", json=body).json()
    assert made["expires_at"] == "2999-01-01T00:00:00.000Z"
    session = client.headers.pop("Authorization")
    with_key = {"X-API-Key": made["key"]}
    assert client.get("/api/pipelines", headers=with_key).status_code == 200
    client.headers["Authorization"] = session
    assert client.get("/api/user/api-keys").json()["items"][0]["last_used_at"] is not None
    assert client.delete(f"/api/user/api-keys/{made['id']}").status_code == 204
    assert client.delete(f"/api/user/api-keys/{made['id']}").status_code == 404
    del client.headers["Authorization"]
    refused = client.get("/api/pipelines", headers=with_key)
    assert (refused.status_code, refused.json()["code"]) == (401, "UNAUTHENTICATED")


def test_somebody_elses_key_cannot_be_deleted(web_runtime: Runtime, api: TestClient) -> None:
    other = create_account(web_runtime, email="bo@example.org", password=PASSWORD)
    made = create_api_key(web_runtime, other, "Theirs", ["pipelines:read"])
    assert api.delete(f"/api/user/api-keys/{made.view.id}").status_code == 404
    assert find_key_holder(web_runtime, made.key) is not None


@pytest.mark.parametrize("body", [{"input_data": {"name": "Ada"}}, {"name": "Ada"}], ids=["wrapped", "whole"])
def test_a_webhook_starts_a_run(
    client: TestClient,
    web_runtime: Runtime,
    pipeline: str,
    key_with: Callable[..., dict[str, str]],
    body: dict[str, Any],
) -> None:
    key = key_with("webhooks:trigger")["X-API-Key"]
    answer = client.post(f"/api/webhooks/{pipeline}?api_key={key}", json=body)
    assert answer.status_code == 202, answer.text
    assert set(answer.json()) == {"accepted", "run_id", "status", "pipeline_id"}
    reading = key_with("pipelines:read")
    run = client.get(f"/api/runs/{answer.json()['run_id']}", headers=reading).json()
    assert (run["trigger_type"], run["input_data"]) == ("webhook", {"name": "Ada"})


def test_a_webhook_is_refused_where_it_should_be(
    client: TestClient, web_runtime: Runtime, pipeline: str, key_with: Callable[..., dict[str, str]]
) -> None:
    url, body = f"/api/webhooks/{pipeline}", {"name": "Ada"}
    assert client.post(url, json=body).status_code == 401
    assert client.post(url + "?api_key=sk_live_wrong", json=body).status_code == 401
    mighty = key_with("webhooks:trigger", "pipelines:read")["X-API-Key"]
    in_address = client.post(f"{url}?api_key={mighty}", json=body)
    assert (in_address.status_code, in_address.json()["code"]) == (403, "SCOPE")
    assert client.post(url, json=body, headers={"X-API-Key": mighty}).status_code == 202
    own = key_with("webhooks:trigger")
    assert client.post(url, json={}, headers=own).status_code == 422, "the input does not fit its schema"
    assert client.post(url, json=[1], headers=own).status_code == 422
    assert client.post("/api/webhooks/none", json=body, headers=own).status_code == 404
    other = create_account(web_runtime, email="bo@example.org", password=PASSWORD)
    foreign = {"X-API-Key": create_api_key(web_runtime, other, "Theirs", ["webhooks:trigger"]).key}
    assert client.post(url, json=body, headers=foreign).status_code == 404


def test_a_webhook_sent_again_under_its_key_starts_nothing_new(
    client: TestClient, pipeline: str, key_with: Callable[..., dict[str, str]]
) -> None:
    headers = {**key_with("webhooks:trigger"), "Idempotency-Key": "delivery-1"}
    first, second = (client.post(f"/api/webhooks/{pipeline}", json={"name": "Ada"}, headers=headers) for _ in range(2))
    assert first.json()["run_id"] == second.json()["run_id"]
