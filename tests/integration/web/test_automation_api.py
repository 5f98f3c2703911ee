"""The switch of automation, and caps of keys and schedules, over HTTP."""

from collections.abc import Callable
from typing import Any

import pytest
from starlette.testclient import TestClient

from core.accounts.api_keys import create_api_key
from core.accounts.domain import Account
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
