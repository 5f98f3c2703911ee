"""Fifty runs asked for at once on ten credits, while two workers on one PostgreSQL take them."""

from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import text

from core.platform.runtime import Runtime
from tests.support.credit_rush import check_ended, spender, start_all
from tests.support.postgres import new_database, new_migrated_database
from tests.support.server import poll_until, vendor_process
from tests.support.workers import WorkerProcess

pytestmark = pytest.mark.slow


def test_two_workers_never_spend_more_than_there_is(runtime_with: Callable[..., Runtime], tmp_path: Path) -> None:
    with vendor_process(50) as url:
        settings = {
            "database_url": new_migrated_database(),
            "key_store_url": new_database(),
            "anthropic_api_key": "sk-ant-test",
            "anthropic_base_url": url,
        }
        runtime = runtime_with(**settings)
        person, pipeline = spender(runtime)
        environment = {name.upper(): value for name, value in settings.items()} | {"STEPIQ_RUNS_PER_PERSON": "1000"}
        workers = [WorkerProcess(tmp_path / "data", name, **environment) for name in ("one", "two")]
        try:
            for worker in workers:
                worker.start()
            runs, refused = start_all(runtime, person, pipeline, threads=10)
            assert len(runs) + refused == 50

            def ended() -> bool:
                with runtime.database.read() as session:
                    going = session.scalar(text("SELECT count(*) FROM runs WHERE status NOT IN ('completed','failed')"))
                return going == 0

            poll_until(ended, 120, "not every run ended")
        finally:
            for worker in workers:
                worker.end()
        assert check_ended(runtime, person, runs).total() == len(runs)
