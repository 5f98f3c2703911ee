"""Runs over the API, and their events over a real connection."""

import json
import socket
import threading
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.testclient import TestClient

from core.accounts.sessions import sign_out
from core.platform.runtime import Runtime
from tests.integration.web.test_api_basics import problem
from tests.integration.web.test_api_pipelines import DEFINITION, made, stranger
from web.api import streams
from web.api.payloads import RunAnswer, RunItem
from web.api.shapes import Listing
from web.middleware import build_middleware
from web.routes import build_routes

INPUT = {"input_data": {"who": "Ada"}}
MEASURED = ("depth", "width", "length", "noise", "traffic", "light", "wind", "salt", "price", "crane", "quay", "pier")
REPORT = " ".join(f"The {what} of the harbour was measured again and found larger than before." for what in MEASURED)
# The demo model says back about seventy pieces of this: three seconds at its slow pace.
LONG = {
    **DEFINITION,
    "steps": [{"id": "hello", "model": "demo", "prompt": "Summarise in ten sentences.\n\n{{input.who}}"}],
}
LONG_INPUT = {"input_data": {"who": REPORT}}


def events_of(text: str) -> list[dict[str, Any]]:
    """Parse an event stream."""
    found = []
    for block in text.split("\n\n"):
        if block:
            lines = dict(line.split(": ", 1) for line in block.split("\n"))
            seq = int(lines["id"]) if "id" in lines else None
            found.append({"event": lines["event"], "id": seq, "data": json.loads(lines["data"])})
    return found


def started(api: TestClient, **body: Any) -> dict[str, Any]:
    answer = api.post(f"/api/pipelines/{made(api)['id']}/run", json={**INPUT, **body})
    assert answer.status_code == 202, answer.text
    run: dict[str, Any] = answer.json()
    return run


def followed(api: TestClient, run_id: str, **headers: str) -> list[dict[str, Any]]:
    """Every event until the stream closes: the run has ended then."""
    answer = api.get(f"/api/runs/{run_id}/stream", headers=headers)
    assert answer.status_code == 200 and answer.headers["content-type"].startswith("text/event-stream")
    return events_of(answer.text)


def test_a_run_is_accepted_followed_and_read(api: TestClient) -> None:
    run = started(api)
    RunAnswer.model_validate(run)
    assert run["trigger_type"] == "api" and run["input_data"] == {"who": "Ada"} and run["funding_mode"] == "free"
    events = followed(api, run["id"])
    assert events[0]["event"] == "connected" and events[0]["id"] is None
    assert events[-1]["event"] == "run_status" and events[-1]["data"]["status"] == "completed"
    kinds = {event["event"] for event in events}
    assert kinds <= {"connected", "run_status", "step_status", "token", "trace_event", "heartbeat"}
    steps = [e["data"] for e in events if e["event"] == "step_status"]
    assert steps and all(step["step_id"] == "hello" and step["run_id"] == run["id"] for step in steps)
    seqs = [event["id"] for event in events if event["id"] is not None]
    assert seqs == sorted(set(seqs))

    done = api.get(f"/api/runs/{run['id']}").json()
    RunAnswer.model_validate(done)
    assert done["status"] == "completed" and done["output_data"] and done["steps"][0]["status"] == "completed"
    assert "Ada" in done["steps"][0]["prompt_sent"] and done["completed_at"].endswith("Z")
    usage = api.get("/api/user/usage").json()
    assert usage["runs_today"] == 1 and usage["credits_used"] == done["credits_deducted"] == 0


def test_a_stream_goes_on_after_the_last_event_seen(api: TestClient) -> None:
    run = started(api)
    events = [e for e in followed(api, run["id"]) if e["id"] is not None]
    middle = events[len(events) // 2]["id"]
    rest = [e["id"] for e in followed(api, run["id"], **{"Last-Event-ID": str(middle)}) if e["id"] is not None]
    kept = {e["id"] for e in followed(api, run["id"]) if e["id"] is not None}
    assert rest == sorted(seq for seq in kept if seq > middle)
    for beyond in (str(events[-1]["id"]), str(10**30)):
        assert [e["event"] for e in followed(api, run["id"], **{"Last-Event-ID": beyond})] == ["connected"]
    assert len(followed(api, run["id"], **{"Last-Event-ID": "nonsense"})) > 1, "begins at the first event"


def test_input_is_checked_against_its_schema(api: TestClient) -> None:
    path = f"/api/pipelines/{made(api)['id']}/run"
    for body in ({}, {"input_data": {}}, {"input_data": {"who": 7}}):
        answer = api.post(path, json=body)
        assert problem(answer, 422, "INVALID_INPUT")["details"]
    problem(api.post(path), 422, "INVALID_INPUT")
    for body in ({"input_data": 7}, {"input": {}}, {**INPUT, "version": 0}, {**INPUT, "version": "1"}):
        problem(api.post(path, json=body), 422, "INVALID_REQUEST")
    problem(api.post(path, json={**INPUT, "version": 9}), 404, "VERSION_NOT_FOUND")
    assert api.get("/api/runs").json()["items"] == []


def test_an_idempotency_key_starts_one_run(api: TestClient) -> None:
    path = f"/api/pipelines/{made(api)['id']}/run"
    key = {"Idempotency-Key": "order-7"}
    first, second = (api.post(path, json=INPUT, headers=key) for _ in range(2))
    other = api.post(path, json=INPUT, headers={"Idempotency-Key": "order-8"})
    assert first.status_code == second.status_code == other.status_code == 202
    assert first.json()["id"] == second.json()["id"] != other.json()["id"]
    problem(api.post(path, json=INPUT, headers={"Idempotency-Key": "x" * 201}), 422, "INVALID_REQUEST")
    changed = api.post(path, json={"input_data": {"who": "Bob"}}, headers=key)
    assert "came with another request" in problem(changed, 409, "IDEMPOTENCY_KEY_REUSED")["error"]
    elsewhere = api.post(f"/api/pipelines/{made(api)['id']}/run", json=INPUT, headers=key)
    problem(elsewhere, 409, "IDEMPOTENCY_KEY_REUSED")
    assert len(api.get("/api/runs").json()["items"]) == 2


def test_an_idempotency_key_makes_one_pipeline_and_one_retry(api: TestClient) -> None:
    key = {"Idempotency-Key": "order-7"}
    first, second = (api.post("/api/pipelines", json=DEFINITION, headers=key) for _ in range(2))
    assert (first.status_code, second.status_code) == (201, 201) and first.json() == second.json()
    problem(api.post("/api/pipelines", json={**DEFINITION, "name": "Bye"}, headers=key), 409, "IDEMPOTENCY_KEY_REUSED")
    assert api.post("/v1/api/pipelines", json=DEFINITION, headers=key).json() == first.json(), "the same route"
    assert len(api.get("/api/pipelines").json()["items"]) == 1
    run = api.post(f"/api/pipelines/{first.json()['id']}/run", json=INPUT, headers=key)
    assert run.status_code == 202, "each route counts its keys"
    followed(api, run.json()["id"])
    path = f"/api/runs/{run.json()['id']}/retry"
    again, twice = (api.post(path, headers=key) for _ in range(2))
    assert (again.status_code, twice.status_code) == (202, 202) and again.json()["id"] == twice.json()["id"]
    problem(api.post(path, json={"from_step": "hello"}, headers=key), 409, "IDEMPOTENCY_KEY_REUSED")
    problem(api.post("/api/pipelines", json=DEFINITION, headers={"Idempotency-Key": "a b"}), 422, "INVALID_REQUEST")
    assert len(api.get("/api/runs").json()["items"]) == 2


def test_every_post_that_makes_something_documents_its_key(api: TestClient) -> None:
    paths = api.get("/api/openapi.json").json()["paths"]
    for path in ("/pipelines", "/pipelines/{pipeline_id}/run", "/runs/{run_id}/retry"):
        operation = paths[path]["post"]
        assert "Idempotency-Key" in [parameter["name"] for parameter in operation["parameters"]], path
        assert "409" in operation["responses"], path


def test_runs_are_listed_filtered_and_paged(api: TestClient) -> None:
    runs = [started(api) for _ in range(3)]
    for run in runs:
        followed(api, run["id"])
    page = api.get("/api/runs?limit=2").json()
    Listing[RunItem].model_validate(page)
    rest = api.get("/api/runs", params={"limit": 2, "cursor": page["next_cursor"]}).json()
    assert [r["id"] for r in page["items"] + rest["items"]] == [r["id"] for r in runs[::-1]]
    only = api.get("/api/runs", params={"pipeline_id": runs[1]["pipeline_id"], "status": "completed"}).json()
    assert [r["id"] for r in only["items"]] == [runs[1]["id"]]
    assert api.get("/api/runs?status=failed").json() == {"items": [], "next_cursor": None}
    problem(api.get("/api/runs?status=nonsense"), 422, "INVALID_REQUEST")


def test_a_strangers_runs_do_not_exist(api: TestClient, web_runtime: Runtime) -> None:
    run = started(api)
    bob = stranger(web_runtime)
    for method, path in (("GET", ""), ("GET", "/stream"), ("POST", "/cancel"), ("POST", "/retry")):
        problem(api.request(method, f"/api/runs/{run['id']}{path}", headers=bob), 404, "RUN_NOT_FOUND")
    assert api.get("/api/runs", headers=bob).json()["items"] == []


def test_cancel_and_retry(runtime_slow: Runtime, slow_api: TestClient) -> None:
    pipeline = made(slow_api, LONG)
    run = slow_api.post(f"/api/pipelines/{pipeline['id']}/run", json=LONG_INPUT).json()
    problem(slow_api.post(f"/api/runs/{run['id']}/retry"), 409, "RUN_ACTIVE")
    cancelled = slow_api.post(f"/api/runs/{run['id']}/cancel")
    assert cancelled.status_code == 200 and cancelled.json()["id"] == run["id"]
    assert followed(slow_api, run["id"])[-1]["data"]["status"] == "cancelled"
    assert slow_api.post(f"/api/runs/{run['id']}/cancel").json()["status"] == "cancelled", "ended stays ended"
    problem(slow_api.post(f"/api/runs/{run['id']}/retry", json={"from_step": "none"}), 422, "UNKNOWN_STEP")
    again = slow_api.post(f"/api/runs/{run['id']}/retry")
    assert again.status_code == 202 and again.json()["trigger_type"] == "retry" and again.json()["id"] != run["id"]
    slow_api.post(f"/api/runs/{again.json()['id']}/cancel")


@pytest.fixture
def runtime_slow(runtime_with: Any) -> Runtime:
    """A Runtime whose demo model speaks a word every 40 ms."""
    runtime: Runtime = runtime_with(app_url="http://testserver", demo_pace_ms=40)
    return runtime


@pytest.fixture
def slow_token(runtime_slow: Runtime) -> str:
    """A session on it."""
    return stranger(runtime_slow)["Authorization"].removeprefix("Bearer ")


@pytest.fixture
def slow_api(runtime_slow: Runtime, slow_token: str) -> Iterator[TestClient]:
    """Its API."""
    app = Starlette(routes=build_routes(runtime_slow), middleware=build_middleware(runtime_slow))
    runtime_slow.dispatcher.start()
    headers = {"Authorization": f"Bearer {slow_token}"}
    with TestClient(app, base_url="http://testserver", headers=headers) as client:
        yield client


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.up = threading.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.up.set()


@pytest.fixture
def served(runtime_slow: Runtime, slow_token: str) -> Iterator[httpx.Client]:
    """The same over a real connection, where events arrive one by one."""
    app = Starlette(routes=build_routes(runtime_slow), middleware=build_middleware(runtime_slow))
    runtime_slow.dispatcher.start()
    listener = socket.create_server(("127.0.0.1", 0))
    server = _Server(uvicorn.Config(app, log_config=None, lifespan="off", timeout_graceful_shutdown=1))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    assert server.up.wait(10)
    address = f"http://127.0.0.1:{listener.getsockname()[1]}"
    with httpx.Client(base_url=address, headers={"Authorization": f"Bearer {slow_token}"}, timeout=20) as client:
        yield client
    server.should_exit = True
    thread.join(10)
    listener.close()


def _live(client: httpx.Client, run_id: str) -> Iterator[dict[str, Any]]:
    with client.stream("GET", f"/api/runs/{run_id}/stream") as answer:
        assert answer.status_code == 200 and answer.headers["x-accel-buffering"] == "no"
        assert "content-encoding" not in answer.headers
        block = ""
        for line in answer.iter_lines():
            block += line + "\n"
            if not line:
                yield from events_of(block)
                block = ""


def test_tokens_arrive_while_the_step_runs(served: httpx.Client) -> None:
    pipeline = served.post("/api/pipelines", json=LONG).json()
    run = served.post(f"/api/pipelines/{pipeline['id']}/run", json=LONG_INPUT).json()
    text, statuses = "", []
    for event in _live(served, run["id"]):
        if event["event"] == "token":
            if not text:
                during = served.get(f"/api/runs/{run['id']}").json()["status"]
                assert during == "running", "the first words come before the end"
            text += event["data"]["text"]
        if event["event"] == "run_status":
            statuses.append(event["data"]["status"])
    assert statuses[-1] == "completed"
    done = served.get(f"/api/runs/{run['id']}").json()
    assert text and done["steps"][0]["raw_output"].startswith(text[:20])


def test_a_stream_has_a_heart_and_ends_with_the_session(
    served: httpx.Client, runtime_slow: Runtime, slow_token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "HEARTBEAT_SECONDS", 0.05)
    pipeline = served.post("/api/pipelines", json=LONG).json()
    run = served.post(f"/api/pipelines/{pipeline['id']}/run", json=LONG_INPUT).json()
    seen: list[dict[str, Any]] = []
    for event in _live(served, run["id"]):
        seen.append(event)
        if event["event"] == "heartbeat":
            sign_out(runtime_slow, slow_token)
    assert any(event["event"] == "heartbeat" and event["id"] is None for event in seen)
    statuses = [event["data"]["status"] for event in seen if event["event"] == "run_status"]
    assert "completed" not in statuses, "nothing is told to a session that ended"
    assert problem(served.get(f"/api/runs/{run['id']}"), 401, "UNAUTHENTICATED")


def test_too_few_credits_are_402_and_start_nothing(runtime_with: Any) -> None:
    runtime = runtime_with(app_url="http://testserver", anthropic_api_key="sk-not-called")
    app = Starlette(routes=build_routes(runtime), middleware=build_middleware(runtime))
    step = {"id": "hello", "model": "claude-opus-4-1", "prompt": "Say {{input.who}}.", "max_tokens": 30_000}
    with TestClient(app, base_url="http://testserver", headers=stranger(runtime, plan="free")) as api:
        path = f"/api/pipelines/{made(api, {**DEFINITION, 'steps': [step]})['id']}"
        quoted = api.post(f"{path}/estimate", json=INPUT).json()
        assert quoted["max"] > 100 and quoted["steps"]["hello"]["max"] == quoted["max"]
        problem(api.post(f"{path}/run", json=INPUT), 402, "INSUFFICIENT_CREDITS")
        assert api.get("/api/runs").json()["items"] == []
        assert api.get("/api/user/usage").json()["credits_remaining"] == 100
