"""Secrets over the API: a value goes in and never comes out."""

import json
from typing import Any

import pytest
from starlette.testclient import TestClient

from core.accounts.domain import Account
from core.accounts.queries import secret_values
from core.platform.runtime import Runtime
from tests.integration.web.test_api_basics import problem
from tests.integration.web.test_api_pipelines import made, stranger
from web.api.account_payloads import SecretItem
from web.api.shapes import Listing

VALUE = "sk-canary-9f3e2b71"


def scopes(api: TestClient) -> list[str]:
    return ["/api/user/secrets", f"/api/pipelines/{made(api)['id']}/secrets"]


def test_a_secret_is_made_listed_replaced_and_deleted_in_both_scopes(
    api: TestClient, web_runtime: Runtime, person: Account
) -> None:
    for path in scopes(api):
        assert api.get(path).json() == {"items": [], "next_cursor": None}
        answer = api.post(path, json={"name": "API_KEY", "value": VALUE})
        assert answer.status_code == 201 and VALUE not in answer.text
        SecretItem.model_validate(answer.json())
        item = answer.json()
        assert item.keys() == {"name", "pipeline_id", "created_at", "updated_at", "last_used_at"}
        assert (item["pipeline_id"] or "") in path and item["created_at"].endswith("Z")
        again = api.post(path, json={"name": "API_KEY", "value": "another value"})
        assert again.status_code == 201 and again.json()["created_at"] == item["created_at"]
        assert secret_values(web_runtime, person.id, item["pipeline_id"])["API_KEY"] == "another value"
        listed = api.get(path)
        Listing[SecretItem].model_validate(listed.json())
        assert [shown["name"] for shown in listed.json()["items"]] == ["API_KEY"]
        assert "another value" not in listed.text
        gone = api.delete(f"{path}/API_KEY")
        assert gone.status_code == 204 and gone.content == b""
        problem(api.delete(f"{path}/API_KEY"), 404, "SECRET_NOT_FOUND")
        assert api.get(path).json()["items"] == []


def test_scopes_do_not_see_each_other(api: TestClient, web_runtime: Runtime, person: Account) -> None:
    mine, here = scopes(api)
    api.post(mine, json={"name": "KEY", "value": "for all pipelines"})
    api.post(here, json={"name": "KEY", "value": "for this one only"})
    pipeline_id = here.split("/")[3]
    assert secret_values(web_runtime, person.id, pipeline_id) == {"KEY": "for this one only"}
    assert api.delete(f"{here}/KEY").status_code == 204
    assert secret_values(web_runtime, person.id, pipeline_id) == {"KEY": "for all pipelines"}
    assert [item["name"] for item in api.get(mine).json()["items"]] == ["KEY"]


def test_lists_are_paged_by_name(api: TestClient) -> None:
    for name in ("CC", "AA", "BB"):
        api.post("/api/user/secrets", json={"name": name, "value": VALUE})
    first = api.get("/api/user/secrets?limit=2").json()
    assert [item["name"] for item in first["items"]] == ["AA", "BB"]
    rest = api.get(f"/api/user/secrets?limit=2&cursor={first['next_cursor']}").json()
    assert [item["name"] for item in rest["items"]] == ["CC"] and rest["next_cursor"] is None


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"name": "not a name", "value": VALUE}, "INVALID_SECRET_NAME"),
        ({"name": VALUE, "value": "canary"}, "INVALID_SECRET_NAME"),
        ({"name": "KEY", "value": "abc"}, "SECRET_TOO_SHORT"),
        ({"name": "KEY", "value": "canary" * 3000}, "SECRET_TOO_LONG"),
        ({"name": "KEY", "value": {"canary": VALUE}}, "INVALID_REQUEST"),
        ({"name": "KEY", "value": [VALUE]}, "INVALID_REQUEST"),
        ({"name": "KEY"}, "INVALID_REQUEST"),
        ({"name": "KEY", "value": VALUE, "scope": "canary"}, "INVALID_REQUEST"),
    ],
)
def test_what_is_refused_is_not_echoed(api: TestClient, body: dict[str, Any], code: str) -> None:
    for path in scopes(api):
        answer = api.post(path, json=body)
        found = problem(answer, 422, code)
        assert "canary" not in json.dumps(found) and found["details"]


def test_other_peoples_pipelines_and_secrets_do_not_exist(api: TestClient, web_runtime: Runtime) -> None:
    mine, here = scopes(api)
    for path in (mine, here):
        api.post(path, json={"name": "KEY", "value": VALUE})
    bob = stranger(web_runtime)
    assert api.get(mine, headers=bob).json()["items"] == []
    problem(api.delete(f"{mine}/KEY", headers=bob), 404, "SECRET_NOT_FOUND")
    for answer in (
        api.get(here, headers=bob),
        api.post(here, json={"name": "KEY", "value": VALUE}, headers=bob),
        api.delete(f"{here}/KEY", headers=bob),
    ):
        problem(answer, 404, "PIPELINE_NOT_FOUND")
    assert [item["name"] for item in api.get(here).json()["items"]] == ["KEY"]


ROUTES = [
    ("GET", "/user/secrets"),
    ("POST", "/user/secrets"),
    ("DELETE", "/user/secrets/{name}"),
    ("GET", "/pipelines/{pipeline_id}/secrets"),
    ("POST", "/pipelines/{pipeline_id}/secrets"),
    ("DELETE", "/pipelines/{pipeline_id}/secrets/{name}"),
]


def test_every_route_is_documented_and_needs_a_token(client: TestClient, token: str) -> None:
    document = client.get("/api/openapi.json").json()
    for method, path in ROUTES:
        operation = document["paths"][path][method.lower()]
        assert operation["description"] and {"401", "422"} <= set(operation["responses"])
        request = {"GET": {}, "DELETE": {}}.get(method, {"json": {"name": "KEY", "value": VALUE}})
        problem(client.request(method, f"/api{path}", **request), 401, "UNAUTHENTICATED")
        if method != "GET":
            client.cookies.set("stepiq_session", token)
            problem(client.request(method, f"/api{path}", **request), 401, "UNAUTHENTICATED")
            client.cookies.clear()
    shape = document["components"]["schemas"]
    assert "value" not in shape["SecretItem"]["properties"]
    assert shape["SecretRequest"]["properties"]["value"]["writeOnly"] is True
    assert "replaced" in document["paths"]["/user/secrets"]["post"]["description"]
