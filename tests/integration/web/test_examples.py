"""The examples in the API's description: each is as its schema says, and a body that is sent as it is does its work."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import jsonschema
import pytest

from core.accounts.authentication import sign_in
from core.accounts.commands import create_account
from core.platform.runtime import Runtime
from tests.support.described_api import Visitor, visited
from web.api import examples
from web.api.shapes import Problem

# These need what was mailed, or what an earlier run left: a code, a link, a run of another person's.
NOT_AS_IT_IS = {
    ("/auth/login", "second factor"),
    ("/auth/register", "code"),
    ("/auth/register", "invitation"),
    ("/auth/reset-password", "link"),
    ("/pipelines/{pipeline_id}/run", "from a step of an earlier run"),
    ("/runs/{run_id}/retry", "chosen step"),
    # These need Stripe, its signature, or a role; they are sent in tests/integration/payments.
    ("/billing/checkout", "plan"),
    ("/billing/checkout", "discount"),
    ("/billing/checkout", "credits"),
    ("/billing/stripe/webhook", ""),
    ("/billing/discount-codes", "half a year"),
    ("/billing/discount-codes", "for two people"),
}
CENTRAL = {
    ("GET", "/runs/{run_id}"),
    ("GET", "/runs"),
    ("GET", "/pipelines/{pipeline_id}"),
    ("GET", "/user/me"),
    ("GET", "/user/usage"),
    ("GET", "/user/ledger"),
    ("GET", "/user/egress"),
    ("POST", "/user/api-keys"),
    ("GET", "/user/api-keys"),
    ("POST", "/pipelines/{pipeline_id}/schedules"),
    ("GET", "/pipelines/{pipeline_id}/schedules"),
    ("POST", "/pipelines/{pipeline_id}/estimate"),
    ("POST", "/webhooks/{pipeline_id}"),
}


@pytest.fixture
def reader(runtime_with: Callable[..., Runtime]) -> Iterator[Visitor]:
    """Somebody with one of each thing, and a pipeline of the examples."""
    with visited(runtime_with(app_url="http://testserver", signup="open"), "person") as (visitor, _):
        yield visitor


@pytest.fixture
def document(reader: Visitor) -> dict[str, Any]:
    found: dict[str, Any] = reader.client.get("/api/openapi.json").json()
    return found


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield method.upper(), path, operation


def of_media(media: dict[str, Any]) -> dict[str, Any]:
    """The examples of a body in one media type, by their names."""
    named = {name: each["value"] for name, each in media.get("examples", {}).items()}
    return named | ({"": media["example"]} if "example" in media else {})


def check(document: dict[str, Any], schema: dict[str, Any], value: Any) -> None:
    whole = {**schema, "components": document["components"]}
    checker = jsonschema.Draft202012Validator.FORMAT_CHECKER
    jsonschema.Draft202012Validator(whole, format_checker=checker).validate(value)


def test_every_body_has_an_example_that_is_as_it_should_be(document: dict[str, Any]) -> None:
    bodies = 0
    for method, path, operation in operations(document):
        for kind, media in operation.get("requestBody", {}).get("content", {}).items():
            found = of_media(media)
            assert found, (method, path, kind)
            for value in found.values():
                check(document, media["schema"], value)
            bodies += 1
    assert bodies > 20


def test_every_example_of_an_answer_is_as_it_should_be(document: dict[str, Any]) -> None:
    shown = set()
    for method, path, operation in operations(document):
        for status, response in operation["responses"].items():
            for kind, media in response.get("content", {}).items():
                found = of_media(media)
                assert found or status < "400", (method, path, status, kind)
                for value in found.values():
                    check(document, media["schema"], value)
                    if status >= "400":
                        Problem.model_validate(value)
                    else:
                        shown.add((method, path))
    assert shown >= CENTRAL
    used = {name.removeprefix("Listing_").removesuffix("_") for name in document["components"]["schemas"]}
    assert set(examples.ANSWERS) | set(examples.BODIES) <= used, "an example of something that is gone"


def test_a_run_in_the_examples_has_every_field_of_a_run(document: dict[str, Any], reader: Visitor) -> None:
    run = reader.client.get(f"/api/runs/{reader.thing('run_id')}", headers=reader.credentials()).json()
    assert set(examples.ANSWERS["RunAnswer"]) == set(run)
    assert set(examples.ANSWERS["RunAnswer"]["steps"][0]) == set(run["steps"][0])


def test_bodies_do_their_work_as_they_are(document: dict[str, Any], reader: Visitor) -> None:
    create_account(reader.runtime, email=examples.EMAIL, password=examples.PASSWORD)
    made = reader.client.post("/api/pipelines", headers=reader.credentials(), json=examples.PIPELINE)
    pipeline = made.json()["id"]
    sent = set()
    for method, path, operation in operations(document):
        for kind, media in operation.get("requestBody", {}).get("content", {}).items():
            for name, value in of_media(media).items():
                if (path, name) not in NOT_AS_IT_IS:
                    answer = send(reader, method, path, kind, value, pipeline)
                    assert answer.status_code < 300, (method, path, kind, name, answer.text)
                    sent.add((path, name))
    assert len(sent) > 25 and not sent & NOT_AS_IT_IS


def send(reader: Visitor, method: str, path: str, kind: str, value: Any, pipeline: str) -> Any:
    """Send an example as the media type that it is of, to something of the person's."""
    headers = reader.credentials()
    if path == "/user/password":
        headers = {"Authorization": f"Bearer {token_of_examples(reader)}"}
    if path.startswith("/webhooks"):
        headers = {"X-API-Key": reader.key}
    name = f"{method} {path}"
    ids = {each: reader.thing(each, name) for each in ("run_id", "schedule_id", "key_id", "step_id", "file_id")}
    url = "/api" + path.format(pipeline_id=pipeline, **ids)
    if kind == "multipart/form-data":
        sent = reader.client.request(method, url, headers=headers, files={"file": ("a.csv", value["file"])})
    elif kind == "application/x-www-form-urlencoded":
        sent = reader.client.request(method, url, headers=headers, data=value)
    elif kind == "application/octet-stream":
        sent = reader.client.request(method, url, headers={**headers, "X-File-Name": "a.csv"}, content=value)
    else:  # JSON, which YAML reads as well
        sent = reader.client.request(method, url, headers={**headers, "Content-Type": kind}, json=value)
    reader.end(name)
    return sent


def token_of_examples(reader: Visitor) -> str:
    return sign_in(reader.runtime, email=examples.EMAIL, password=examples.PASSWORD).token
