"""Schedules over HTTP."""

from typing import Any

import pytest
from starlette.testclient import TestClient

from core.accounts.api_keys import create_api_key
from core.accounts.commands import create_account
from core.accounts.domain import Account
from core.pipelines.commands import create_pipeline
from core.platform.runtime import Runtime
from tests.conftest import PASSWORD

GREETING: dict[str, Any] = {
    "name": "Greeting",
    "version": 1,
    "input": {"schema": {"name": {"type": "string", "required": True}}},
    "steps": [{"id": "greet", "type": "transform", "template": "Hello {{input.name}}"}],
}
BODY = {"name": "Mondays", "cron_expression": "0 9 * * 1", "timezone": "Europe/Paris", "input_data": {"name": "Ada"}}


@pytest.fixture
def pipeline(web_runtime: Runtime, person: Account) -> str:
    return create_pipeline(web_runtime, person, GREETING).id


def test_a_schedule_is_made_listed_changed_and_deleted(api: TestClient, pipeline: str) -> None:
    url = f"/api/pipelines/{pipeline}/schedules"
    made = api.post(url, json={**BODY, "enabled": True})
    assert made.status_code == 201, made.text
    schedule = made.json()
    assert schedule["enabled"] and schedule["next_at"].endswith("Z") and schedule["missed"] == "skip"
    assert api.get(url).json() == {"items": [schedule], "next_cursor": None}
    coming = api.get("/api/schedules/upcoming", params={"limit": 3}).json()["items"]
    assert len(coming) == 3 and coming[0]["at"] == schedule["next_at"] and coming[0]["pipeline_name"] == "Greeting"

    one = f"/api/schedules/{schedule['id']}"
    rested = api.post(f"{one}/disable").json()
    assert not rested["enabled"] and rested["next_at"] is None
    assert api.get("/api/schedules/upcoming").json()["items"] == []
    assert api.post(f"{one}/enable").json()["next_at"] is not None
    changed = api.put(one, json={"name": "Fridays", "cron_expression": "0 9 * * 5"}).json()
    assert (changed["name"], changed["timezone"]) == ("Fridays", "Europe/Paris")
    assert api.delete(one).status_code == 204
    assert api.delete(one).status_code == 404 and api.get(url).json()["items"] == []


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"cron_expression": "never"}, 400, "INVALID_CRON"),
        ({"cron_expression": "0 0 31 2 *"}, 400, "INVALID_CRON"),
        ({"timezone": "Paris"}, 422, "INVALID_TIMEZONE"),
        ({"input_data": {}}, 422, None),
        ({"name": ""}, 422, "INVALID_NAME"),
        ({"missed": "some"}, 422, "INVALID_REQUEST"),
        ({"colour": "red"}, 422, None),
    ],
)
def test_what_is_wrong_is_named(
    api: TestClient, pipeline: str, change: dict[str, Any], status: int, code: str | None
) -> None:
    refused = api.post(f"/api/pipelines/{pipeline}/schedules", json={**BODY, **change})
    assert refused.status_code == status, refused.text
    assert code is None or refused.json()["code"] == code
    assert api.get(f"/api/pipelines/{pipeline}/schedules").json()["items"] == []


def test_schedules_of_others_do_not_exist(
    api: TestClient, client: TestClient, web_runtime: Runtime, pipeline: str
) -> None:
    made = api.post(f"/api/pipelines/{pipeline}/schedules", json=BODY).json()
    other = create_account(web_runtime, email="bo@example.org", password=PASSWORD)
    key = create_api_key(web_runtime, other, "Theirs", ["pipelines:read", "pipelines:execute"]).key
    del client.headers["Authorization"]
    for method, path in (
        ("GET", f"/api/pipelines/{pipeline}/schedules"),
        ("POST", f"/api/pipelines/{pipeline}/schedules"),
        ("PUT", f"/api/schedules/{made['id']}"),
        ("DELETE", f"/api/schedules/{made['id']}"),
        ("POST", f"/api/schedules/{made['id']}/enable"),
        ("POST", f"/api/schedules/{made['id']}/disable"),
    ):
        body = BODY if method == "POST" and path.endswith("schedules") else {}
        assert client.request(method, path, json=body, headers={"X-API-Key": key}).status_code == 404, path
        assert client.request(method, path, json=body).status_code == 401, path


def test_a_schedule_of_a_definition_is_listed_and_changed_there(api: TestClient) -> None:
    body = {"name": "Tick", "steps": GREETING["steps"], "schedule": {"cron": "0 9 * * 1"}}
    body["input"] = {"schema": {"name": {"type": "string", "default": "Ada"}}}
    made = api.post("/api/pipelines", json=body).json()
    assert made["definition"]["schedule"] == {"cron": "0 9 * * 1"}
    (listed,) = api.get(f"/api/pipelines/{made['id']}/schedules").json()["items"]
    assert listed["from_definition"] and listed["enabled"] and listed["timezone"] == "UTC"
    one = f"/api/schedules/{listed['id']}"
    for refused in (api.put(one, json={"name": "Mine"}), api.post(f"{one}/disable"), api.delete(one)):
        assert refused.status_code == 409 and refused.json()["code"] == "FROM_DEFINITION"
    wrong = api.post("/api/pipelines/validate", json={**body, "schedule": {"cron": "never"}}).json()
    assert [(each["code"], each["path"]) for each in wrong["errors"]] == [("INVALID_CRON", "schedule.cron")]
