"""Inbound webhooks as GitHub and Stripe send them: bodies accepted as they are, once a delivery, kept encrypted."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest
from starlette.testclient import TestClient

from core.accounts.api_keys import create_api_key
from core.accounts.domain import Account
from core.execution.queries import list_runs
from core.pipelines.commands import create_pipeline
from core.platform.runtime import Runtime
from tests.integration.web.test_api_basics import problem

BODIES = Path(__file__).parents[2] / "support" / "webhook_bodies"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
READS = {
    "name": "Reads foreign bodies",
    "version": 1,
    "input": {"schema": {"ref": {"type": "string"}, "type": {"type": "string"}}},
    "steps": [
        {
            "id": "who",
            "type": "transform",
            "from": "{{input}}",
            "extract": "repository.full_name || data.object.customer_email",
        },
        {
            "id": "told",
            "type": "transform",
            "template": "{{#if input.ref}}{{input.ref}}{{/if}}|{{#if input.type}}{{input.type}}{{/if}}|"
            "{{steps.who.output}}",
        },
    ],
}
GREETING = {
    "name": "Greeting",
    "version": 1,
    "input": {"schema": {"name": {"type": "string", "required": True}, "times": {"type": "integer"}}},
    "steps": [{"id": "greet", "type": "transform", "template": "Hello {{input.name}}"}],
}


def text_of(name: str) -> str:
    return (BODIES / name).read_text()


@pytest.fixture
def hook(client: TestClient, web_runtime: Runtime, person: Account) -> Callable[..., Callable[..., httpx.Response]]:
    """A pipeline's webhook, as a function that posts."""
    key = create_api_key(web_runtime, person, "Hook", ["webhooks:trigger"]).key

    def make(definition: dict[str, Any]) -> Callable[..., httpx.Response]:
        url = f"/api/webhooks/{create_pipeline(web_runtime, person, definition).id}?api_key={key}"

        def post(content: str | bytes, **headers: str) -> httpx.Response:
            return client.post(url, content=content, headers={"Content-Type": "application/json", **headers})

        return post

    return make


@pytest.fixture
def input_of(client: TestClient, token: str) -> Callable[[httpx.Response], dict[str, Any]]:
    """The input of the run that an answer names, when it has ended, and its output."""

    def read(answer: httpx.Response) -> dict[str, Any]:
        assert answer.status_code == 202, answer.text
        headers = {"Authorization": f"Bearer {token}"}
        client.get(f"/api/runs/{answer.json()['run_id']}/stream", headers=headers)
        run: dict[str, Any] = client.get(f"/api/runs/{answer.json()['run_id']}", headers=headers).json()
        assert run["status"] == "completed", run["error"]
        return run

    return read


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("github_push.json", "refs/heads/main||tidewater/harbour"),
        ("github_ping.json", "||tidewater/harbour"),
        ("stripe_event.json", "|invoice.paid|ada@example.org"),
    ],
)
@pytest.mark.parametrize("form", [False, True], ids=["json", "form"])
def test_a_foreign_body_is_the_input_as_it_is(hook: Any, input_of: Any, name: str, told: str, form: bool) -> None:
    post, body = hook(READS), text_of(name)
    run = input_of(post(urlencode({"payload": body}), **FORM) if form else post(body))
    declared = {"ref": None, "type": None}
    assert run["input_data"] == declared | json.loads(body), "nothing is lost, nothing is changed"
    assert run["output_data"] == told


def test_only_what_is_declared_is_checked_and_strictly(hook: Any) -> None:
    post = hook(GREETING)
    assert post('{"name": "Ada", "times": 2, "other": {"deep": [1, null, {"x": true}]}}').status_code == 202
    for body, path in (
        ('{"name": 7}', "input.name"),
        ('{"name": {"first": "Ada"}}', "input.name"),
        ('{"name": "Ada", "times": "2"}', "input.times"),
        ('{"times": 2}', "input.name"),
        ("", "input.name"),
        ('{"name": "Ada\\u0000"}', "input.name"),
        ('{"name": "Ada", "other": ["\\u0000"]}', "input.other"),
    ):
        assert problem(post(body), 422, "INVALID_INPUT")["details"][0]["path"] == path, body


def test_input_data_is_unwrapped_and_what_stands_beside_it_is_kept(hook: Any, input_of: Any) -> None:
    post = hook(GREETING)
    for body, found in (
        ({"input_data": {"name": "Ada"}}, {"name": "Ada"}),
        ({"input_data": {"name": "Ada"}, "source": "crm"}, {"name": "Ada", "source": "crm"}),
        ({"input_data": {"name": "Ada"}, "name": "Bob"}, {"name": "Ada"}),
        ({"input_data": "text", "name": "Bob"}, {"name": "Bob", "input_data": "text"}),
    ):
        assert input_of(post(json.dumps(body)))["input_data"] == {"times": None} | found, body


@pytest.mark.parametrize(
    ("body", "headers", "status", "code"),
    [
        ("[1]", {}, 422, "INVALID_INPUT"),
        ('"text"', {}, 422, "INVALID_INPUT"),
        ("null", {}, 422, "INVALID_INPUT"),
        ('{"name": ', {}, 400, "MALFORMED_JSON"),
        ('{"name": NaN}', {}, 400, "MALFORMED_JSON"),
        (b'{"name": "\xff"}', {}, 400, "MALFORMED_JSON"),
        ("[" * 100_000, {}, 400, "MALFORMED_JSON"),
        ("name=Ada", FORM, 400, "MALFORMED_FORM"),
        ("payload=%7B%7D&payload=%7B%7D", FORM, 400, "MALFORMED_FORM"),
        ("payload=%FF", FORM, 400, "MALFORMED_FORM"),
        (b"payload=\xff", FORM, 400, "MALFORMED_FORM"),
        ("&".join(f"f{n}=1" for n in range(200)), FORM, 400, "MALFORMED_FORM"),
        ("payload=%7B", FORM, 400, "MALFORMED_JSON"),
        ("payload=%5B%5D", FORM, 422, "INVALID_INPUT"),
        ('{"name": "' + "x" * 262_144 + '"}', {}, 413, "BODY_TOO_LARGE"),
    ],
)
def test_what_cannot_be_an_input_is_refused_with_its_reason(
    hook: Any, body: str | bytes, headers: dict[str, str], status: int, code: str
) -> None:
    refused = problem(hook(GREETING)(body, **headers), status, code)
    assert refused["error"].endswith((".", ").")) or code == "MALFORMED_JSON"


def test_a_body_of_nearly_the_limit_is_taken(hook: Any) -> None:
    assert hook(GREETING)(json.dumps({"name": "Ada", "text": "x" * 262_000})).status_code == 202


def test_nobody_learns_about_a_body_before_they_are_known(client: TestClient) -> None:
    problem(client.post("/api/webhooks/none", content="{"), 401, "UNAUTHENTICATED")


def test_a_delivery_that_comes_again_starts_nothing_new(hook: Any, web_runtime: Runtime, person: Account) -> None:
    first_hook, other_hook = hook(READS), hook(READS)
    push, event = text_of("github_push.json"), text_of("stripe_event.json")
    retried = json.dumps({**json.loads(event), "pending_webhooks": 1})
    guid = {"X-GitHub-Delivery": "72d3162e-cc78-11e3-81ab-4c9367dc0958"}
    groups = [
        [first_hook(push, **guid), first_hook(push, **guid), first_hook(urlencode({"payload": push}), **guid, **FORM)],
        [other_hook(push, **guid)],
        [first_hook(push, **{"X-GitHub-Delivery": "72d3162e-cc78-11e3-81ab-4c9367dc0959"})],
        [first_hook(event), first_hook(event), first_hook(retried)],
        [other_hook(event)],
        [first_hook(event.replace("evt_1Sx", "evt_2Sx"))],
        # An Idempotency-Key of the sender's own comes first.
        [first_hook(push, **guid, **{"Idempotency-Key": "mine"}), first_hook(push, **{"Idempotency-Key": "mine"})],
        # What only looks a little like an event is none.
        [first_hook('{"id": "evt_1", "object": "list"}')],
        [first_hook('{"id": "evt_1", "object": "list"}')],
        [first_hook('{"id": "in_1", "object": "event"}')],
        [first_hook('{"id": "in_1", "object": "event"}')],
    ]
    ids = [{answer.json()["run_id"] for answer in group} for group in groups]
    assert all(answer.status_code == 202 for group in groups for answer in group)
    assert [len(group) for group in ids] == [1] * len(groups), "one run a delivery"
    assert len(set.union(*ids)) == len(groups) == len(list_runs(web_runtime, person.id).items)


def test_a_delivery_that_was_refused_may_come_again(hook: Any, web_runtime: Runtime, person: Account) -> None:
    post = hook(GREETING)
    guid = {"X-GitHub-Delivery": "72d3162e-cc78-11e3-81ab-4c9367dc0958"}
    assert post('{"name": 7}', **guid).status_code == 422
    assert post('{"name": "Ada"}', **guid).status_code == 202
    assert len(list_runs(web_runtime, person.id).items) == 1


def test_a_body_lies_nowhere_as_it_came(hook: Any, input_of: Any, web_runtime: Runtime) -> None:
    canary = "Zanzibar-4711-heron"
    push = json.loads(text_of("github_push.json")) | {"canary": canary, "ref": canary}
    run = input_of(hook(READS)(json.dumps(push), **{"X-GitHub-Delivery": canary}))
    assert canary in json.dumps(run["input_data"]) and canary in run["output_data"]
    folder = web_runtime.settings.data_dir
    files = [file for file in folder.rglob("*") if file.is_file()]
    assert any(file.name.endswith("-wal") for file in files) and any(file.suffix == ".db" for file in files)
    raw = {file.name: file.read_bytes() for file in files}
    assert sum(run["id"].encode() in content for content in raw.values()), "the run is in there, its body is not"
    assert [name for name, content in raw.items() if canary.encode() in content] == []
