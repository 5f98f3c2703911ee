"""What Prometheus reads: with the token only, what happened, and no word that a person chose."""

import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families
from starlette.applications import Starlette
from starlette.testclient import TestClient

from core.accounts.authentication import sign_in
from core.accounts.commands import create_account
from core.execution.commands import start_run
from core.execution.queries import run_status
from core.operations import metrics
from core.platform.jobs.commands import run_job
from core.platform.runtime import Runtime
from jobs.catalogue import JOBS
from tests.conftest import PASSWORD
from tests.support.planting.everything import planted_person
from tests.support.server import poll_until
from web.middleware import build_middleware
from web.routes import build_routes

TOKEN = "scrape-me-0123456789"
WITH = {"Authorization": f"Bearer {TOKEN}"}
ORIGIN = "http://testserver"
LABELS = {"status", "type", "provider", "surface", "method", "route", "answer", "job", "duty", "version", "le"}


@pytest.fixture
def runtime(runtime_with: Callable[..., Runtime], database_settings: dict[str, str]) -> Runtime:
    return runtime_with(metrics_token=TOKEN, app_url=ORIGIN, signup="open", **database_settings)


@pytest.fixture
def client(runtime: Runtime) -> TestClient:
    app = Starlette(routes=build_routes(runtime), middleware=build_middleware(runtime))
    return TestClient(app, base_url=ORIGIN, follow_redirects=False)


def scrape(client: TestClient) -> dict[tuple[str, ...], float]:
    """Values by name and labels."""
    answer = client.get("/api/metrics", headers=WITH)
    assert answer.status_code == 200 and answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    return {
        (sample.name, *(f"{name}={value}" for name, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer wrong"}, {"Authorization": TOKEN},
    {"Authorization": f"Basic {TOKEN}"}, {"Authorization": "Bearer"}, {"X-API-Key": TOKEN}])  # fmt: skip
def test_nobody_reads_without_the_token(client: TestClient, headers: dict[str, str]) -> None:
    answer = client.get("/api/metrics", headers=headers)
    assert answer.status_code == 401 and answer.json()["code"] == "UNAUTHENTICATED"
    assert answer.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize("sent", ["", "Bearer ", "Bearer", f"Bearer {TOKEN}"])
def test_without_a_token_in_the_settings_nobody_reads(runtime_with: Callable[..., Runtime], sent: str) -> None:
    runtime = runtime_with(app_url=ORIGIN)
    client = TestClient(Starlette(routes=build_routes(runtime)), base_url=ORIGIN)
    assert client.get("/api/metrics", headers={"Authorization": sent}).status_code == 401
    assert runtime.meters is None


def test_a_session_is_no_token(runtime: Runtime, client: TestClient) -> None:
    create_account(runtime, email="root@example.org", password=PASSWORD, roles=("admin",))
    token = sign_in(runtime, email="root@example.org", password=PASSWORD).token
    client.cookies.set("stepiq_session", token)
    assert client.get("/api/metrics").status_code == 401
    assert client.get("/api/metrics", headers={"Authorization": f"Bearer {token}"}).status_code == 401


def test_runs_steps_calls_and_requests_are_counted(runtime: Runtime, client: TestClient) -> None:
    ada = create_account(runtime, email="ada@example.org", password=PASSWORD)
    runtime.dispatcher.start()
    steps = [{"id": "say", "model": "demo", "prompt": "hello"}, {"id": "two", "type": "transform", "template": "x"}]
    headers = {"Authorization": f"Bearer {sign_in(runtime, email=ada.email, password=PASSWORD).token}"}
    made = client.post("/api/pipelines", headers=headers, json={"name": "Say", "version": 1, "steps": steps})
    run = start_run(runtime, ada, made.json()["id"], {})
    poll_until(lambda: run_status(runtime, ada.id, run.id) == "completed", 60, "the run did not end")
    client.get(f"/api/runs/{run.id}", headers=headers)
    client.get("/api/nothing-of-that-name")
    client.get("/nothing-of-that-name")
    runtime.events.write_now()
    found = scrape(client)
    assert found["stepiq_runs_ended_total", "status=completed"] == 1
    assert found["stepiq_steps_ended_total", "status=completed", "type=llm"] == 1
    assert found["stepiq_step_duration_seconds_count", "type=transform"] == 1
    assert found["stepiq_model_calls_total", "provider=demo", "status=completed"] == 1
    assert found["stepiq_http_requests_total", "answer=2xx", "method=POST", "route=/api/pipelines"] == 1
    assert found["stepiq_http_request_seconds_count", "route=/api/runs/{run_id}"] == 1
    assert (
        sum(value for key, value in found.items() if key[0] == "stepiq_http_requests_total" and "answer=4xx" in key)
        == 2
    )
    # What follows from events, such as a first run, is written with them.
    assert found["stepiq_events_waiting",] == found["stepiq_events_written_total",] > 3
    assert found["stepiq_credits_spent_total",] == 0
    assert found["stepiq_runs_under_way", "status=running"] == 0 and found["stepiq_queue_depth",] == 0
    assert found["stepiq_scrape_failures",] == 0


def test_what_is_now_is_read_when_asked(runtime: Runtime, client: TestClient) -> None:
    ada = create_account(runtime, email="ada@example.org", password=PASSWORD)
    steps = [{"id": "say", "model": "demo", "prompt": "hello"}]
    headers = {"Authorization": f"Bearer {sign_in(runtime, email=ada.email, password=PASSWORD).token}"}
    made = client.post("/api/pipelines", headers=headers, json={"name": "Say", "version": 1, "steps": steps}).json()
    for _ in range(3):
        start_run(runtime, ada, made["id"], {})  # nobody works here
    client.post("/api/auth/register/request-code", json={"email": "eve@example.org"})
    job = next(each for each in JOBS if each.name == "session_cleanup")
    run_job(runtime, job, job.slot(runtime.clock.now()))
    found = scrape(client)
    assert found["stepiq_runs_under_way", "status=pending"] == found["stepiq_queue_depth",] == 3
    assert found["stepiq_queue_oldest_seconds",] > 0
    assert found["stepiq_mails_waiting",] == 1 and found["stepiq_mails_oldest_seconds",] > 0
    assert found["stepiq_job_failures", "job=session_cleanup"] == 0
    assert 0 <= found["stepiq_job_success_age_seconds", "job=session_cleanup"] < 600
    assert found["stepiq_disk_free_bytes",] > 0 and found["process_resident_memory_bytes",] > 1_000_000
    assert any(key[0] == "stepiq_build_info" for key in found) and ("process_start_time_seconds",) in found


@pytest.mark.slow_on_postgres
def test_a_person_is_in_no_label(runtime_with: Callable[..., Runtime], database_settings: dict[str, str]) -> None:
    with planted_person(runtime_with, metrics_token=TOKEN, **database_settings) as (stage, planted):
        for path in (
            f"/api/runs/{planted.account.id}",
            "/api/pipelines/ada@example.org",
            f"/review/{'x' * 43}",
            "/ada@x.org",
        ):
            stage.client.get(path)
        stage.client.request("ADA", "/api/models")
        told = stage.client.get("/api/metrics", headers=WITH).text
    for name, value in {**planted.values, "account": planted.account.id, "made up": "ada@"}.items():
        assert value not in told and json.dumps(value)[1:-1] not in told, name
    samples = [each for family in text_string_to_metric_families(told) for each in family.samples]
    assert {name for each in samples for name in each.labels} <= LABELS
    for each in samples:
        for name, value in each.labels.items():
            assert not re.search(r"[0-9a-f]{8}-|@", value), (each.name, name, value)


def test_words_that_are_not_declared_are_other(runtime: Runtime, client: TestClient) -> None:
    runtime.events.emit("run.ended", None, status="ada@example.org", millicredits=-5)
    runtime.events.emit("step.ended", None, step_type="x", provider="ada's own", status="completed", tokens=7)
    runtime.events.emit("error.met", None, surface="?")
    found = scrape(client)
    assert found["stepiq_runs_ended_total", "status=other"] == 1
    assert found["stepiq_model_calls_total", "provider=other", "status=completed"] == 1
    assert found["stepiq_model_tokens_total", "provider=other"] == 7


def test_two_runtimes_count_apart(runtime: Runtime, runtime_with: Callable[..., Runtime], tmp_path: Any) -> None:
    other = runtime_with(metrics_token=TOKEN, data_dir=tmp_path / "other")
    assert runtime.meters is not None and other.meters is not None
    runtime.events.emit("run.ended", None, status="failed")
    assert b'status="failed"' in metrics.render(runtime, "1") and b'status="failed"' not in metrics.render(other, "1")


def test_the_rest_is_told_while_the_database_is_away(
    runtime: Runtime, client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away() -> None:
        raise OSError("away")

    monkeypatch.setattr(runtime.database, "read", away)
    found = scrape(client)
    assert found["stepiq_scrape_failures",] == 4 and found["stepiq_disk_free_bytes",] > 0


def test_it_is_counted_without_analytics_too(runtime_with: Callable[..., Runtime]) -> None:
    runtime = runtime_with(metrics_token=TOKEN, analytics=False)
    runtime.events.emit("run.ended", None, status="failed")
    assert b'stepiq_runs_ended_total{status="failed"} 1.0' in metrics.render(runtime, "1")
