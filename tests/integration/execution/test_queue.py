"""Many machines: runs are jobs on PostgreSQL, advanced by whoever has room."""

import signal
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from sqlalchemy import make_url, text

from core.accounts.commands import create_account
from core.accounts.domain import Account
from core.execution import leases
from core.execution.commands import start_run
from core.execution.domain import FINAL
from core.execution.queries import get_run, run_status
from core.execution.reviews import decide_review
from core.pipelines.commands import create_pipeline
from core.platform.runtime import Runtime
from tests.conftest import PASSWORD
from tests.support.postgres import new_database, new_migrated_database
from tests.support.server import free_port, poll_until
from tests.support.workers import WorkerProcess

REVIEW = {
    "name": "Ask",
    "version": 1,
    "steps": [
        {"id": "say", "type": "transform", "template": "x"},
        {"id": "ask", "type": "human_review", "message": "Good?"},
        {"id": "done", "type": "transform", "template": "{{steps.ask.output.decision}}"},
    ],
}
SLOW = {
    "name": "Slow",
    "version": 1,
    "steps": [{"id": "say", "model": "demo", "prompt": "Summarise: bees make honey and live in hives. " * 60}],
}


@pytest.fixture
def databases() -> dict[str, str]:
    return {"database_url": new_migrated_database(), "key_store_url": new_database()}


@pytest.fixture
def runtime(runtime_with: Callable[..., Runtime], databases: dict[str, str]) -> Runtime:
    return runtime_with(**databases)


@pytest.fixture
def owner(runtime: Runtime) -> Account:
    return create_account(runtime, email="ada@example.org", password=PASSWORD)


@pytest.fixture
def worker(runtime: Runtime, databases: dict[str, str], tmp_path: Path) -> Iterator[Callable[..., WorkerProcess]]:
    made: list[WorkerProcess] = []

    def start(name: str, **options: Any) -> WorkerProcess:
        urls = {"DATABASE_URL": databases["database_url"], "KEY_STORE_URL": databases["key_store_url"]}
        process = WorkerProcess(tmp_path / "data", name, **options, **urls)
        made.append(process)
        process.start()
        return process

    yield start
    for process in made:
        process.end()


def jobs(runtime: Runtime) -> int:
    with runtime.database.read() as session:
        return session.scalar(text("SELECT count(*) FROM procrastinate_jobs")) or 0


def wait_for(runtime: Runtime, owner: Account, run_id: str, *statuses: str) -> None:
    poll_until(lambda: run_status(runtime, owner.id, run_id) in statuses, 40, f"never {statuses}")


def test_a_run_and_its_job_are_committed_together(runtime: Runtime, owner: Account) -> None:
    pipeline = create_pipeline(runtime, owner, REVIEW)
    start_run(runtime, owner, pipeline.id, {})
    assert jobs(runtime) == 1
    with pytest.raises(RuntimeError), runtime.database.write() as session:
        runtime.dispatcher.enqueue(session, runtime.ids.new())
        raise RuntimeError
    assert jobs(runtime) == 1
    with runtime.database.read() as session:
        kept = str(session.execute(text("SELECT args, lock, queueing_lock FROM procrastinate_jobs")).all())
    assert owner.id not in kept and "@" not in kept, "only the run's opaque id"


def test_a_worker_takes_runs_and_goes_on_with_decisions(
    runtime: Runtime, owner: Account, worker: Callable[..., WorkerProcess]
) -> None:
    run = start_run(runtime, owner, create_pipeline(runtime, owner, REVIEW).id, {})
    process = worker("one")
    wait_for(runtime, owner, run.id, "waiting")
    decide_review(runtime, owner, run.id, "ask", "approve")
    wait_for(runtime, owner, run.id, *FINAL)
    assert get_run(runtime, owner.id, run.id).output_data == "approve"
    # The run's end is committed just before its job's: a worker that is stopped between them leaves the job to another.
    poll_until(lambda: jobs(runtime) == 0, 20, "finished jobs leave something behind")
    process.end(signal.SIGTERM)


def test_a_stopping_worker_hands_its_runs_over_at_once(
    runtime: Runtime, owner: Account, worker: Callable[..., WorkerProcess]
) -> None:
    run = start_run(runtime, owner, create_pipeline(runtime, owner, SLOW).id, {})
    first = worker("first", STEPIQ_DEMO_PACE_MS="100")
    wait_for(runtime, owner, run.id, "running")
    first.end(signal.SIGTERM)
    assert run.id in leases.unclaimed_runs(runtime), "nobody holds it any more"
    assert jobs(runtime) >= 1, "and it stands in the queue"
    worker("second")
    wait_for(runtime, owner, run.id, *FINAL)
    assert get_run(runtime, owner.id, run.id).status == "completed"


@pytest.mark.slow  # it waits until every duty has noticed
def test_a_worker_outlives_a_database_that_is_away(
    runtime: Runtime, owner: Account, worker: Callable[..., WorkerProcess], databases: dict[str, str]
) -> None:
    process = worker("one")
    url = make_url(databases["database_url"])
    name, beside = url.database, url.set(drivername="postgresql", database="postgres")
    with psycopg.connect(beside.render_as_string(hide_password=False), autocommit=True) as admin:
        admin.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
        admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name])
        duties = (b"queue.take_over_failed", b"queue.work_failed")
        poll_until(lambda: all(duty in process.log.read_bytes() for duty in duties), 30, "it noticed nothing")
        admin.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
    runtime.database.dispose()
    queued, abandoned = (start_run(runtime, owner, create_pipeline(runtime, owner, REVIEW).id, {}) for _ in range(2))
    with runtime.database.write() as session:
        session.execute(text("DELETE FROM procrastinate_jobs WHERE args->>'run_id' = :id"), {"id": abandoned.id})
        session.execute(
            text("UPDATE runs SET lease_until = now() - interval '1 s' WHERE id = :id"), {"id": abandoned.id}
        )
    for run in (queued, abandoned):
        wait_for(runtime, owner, run.id, "waiting")


def test_one_person_cannot_have_everything_under_way(runtime: Runtime, owner: Account) -> None:
    pipeline = create_pipeline(runtime, owner, REVIEW)
    first, second = (start_run(runtime, owner, pipeline.id, {}) for _ in range(2))
    assert leases.may_begin(runtime, second.id, per_person=1)
    from core.execution import claims

    assert claims.claim(runtime, first.id, "worker:one") is not None
    assert not leases.may_begin(runtime, second.id, per_person=1)
    assert leases.may_begin(runtime, second.id, per_person=2)


def test_a_worker_answers_whether_it_works_and_what_it_counted(
    runtime: Runtime, owner: Account, worker: Callable[..., WorkerProcess]
) -> None:
    pipeline, port = create_pipeline(runtime, owner, REVIEW), free_port()
    worker("told", port=port, METRICS_TOKEN="scrape-me-0123456789")
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client:
        assert client.get("/api/health").json()["status"] == "ok"
        poll_until(lambda: client.get("/api/ready").status_code == 200, 20, "the worker is not ready")
        assert client.get("/api/metrics").json()["code"] == "UNAUTHENTICATED"
        for path in ("/", "/api/models", "/api/runs", "/docs", "/openapi.json"):
            assert client.get(path).status_code == 404, path
        run = start_run(runtime, owner, pipeline.id, {})
        wait_for(runtime, owner, run.id, "waiting")
        told = client.get("/api/metrics", headers={"Authorization": "Bearer scrape-me-0123456789"}).text
    assert 'stepiq_duty_alive{duty="worker"} 1.0' in told and "stepiq_steps_ended_total{" in told


def test_a_worker_whose_port_is_taken_says_so_and_takes_no_runs(
    runtime: Runtime, worker: Callable[..., WorkerProcess], tmp_path: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(AssertionError, match="ended with 2"):
        worker("late", port=taken.getsockname()[1])
    assert "Choose another --port" in (tmp_path / "late.log").read_text()
