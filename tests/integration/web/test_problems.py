"""Every refusal is `{"error", "code", "details"?}` with its status, at every address that can give it."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from core.platform.runtime import Runtime
from tests.integration.web.conftest import status_of_target
from tests.integration.web.test_api_basics import problem
from tests.support.described_api import Visitor, visited
from web.body_limit import MAX_BODY

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "HEAD")
JSON = "application/json"


@pytest.fixture
def reader(runtime_with: Callable[..., Runtime]) -> Iterator[Visitor]:
    with visited(runtime_with(app_url="http://testserver", signup="open"), "person") as (visitor, _):
        yield visitor


@pytest.fixture
def paths(reader: Visitor) -> dict[str, dict[str, Any]]:
    """Every address with its operations by method."""
    found: dict[str, dict[str, Any]] = defaultdict(dict)
    for path, methods in reader.client.get("/api/openapi.json").json()["paths"].items():
        for method, operation in methods.items():
            found[path][method.upper()] = operation
    return found


def address(reader: Visitor, path: str) -> str:
    return path.format(**{name: reader.thing(name) for name in re.findall(r"\{(\w+)\}", path)})


@pytest.mark.parametrize("base", ["/api", "/v1/api"])
def test_a_wrong_method_is_405_and_told_all_that_are_right(
    reader: Visitor, paths: dict[str, dict[str, Any]], base: str
) -> None:
    for path, operations in paths.items():
        url = base + address(reader, path)
        shadowed = path in ("/pipelines/validate", "/schedules/upcoming", "/runs/export")
        for method in () if shadowed else set(METHODS) - set(operations):
            answer = reader.client.request(method, url, headers=reader.credentials())
            assert answer.status_code == 405, (method, path)
            assert set(answer.headers["allow"].split(", ")) == set(operations), (method, path)
            if method != "HEAD":
                problem(answer, 405, "METHOD_NOT_ALLOWED")
    answer = reader.client.post(f"{base}/openapi.json")
    problem(answer, 405, "METHOD_NOT_ALLOWED")
    assert "GET" in answer.headers["allow"]


def test_a_name_within_a_collection_says_its_own_methods(reader: Visitor) -> None:
    for method, path, right in (
        ("POST", "/schedules/upcoming", "GET"),
        ("POST", "/runs/export", "GET"),
        ("PATCH", "/pipelines/validate", "POST"),
    ):
        answer = reader.client.request(method, f"/api{path}", headers=reader.credentials())
        problem(answer, 405, "METHOD_NOT_ALLOWED")
        assert answer.headers["allow"] == right


@pytest.mark.parametrize("method", METHODS[:-1])
def test_an_unknown_address_is_404_for_every_method(reader: Visitor, method: str) -> None:
    for base in ("/api", "/v1/api"):
        for path in ("/", "/nothing", "/pipelines/x/nothing", "/user", "/openapi.json/x", "/pipelines/x%0Ay/nothing"):
            problem(reader.client.request(method, base + path, headers=reader.credentials()), 404, "NOT_FOUND")


def test_a_line_break_in_an_address_changes_nothing_of_who_answers(reader: Visitor) -> None:
    mine = reader.credentials()
    problem(reader.client.delete("/api/user/secrets/a%0Ab", headers=mine), 404, "SECRET_NOT_FOUND")
    problem(reader.client.get("/api/runs/a%0Ab", headers=mine), 422, "INVALID_REQUEST")
    for path in ("/nothing%0Ahere", "/auth/x%0A/y"):
        answer = reader.client.get(path)
        assert answer.status_code == 404 and "There is nothing at this address." in answer.text
    assert status_of_target(reader.client, "GET", "/app/x%0Ay") == 401, "the gate stands before it"


@pytest.mark.parametrize("body", [b"{", b"\xff", b"{'a': 1}", b"[NaN]"])
def test_malformed_json_is_400_wherever_json_is_taken(
    reader: Visitor, paths: dict[str, dict[str, Any]], body: bytes
) -> None:
    taken = 0
    for path, operations in paths.items():
        for method, operation in operations.items():
            if JSON in operation.get("requestBody", {}).get("content", {}):
                if path == "/billing/stripe/webhook":
                    continue  # its body is bytes until its signature is known to fit
                headers = {**reader.credentials(), "Content-Type": JSON}
                if path.startswith("/webhooks"):
                    headers["X-API-Key"] = reader.key
                url = "/api" + address(reader, path)
                problem(reader.client.request(method, url, headers=headers, content=body), 400, "MALFORMED_JSON")
                assert "400" in operation["responses"]
                taken += 1
    assert taken > 20


def test_too_large_a_body_is_413_wherever_one_is_taken(reader: Visitor, paths: dict[str, dict[str, Any]]) -> None:
    body = b" " * (MAX_BODY + 1)
    for path, operations in paths.items():
        for method, operation in operations.items():
            if "requestBody" in operation and path != "/files":
                headers = {**reader.credentials(), "Content-Type": JSON}
                url = "/api" + address(reader, path)
                problem(reader.client.request(method, url, headers=headers, content=body), 413, "BODY_TOO_LARGE")
                assert "413" in operation["responses"]
