"""NUL characters and deep nesting over the API and the forms: a 4xx with a message, on both databases."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from starlette.testclient import TestClient

from core.platform.runtime import Runtime
from tests.integration.web.conftest import ORIGIN, csrf_of
from tests.integration.web.test_api_basics import problem
from tests.integration.web.test_api_pipelines import DEFINITION, made

NUL = "a\0b"


@pytest.fixture
def web_runtime(runtime_with: Callable[..., Runtime], database_settings: dict[str, str]) -> Runtime:
    """On both databases: what one of them cannot keep, the other must not accept either."""
    return runtime_with(app_url=ORIGIN, **database_settings)


def nested(levels: int, inner: Any = "x") -> Any:
    for _ in range(levels):
        inner = {"in": inner}
    return inner


def test_inputs_with_nul_characters_or_too_deep_are_422(api: TestClient) -> None:
    pipeline = made(api)["id"]
    for data, code, said in (
        ({"who": NUL}, "NUL_CHARACTER", "`who` holds a NUL character (U+0000): take it out."),
        ({"who": "Ada", "more": [NUL]}, "NUL_CHARACTER", "`more` holds a NUL character (U+0000): take it out."),
        ({"who": "Ada", NUL: 1}, "NUL_CHARACTER", "The name of an input holds a NUL character: take it out."),
        ({"who": nested(40)}, "TOO_DEEP", "`who` is nested deeper than 32 levels: take some levels away."),
        ({"who": "Ada", "more": nested(40)}, "TOO_DEEP", "`more` is nested deeper than 32 levels"),
    ):
        for path in ("run", "estimate"):
            body = problem(
                api.post(f"/api/pipelines/{pipeline}/{path}", json={"input_data": data}), 422, "INVALID_INPUT"
            )
            assert said in body["error"] and body["details"][0]["code"] == code
    assert api.get("/api/runs").json()["items"] == []


@pytest.mark.parametrize("levels", [40, 900, 5_000, 40_000])
def test_any_depth_of_nesting_is_answered(api: TestClient, levels: int) -> None:
    pipeline = made(api)["id"]
    deep = '{"input_data": {"who": ' + "[" * levels + "]" * levels + "}}"
    headers = {"Content-Type": "application/json"}
    for path in (f"/pipelines/{pipeline}/run", f"/pipelines/{pipeline}/estimate", "/pipelines", "/pipelines/validate"):
        answer = api.post(f"/api{path}", content=deep, headers=headers)
        assert answer.status_code in (400, 422) or answer.json().get("valid") is False, (path, answer.text)
        assert levels == 40 or len(answer.text) < 2_000, "nothing is echoed"


def test_a_definition_nested_40_levels_is_400_with_its_place(api: TestClient) -> None:
    text = json.dumps({**DEFINITION, "variables": {"deep": nested(40)}}, indent=1)
    body = problem(api.post("/api/pipelines", content=text), 400, "INVALID_DEFINITION")
    found = body["details"][0]
    assert found["code"] == "TOO_DEEP" and found["line"] and found["column"] and "32 levels" in found["message"]


def test_nul_characters_anywhere_are_never_a_failure_of_ours(api: TestClient) -> None:
    pipeline = made(api)["id"]
    run = api.post(f"/api/pipelines/{pipeline}/run", json={"input_data": {"who": "Ada"}}).json()["id"]
    bodies: list[tuple[str, str, Any]] = [
        ("POST", "/auth/login", {"email": NUL, "password": "x"}),
        ("POST", "/auth/login", {"email": "ada@example.org", "password": NUL}),
        ("POST", "/pipelines", {"name": NUL, "description": NUL, "tags": [NUL], "definition": DEFINITION}),
        ("POST", "/pipelines", {"definition": {**DEFINITION, "name": NUL}}),
        ("POST", "/pipelines", {"definition": f"name: {NUL}"}),
        ("PUT", f"/pipelines/{pipeline}", {"name": NUL, "description": NUL, "tags": [NUL]}),
        ("POST", "/pipelines/validate", {**DEFINITION, "steps": [{"id": NUL, "model": NUL, "prompt": NUL}]}),
        ("POST", f"/pipelines/{pipeline}/run", {"input_data": {"who": NUL}}),
        ("POST", f"/runs/{run}/retry", {"from_step": NUL}),
    ]
    for method, path, body in bodies:
        answer = api.request(method, f"/api{path}", json=body)
        assert answer.status_code < 500, (path, answer.text)
        assert answer.status_code >= 400 or path.endswith("validate") or "\\u0000" not in answer.text, "none is kept"
    for path in (
        "/runs?pipeline_id=%00",
        "/runs?status=%00",
        "/runs?cursor=a%00b",
        "/runs?cursor=%2500",
        "/pipelines?cursor=%00",
        "/runs/%00",
        "/runs/a%00b/stream",
        "/pipelines/a%00b",
        f"/pipelines/{pipeline}/versions/%00",
    ):
        answer = api.get(f"/api{path}")
        assert 400 <= answer.status_code < 500 or path.endswith("%2500"), (path, answer.text)


def test_nul_characters_in_forms_are_answered_at_their_field(client: TestClient, person: Any) -> None:
    for fields in (
        {"email": NUL, "password": "x"},
        {"email": f"{NUL}@example.org", "password": "x"},
        {"email": "ada@example.org", "password": NUL},
        {"email": "ada@example.org", "password": "x", "next": f"/app/{NUL}"},
        {"email": "ada@example.org", "password": "x", NUL: NUL},
    ):
        token = csrf_of(client.get("/auth/login").text)
        answer = client.post("/auth/login", data={**fields, "csrf_token": token})
        assert answer.status_code == 401, answer.text
        assert "The address or the password is wrong." in answer.text


def test_nul_characters_in_the_set_up_form_are_answered_at_their_field(client: TestClient, setup_token: str) -> None:
    good = {"email": "ada@example.org", "name": "Ada", "password": "correct horse battery staple"}
    for field, value in (("email", NUL), ("password", "correct horse \0 battery")):
        token = csrf_of(client.get(f"/setup?token={setup_token}").text)
        answer = client.post("/setup", data={**good, field: value, "token": setup_token, "csrf_token": token})
        assert answer.status_code == 422 and 'class="error"' in answer.text, answer.text
    for wrong in (NUL, setup_token + "\0"):
        assert client.get("/setup", params={"token": wrong}).status_code == 403
    token = csrf_of(client.get(f"/setup?token={setup_token}").text)
    data = {**good, "name": f"Ada {NUL}", "token": setup_token, "csrf_token": token}
    made_owner = client.post("/setup", data=data)
    assert made_owner.status_code == 303, made_owner.text
    assert "\\u0000" not in client.get("/api/user/me").text
