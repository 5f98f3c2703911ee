"""The switch of automation, and caps of keys and schedules, over HTTP."""

from collections.abc import Callable
from time import monotonic, sleep
from typing import Any

import pytest
from starlette.testclient import TestClient

from core.accounts.api_keys import create_api_key
from core.accounts.domain import Account
from core.execution.queries import run_status
from core.pipelines.commands import create_pipeline
from core.platform.runtime import Runtime
from tests.integration.web.conftest import ORIGIN

HELLO: dict[str, Any] = {"name": "Hello", "steps": [{"id": "a", "type": "transform", "template": "Hello"}]}
PAUSE, RESUME, STATE = (f"/api/user/automation{path}" for path in ("/pause", "/resume", ""))


@pytest.fixture
def web_runtime(runtime_with: Callable[..., Runtime]) -> Runtime:
    """With a vendor whose calls cost credits, and which cannot be reached."""
    return runtime_with(app_url=ORIGIN, anthropic_api_key="sk-ant-test-key", anthropic_base_url="http://127.0.0.1:9")


@pytest.fixture
def pipeline(web_runtime: Runtime, person: Account) -> str:
    return create_pipeline(web_runtime, person, HELLO).id


@pytest.fixture
def key(web_runtime: Runtime, person: Account) -> dict[str, str]:
    scopes = ["pipelines:read", "pipelines:execute", "webhooks:trigger"]
    return {"X-API-Key": create_api_key(web_runtime, person, "Test", scopes).key}


def test_paused_keys_and_webhooks_are_told_and_the_person_runs_on(
    api: TestClient, pipeline: str, key: dict[str, str]
) -> None:
    run = f"/api/pipelines/{pipeline}/run"
    done = api.post(run, json={}, headers=key).json()["id"]
    paused = api.post(PAUSE)
    assert paused.status_code == 200 and paused.json()["automation_paused_at"].endswith("Z")
    assert api.get(STATE).json()["automation_paused_at"] == paused.json()["automation_paused_at"]
    for path in (run, f"/api/webhooks/{pipeline}", f"/api/runs/{done}/retry"):
        if path.endswith("/retry"):
            _wait(api, done)
        refused = api.post(path, json={}, headers=key)
        assert (refused.status_code, refused.json()["code"]) == (409, "AUTOMATION_PAUSED"), path
        assert "automation/resume" in refused.json()["error"]
    assert api.post(run, json={}).status_code == 202, "the person's own session"
    assert api.get("/api/runs", headers=key).status_code == 200, "reading goes on"
    assert api.post(RESUME).json()["automation_paused_at"] is None
    assert api.post(run, json={}, headers=key).status_code == 202


def _wait(api: TestClient, run_id: str) -> None:
    with api.stream("GET", f"/api/runs/{run_id}/stream") as events:
        events.read()


@pytest.mark.parametrize("path", [PAUSE, RESUME])
def test_no_key_turns_the_switch(api: TestClient, key: dict[str, str], path: str) -> None:
    del api.headers["Authorization"]
    assert api.post(path, headers=key).status_code == 401
    assert api.get(STATE, headers=key).status_code == 401


def test_runs_under_way_are_stopped_when_asked(
    api: TestClient, web_runtime: Runtime, person: Account, key: dict[str, str]
) -> None:
    waits = {"name": "Waits", "steps": [{"id": "ask", "type": "human_review", "message": "Well?"}]}
    pipeline = create_pipeline(web_runtime, person, waits).id
    run_id = api.post(f"/api/pipelines/{pipeline}/run", json={}, headers=key).json()["id"]
    assert api.post(PAUSE, json={}).json()["runs_under_way"] == 1
    api.post(PAUSE, json={"stop_runs": True})
    _wait(api, run_id)
    assert api.get(f"/api/runs/{run_id}").json()["status"] == "cancelled"
    assert api.get(STATE).json()["runs_under_way"] == 0


def test_a_key_is_made_with_a_cap_and_the_cap_is_changed(api: TestClient) -> None:
    body = {"name": "Capped", "scopes": ["pipelines:execute"]}
    made = api.post("/api/user/api-keys", json={**body, "max_credits_per_month": 12.5}).json()
    assert (made["max_credits_per_month"], made["credits_this_month"]) == (12.5, 0)
    one = f"/api/user/api-keys/{made['id']}"
    assert api.patch(one, json={"max_credits_per_month": 3}).json()["max_credits_per_month"] == 3
    assert api.patch(one, json={"max_credits_per_month": None}).json()["max_credits_per_month"] is None
    assert api.get("/api/user/api-keys").json()["items"][0]["max_credits_per_month"] is None
    for wrong in ({"max_credits_per_month": -1}, {"max_credits_per_month": 1_000_001}, {}, {"name": "x"}):
        assert api.patch(one, json=wrong).status_code == 422, wrong
    assert api.patch("/api/user/api-keys/nothing", json={"max_credits_per_month": 1}).status_code == 404
    assert api.post("/api/user/api-keys", json={**body, "max_credits_per_month": "many"}).status_code == 422


def test_a_schedule_is_made_with_a_cap_and_the_cap_is_changed(api: TestClient, pipeline: str) -> None:
    body = {"name": "Capped", "cron_expression": "0 9 * * 1", "max_credits_per_month": 7}
    made = api.post(f"/api/pipelines/{pipeline}/schedules", json=body).json()
    assert (made["max_credits_per_month"], made["credits_this_month"]) == (7, 0)
    one = f"/api/schedules/{made['id']}"
    assert api.put(one, json={"name": "Other"}).json()["max_credits_per_month"] == 7
    assert api.put(one, json={"max_credits_per_month": 0.25}).json()["max_credits_per_month"] == 0.25
    assert api.put(one, json={"max_credits_per_month": None}).json()["max_credits_per_month"] is None
    assert api.put(one, json={"max_credits_per_month": -1}).status_code == 422


def test_a_cap_that_is_used_up_is_402(api: TestClient, web_runtime: Runtime, person: Account) -> None:
    step = {"id": "say", "model": "claude-sonnet-4-5", "prompt": "Hi", "max_tokens": 50}
    priced = create_pipeline(web_runtime, person, {"name": "Priced", "steps": [step]}).id
    made = create_api_key(
        web_runtime, person, "Capped", ["pipelines:execute", "webhooks:trigger"], max_micros_per_month=1
    )
    for path in (f"/api/pipelines/{priced}/run", f"/api/webhooks/{priced}"):
        refused = api.post(path, json={}, headers={"X-API-Key": made.key})
        assert (refused.status_code, refused.json()["code"]) == (402, "CAP_REACHED")
        said = refused.json()["error"]
        assert "< 0.01 cr a month" in said and "begins anew on 1 " in said and "under API keys" in said
    assert api.get("/api/runs").json()["items"] == []


@pytest.fixture
def capped(web_runtime: Runtime, person: Account) -> dict[str, str]:
    """A key that may spend nothing."""
    scopes = ["pipelines:read", "pipelines:write", "pipelines:execute"]
    return {"X-API-Key": create_api_key(web_runtime, person, "Capped", scopes, max_micros_per_month=0).key}


def test_a_capped_key_makes_no_schedule_that_may_spend_more(
    client: TestClient, token: str, pipeline: str, capped: dict[str, str]
) -> None:
    signed_in = {"Authorization": f"Bearer {token}"}
    url, body = f"/api/pipelines/{pipeline}/schedules", {"name": "Minutely", "cron_expression": "* * * * *"}
    made = client.post(url, json=body, headers=capped)
    assert (made.status_code, made.json()["max_credits_per_month"]) == (201, 0)
    theirs = client.post(url, json=body, headers=signed_in).json()
    one, other = (f"/api/schedules/{each['id']}" for each in (made.json(), theirs))
    timed = {**HELLO, "schedule": {"enabled": True, "cron": "* * * * *", "timezone": "UTC"}}
    saved = client.put(f"/api/pipelines/{pipeline}", json={"definition": timed}, headers=capped)
    assert saved.status_code == 200
    listed = client.get(url, headers=capped).json()["items"]
    assert {each["id"]: each["max_credits_per_month"] for each in listed} == {
        made.json()["id"]: 0, theirs["id"]: None, pipeline: 0,
    }  # fmt: skip
    assert client.put(f"/api/schedules/{pipeline}", json={"max_credits_per_month": None}, headers=signed_in).is_success
    calls = (
        client.post(url, json=body | {"max_credits_per_month": 1}, headers=capped),
        client.put(one, json={"max_credits_per_month": None}, headers=capped),
        client.put(one, json={"max_credits_per_month": 1}, headers=capped),
        client.put(other, json={"cron_expression": "*/2 * * * *"}, headers=capped),
        client.post(f"{other}/enable", headers=capped),
        client.put(
            f"/api/pipelines/{pipeline}",
            json={"definition": timed | {"schedule": {"cron": "*/2 * * * *", "timezone": "UTC"}}},
            headers=capped,
        ),
    )
    for refused in calls:
        assert (refused.status_code, refused.json()["code"]) == (403, "KEY_CAP"), refused.text
        assert "This API key may spend 0 cr a month" in refused.json()["error"]
    assert client.post(f"{other}/disable", headers=capped).json()["enabled"] is False
    assert client.delete(f"/api/pipelines/{pipeline}", headers=capped).status_code == 204
    assert client.post(f"/api/pipelines/{pipeline}/restore", headers=capped).json()["code"] == "KEY_CAP"


def test_a_capped_key_lifts_no_budget_of_a_run_that_a_person_started(
    client: TestClient, token: str, web_runtime: Runtime, person: Account, capped: dict[str, str]
) -> None:
    signed_in = {"Authorization": f"Bearer {token}"}
    step = {"id": "say", "model": "claude-sonnet-4-5", "prompt": "Hi", "max_tokens": 50}
    budget = {"max_credits": 0.001, "on_exceed": "pause"}
    tight = create_pipeline(web_runtime, person, {"name": "Tight", "steps": [step], "budget": budget}).id
    run = client.post(f"/api/pipelines/{tight}/run", json={}, headers=signed_in).json()["id"]
    wait_until_paused(web_runtime, person, run)
    refused = client.post(f"/api/runs/{run}/resume", headers=capped)
    assert (refused.status_code, refused.json()["code"]) == (403, "KEY_CAP")
    assert client.get(f"/api/runs/{run}", headers=signed_in).json()["status"] == "waiting"
    assert client.post(f"/api/runs/{run}/resume", headers=signed_in).status_code == 200


def wait_until_paused(runtime: Runtime, person: Account, run_id: str) -> None:
    end = monotonic() + 20
    while (status := run_status(runtime, person.id, run_id)) != "waiting":
        assert status in ("pending", "running") and monotonic() < end, status
        sleep(0.02)
