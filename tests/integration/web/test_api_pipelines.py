"""Pipelines over the API."""

import json
from typing import Any

import pytest
from starlette.testclient import TestClient

from core.accounts.authentication import sign_in
from core.accounts.commands import create_account
from core.platform.runtime import Runtime
from tests.conftest import PASSWORD
from tests.integration.web.test_api_basics import problem
from web.api.payloads import Estimate, PipelineAnswer, PipelineItem, Validation, VersionAnswer, VersionItem
from web.api.shapes import Listing

DEFINITION: dict[str, Any] = {
    "name": "Hello",
    "description": "Says hello",
    "tags": ["first"],
    "input": {"schema": {"who": {"type": "string", "required": True}}},
    "steps": [{"id": "hello", "model": "demo", "prompt": "Say hello to {{input.who}}."}],
}
YAML = """# greets
name: Hello
input:
  schema:
    who: {type: string, required: true}
steps:
  - id: hello
    model: demo
    prompt: Say hello to {{input.who}}.
"""


def made(api: TestClient, body: Any = None) -> dict[str, Any]:
    answer = api.post("/api/pipelines", json=body or DEFINITION)
    assert answer.status_code == 201, answer.text
    view: dict[str, Any] = answer.json()
    return view


def stranger(runtime: Runtime, plan: str | None = None) -> dict[str, str]:
    create_account(runtime, email="bob@example.org", password=PASSWORD, plan=plan)
    token = sign_in(runtime, email="bob@example.org", password=PASSWORD).token
    return {"Authorization": f"Bearer {token}"}


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (json.dumps(DEFINITION), "application/json"),
        (json.dumps(DEFINITION), "text/plain"),
        (json.dumps(DEFINITION), None),
        ("\ufeff" + json.dumps(DEFINITION), "application/json; charset=utf-8"),
        (YAML, "application/yaml"),
        (YAML, "text/yaml"),
        (YAML, "application/x-yaml"),
        (YAML, "application/x-www-form-urlencoded"),
        (json.dumps({"name": "Hello", "definition": YAML}), "application/json"),
        (json.dumps({"name": "Hello", "definition": DEFINITION}), "application/json"),
    ],
)
def test_a_definition_is_taken_bare_or_wrapped_as_yaml_or_json(api: TestClient, content: str, kind: str | None) -> None:
    headers = {"Content-Type": kind} if kind else {}
    answer = api.post("/api/pipelines", content=content.encode(), headers=headers)
    assert answer.status_code == 201, answer.text
    view = answer.json()
    PipelineAnswer.model_validate(view)
    assert view["name"] == "Hello" and view["version"] == 1 and view["status"] == "active"
    assert view["definition"]["steps"][0]["id"] == "hello" and view["created_at"].endswith("Z")
    assert api.get(f"/api/pipelines/{view['id']}").json() == view


def test_what_the_wrapper_names_wins(api: TestClient) -> None:
    view = made(api, {"name": "Mine", "description": "Other", "tags": ["a", "b"], "definition": DEFINITION})
    assert (view["name"], view["description"], view["tags"]) == ("Mine", "Other", ["a", "b"])


@pytest.mark.parametrize(
    "body",
    [
        {"name": "x"},
        {"name": "x", "definition": None},
        {"name": "x", "definition": 7},
        {"name": 7, "definition": DEFINITION},
        {"tags": "a", "definition": DEFINITION},
        {"tags": [1], "definition": DEFINITION},
        {"definition": DEFINITION, "extra": 1},
        {"definition": DEFINITION, "name": "x" * 201},
    ],
)
def test_a_wrong_wrapper_is_422(api: TestClient, body: Any) -> None:
    answer = api.post("/api/pipelines", json=body)
    assert answer.status_code == 422 and answer.json()["details"]
    assert api.get("/api/pipelines").json()["items"] == []


def test_everything_wrong_with_a_definition_is_said_at_once_with_its_place(api: TestClient) -> None:
    wrong = YAML.replace("{{input.who}}", "{{input.whom}}").replace("model: demo", "model: nonsense-9")
    body = problem(
        api.post("/api/pipelines", content=wrong, headers={"Content-Type": "application/yaml"}),
        400,
        "INVALID_DEFINITION",
    )
    assert len(body["details"]) >= 2
    for detail in body["details"]:
        assert set(detail) == {"path", "line", "column", "code", "message"} and detail["line"] >= 1
    text = json.dumps({**DEFINITION, "steps": [{"id": "A b", "prompt": "x"}]}, indent=1)
    body = problem(
        api.post("/api/pipelines", content=text, headers={"Content-Type": "application/json"}),
        400,
        "INVALID_DEFINITION",
    )
    assert body["details"][0]["line"] == text[: text.index('"A b"')].count("\n") + 1, "JSON has places too"


def test_validate_answers_200_either_way(api: TestClient) -> None:
    good = api.post("/api/pipelines/validate", content=YAML, headers={"Content-Type": "application/yaml"})
    assert good.status_code == 200 and good.json()["valid"] is True and good.json()["errors"] == []
    bad = api.post(
        "/api/pipelines/validate", json={"name": "x", "steps": [{"id": "a", "prompt": "{{steps.b.output}}"}]}
    )
    assert bad.status_code == 200 and bad.json()["valid"] is False and bad.json()["errors"]
    for answer in (good, bad):
        Validation.model_validate(answer.json())
    for text in ("", "[]", "- a", "name: [", "7"):
        answer = api.post("/api/pipelines/validate", content=text, headers={"Content-Type": "application/yaml"})
        assert answer.status_code == 200 and answer.json()["valid"] is False, text
    assert api.get("/api/pipelines").json()["items"] == [], "a check stores nothing"


def test_every_put_makes_a_version_and_versions_can_be_read(api: TestClient) -> None:
    view = made(api)
    path = f"/api/pipelines/{view['id']}"
    renamed = api.put(path, json={"name": "Renamed"})
    assert renamed.status_code == 200 and renamed.json()["name"] == "Renamed" and renamed.json()["version"] == 2
    changed = api.put(
        path, content=YAML.replace("hello to", "goodbye to"), headers={"Content-Type": "application/yaml"}
    )
    assert changed.status_code == 200 and changed.json()["version"] == 3
    versions = api.get(f"{path}/versions").json()
    Listing[VersionItem].model_validate(versions)
    assert [item["version"] for item in versions["items"]] == [3, 2, 1] and versions["next_cursor"] is None
    first = api.get(f"{path}/versions?limit=2").json()
    rest = api.get(f"{path}/versions?limit=2&cursor={first['next_cursor']}").json()
    assert [i["version"] for i in first["items"] + rest["items"]] == [3, 2, 1] and rest["next_cursor"] is None
    one = api.get(f"{path}/versions/1").json()
    VersionAnswer.model_validate(one)
    assert "hello to" in one["definition"]["steps"][0]["prompt"]
    problem(api.get(f"{path}/versions/9"), 404, "VERSION_NOT_FOUND")
    problem(api.get(f"{path}/versions?cursor=abc"), 422, "INVALID_REQUEST")
    problem(api.put(path, json={"definition": {"name": "x", "steps": []}}), 400, "INVALID_DEFINITION")
    assert api.get(path).json()["version"] == 3, "a refused change makes none"


def test_an_export_is_the_text_as_it_was_written(api: TestClient) -> None:
    answer = api.post("/api/pipelines", content=YAML, headers={"Content-Type": "application/yaml"})
    export = api.get(f"/api/pipelines/{answer.json()['id']}/export")
    assert export.text == YAML and export.headers["content-type"].startswith("application/yaml")
    assert export.headers["content-disposition"].startswith("attachment; filename=")
    again = api.post("/api/pipelines", content=export.content, headers={"Content-Type": "application/yaml"})
    assert again.status_code == 201


def test_archived_is_gone_until_restored(api: TestClient) -> None:
    view = made(api)
    path = f"/api/pipelines/{view['id']}"
    gone = api.delete(path)
    assert gone.status_code == 204 and gone.content == b""
    problem(api.get(path), 404, "PIPELINE_NOT_FOUND")
    problem(api.delete(path), 404, "PIPELINE_NOT_FOUND")
    problem(api.post(f"{path}/run", json={"input_data": {"who": "x"}}), 404, "PIPELINE_NOT_FOUND")
    assert api.get("/api/pipelines").json()["items"] == []
    assert api.post(f"{path}/restore").json()["id"] == view["id"]
    assert api.get(path).status_code == 200


def test_lists_are_paged(api: TestClient) -> None:
    ids = [made(api)["id"] for _ in range(5)]
    seen: list[str] = []
    cursor = None
    while True:
        page = api.get("/api/pipelines", params={"limit": 2, **({"cursor": cursor} if cursor else {})}).json()
        Listing[PipelineItem].model_validate(page)
        assert len(page["items"]) <= 2
        seen += [item["id"] for item in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert seen == ids[::-1]
    for limit in ("0", "101", "x"):
        problem(api.get(f"/api/pipelines?limit={limit}"), 422, "INVALID_REQUEST")


def test_a_strangers_pipelines_do_not_exist(api: TestClient, web_runtime: Runtime) -> None:
    path = f"/api/pipelines/{made(api)['id']}"
    bob = stranger(web_runtime)
    for method, target in (
        ("GET", path),
        ("PUT", path),
        ("DELETE", path),
        ("POST", f"{path}/restore"),
        ("GET", f"{path}/versions"),
        ("GET", f"{path}/versions/1"),
        ("GET", f"{path}/export"),
        ("POST", f"{path}/estimate"),
        ("POST", f"{path}/run"),
    ):
        answer = api.request(method, target, headers=bob, json={"name": "x"} if method == "PUT" else None)
        problem(answer, 404, "PIPELINE_NOT_FOUND")
    assert api.get("/api/pipelines", headers=bob).json()["items"] == []
    assert api.get(path).json()["version"] == 1


def test_plan_limits_are_403(api: TestClient, web_runtime: Runtime) -> None:
    bob = stranger(web_runtime, plan="free")
    for _ in range(3):
        assert api.post("/api/pipelines", json=DEFINITION, headers=bob).status_code == 201
    problem(api.post("/api/pipelines", json=DEFINITION, headers=bob), 403, "PLAN_LIMIT")


def test_an_estimate_is_in_credits(api: TestClient) -> None:
    view = made(api)
    answer = api.post(f"/api/pipelines/{view['id']}/estimate", json={"input_data": {"who": "Ada"}})
    assert answer.status_code == 200
    Estimate.model_validate(answer.json())
    assert answer.json() == {"low": 0, "likely": 0, "max": 0, "steps": {"hello": {"low": 0, "likely": 0, "max": 0}}}
    problem(api.post(f"/api/pipelines/{view['id']}/estimate", json={"input_data": {}}), 422, "INVALID_INPUT")
    paid = {
        **DEFINITION,
        "steps": [{"id": "hello", "model": "claude-haiku-4-5", "prompt": "Say {{input.who}}.", "max_tokens": 100}],
    }
    answer = api.post("/api/pipelines", json=paid)
    assert answer.status_code == 201, answer.text
