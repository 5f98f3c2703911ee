"""`examples/client.py` against a served installation: each thing it promises, a broken stream included."""

import importlib.util
import json
import os
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx
import pytest

from tests.conftest import PASSWORD
from tests.integration.clients.conftest import EMAIL, Served
from tests.support.cutting_proxy import CuttingProxy
from tests.support.http_peer import peer_in_thread
from tests.support.server import poll_until

FILE = Path(__file__).resolve().parents[3] / "examples" / "client.py"
GREETING = """
name: Greeting
version: 1
input:
  schema:
    name: {type: string, required: true}
steps:
  - {id: greet, type: transform, template: "Hello {{input.name}}"}
"""
MEASURED = ("depth", "width", "length", "noise", "traffic", "light", "wind", "salt", "price", "crane", "quay", "pier")
REPORT = " ".join(f"The {what} of the harbour was measured again and found larger than before." for what in MEASURED)
# The demo model says back about seventy pieces of this: three seconds at the server's pace.
TELLING = {
    "name": "Telling", "version": 1, "input": {"schema": {"name": {"type": "string", "required": True}}},
    "steps": [{"id": "tell", "model": "demo", "prompt": "Summarise in ten sentences.\n\n{{input.name}}"}],
}  # fmt: skip


@pytest.fixture(scope="module")
def client() -> ModuleType:
    spec = importlib.util.spec_from_file_location("stepiq_example_client", FILE)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def stepiq(client: ModuleType, served: Served) -> Any:
    return client.StepIQ(served.server.url, api_key=served.key)


def test_a_pipeline_is_made_priced_run_and_found(stepiq: Any) -> None:
    pipeline = stepiq.create_pipeline(GREETING)
    assert stepiq.estimate(pipeline["id"], {"name": "Ada"})["max"] == 0
    run = stepiq.wait(stepiq.run(pipeline["id"], {"name": "Ada"})["id"])
    assert (run["status"], run["output_data"]) == ("completed", "Hello Ada")
    assert next(stepiq.pipelines())["id"] == pipeline["id"]


def test_every_page_of_a_list_is_read(stepiq: Any) -> None:
    made = [stepiq.create_pipeline(GREETING)["id"] for _ in range(55)]
    found = [pipeline["id"] for pipeline in stepiq.pipelines()]
    assert set(made) <= set(found) and len(found) == len(set(found)) > 50


def test_a_key_of_the_caller_starts_one_run(stepiq: Any, client: ModuleType) -> None:
    pipeline = stepiq.create_pipeline(GREETING)["id"]
    first, second = (stepiq.run(pipeline, {"name": "Ada"}, key=f"{pipeline}-1") for _ in range(2))
    assert first["id"] == second["id"] != stepiq.run(pipeline, {"name": "Ada"})["id"]
    with pytest.raises(client.StepIQError) as refused:
        stepiq.run(pipeline, {"name": "Bob"}, key=f"{pipeline}-1")
    assert (refused.value.status, refused.value.code) == (409, "IDEMPOTENCY_KEY_REUSED")


def test_an_error_says_what_is_wrong_where(stepiq: Any, client: ModuleType, served: Served) -> None:
    with pytest.raises(client.StepIQError) as refused:
        stepiq.create_pipeline("name: Empty\nsteps:\n  - {id: a, type: dance}\n")
    assert (refused.value.status, refused.value.code) == (400, "INVALID_DEFINITION")
    assert refused.value.details[0]["line"] == 3 and "error" in str(refused.value)
    with pytest.raises(client.StepIQError) as refused:
        list(stepiq.events("nothing"))
    assert refused.value.status == 404
    with pytest.raises(client.StepIQError) as refused:
        client.StepIQ(served.server.url, api_key="sk_live_wrong").estimate("x", {})
    assert refused.value.status == 401


def test_a_stream_that_is_cut_twice_is_taken_up_where_it_broke(stepiq: Any, client: ModuleType, served: Served) -> None:
    pipeline = stepiq.create_pipeline(TELLING)["id"]
    run = stepiq.run(pipeline, {"name": REPORT})["id"]
    with CuttingProxy(served.server.port, b"/stream", b"event: token", cuts=2) as proxy:
        events = list(client.StepIQ(proxy.url, api_key=served.key).events(run))
        asked = [piece.lower() for piece in proxy.requests if b"/stream" in piece]
    assert proxy.cuts == 0 and len(asked) == 3
    places = [int(piece.split(b"last-event-id: ")[1].split(b"\r\n")[0]) for piece in asked]
    assert places[0] == 0 < places[1] < places[2], "each goes on after what it has seen"
    whole = stepiq.wait(run)
    assert events[-1][1]["status"] == whole["status"] == "completed"
    told = "".join(data["text"] for kind, data in events if kind == "token")
    # Once a step has ended its tokens are not told again: on a busy machine the last ones may be missing.
    assert told and whole["steps"][0]["raw_output"].startswith(told), (
        "nothing is told twice, nothing between is missing"
    )


def test_a_server_that_stays_away_is_an_error(client: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr(time, "sleep", slept.append)
    away = client.StepIQ("http://127.0.0.1:9", tries=3)
    with pytest.raises(httpx.ConnectError):
        away.run("x", {})
    with pytest.raises(httpx.ConnectError):
        away.wait("x")
    assert len(slept) == 2 + 3


def test_a_run_is_cancelled(stepiq: Any) -> None:
    pipeline = stepiq.create_pipeline(TELLING)["id"]
    run = stepiq.run(pipeline, {"name": REPORT})["id"]
    stepiq.cancel(run)
    assert stepiq.wait(run)["status"] == "cancelled"


def test_a_limit_is_waited_for_as_long_as_it_says(
    client: ModuleType, served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    once = client.StepIQ(served.server.url, tries=1)
    for _ in range(11):
        with pytest.raises(client.StepIQError) as refused:
            once.sign_in(EMAIL, "not the password")
    assert (refused.value.status, refused.value.code) == (429, "RATE_LIMITED")
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)  # and the time is over
        with sqlite3.connect(served.database) as database:
            database.execute("DELETE FROM rate_windows")

    monkeypatch.setattr(time, "sleep", sleep)
    patient = client.StepIQ(served.server.url)
    patient.sign_in(EMAIL, PASSWORD)
    assert len(slept) == 1 and 1 <= slept[0] <= 900
    assert isinstance(next(patient.pipelines(), {}), dict)


def test_a_webhook_starts_a_run(stepiq: Any) -> None:
    pipeline = stepiq.create_pipeline(GREETING)["id"]
    first, second = (stepiq.trigger(pipeline, {"name": "Ada"}, key=f"{pipeline}-2") for _ in range(2))
    assert first["accepted"] and first["run_id"] == second["run_id"]
    assert stepiq.wait(first["run_id"])["output_data"] == "Hello Ada"


def test_what_is_delivered_proves_who_sent_it(stepiq: Any, client: ModuleType, served: Served) -> None:
    person = client.StepIQ(served.server.url)
    person.sign_in(EMAIL, PASSWORD)
    secret = "a secret that both sides know"
    person._send("POST", "user/secrets", {"name": "SIGNING_KEY", "value": secret})
    with peer_in_thread() as peer:
        target = {"type": "webhook", "url": f"http://127.0.0.1:{peer.port}/", "signing_secret_name": "SIGNING_KEY"}
        definition = {
            "name": "Told", "version": 1, "steps": [{"id": "a", "type": "transform", "template": "Hello"}],
            "output": {"from": "a", "deliver": [target]},
        }  # fmt: skip
        stepiq.run(stepiq.create_pipeline(definition)["id"], {})
        poll_until(lambda: peer.requests, 15, "nothing was delivered")
        (request,) = peer.requests
    verify = client.verify_signature
    assert json.loads(request.body)["output"] == "Hello" and verify(secret, request.headers, request.body)
    assert not verify("another secret", request.headers, request.body)
    assert not verify(secret, request.headers, request.body + b" ")
    assert not verify(secret, request.headers, request.body, tolerance=-1), "old"
    for name in ("x-stepiq-timestamp", "x-stepiq-signature"):
        for wrong in ("", "²", "v1=é"):
            assert not verify(secret, {**request.headers, name: wrong}, request.body)


@pytest.mark.parametrize("with_key", [True, False], ids=["key", "password"])
def test_it_runs_a_file_from_the_command_line(served: Served, tmp_path: Path, with_key: bool) -> None:
    file = tmp_path / "greeting.yaml"
    file.write_text(GREETING)
    who = {"STEPIQ_API_KEY": served.key} if with_key else {"STEPIQ_EMAIL": EMAIL, "STEPIQ_PASSWORD": PASSWORD}
    env = {"PATH": os.environ["PATH"], "STEPIQ_URL": served.server.url, **who}

    def run(inputs: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, str(FILE), str(file), inputs]
        return subprocess.run(command, env=env, capture_output=True, text=True, timeout=60, check=False)

    done = run('{"name": "Ada"}')
    assert (done.returncode, done.stdout) == (0, "Hello Ada\n"), done.stderr
    assert "at most 0 credits" in done.stderr and "greet: completed" in done.stderr
    refused = run("{}")
    assert refused.returncode == 1 and "INVALID_INPUT" in refused.stderr and "input.name" in refused.stderr
