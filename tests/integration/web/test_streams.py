"""Streams of events: woken by the process's own engine, and by asking where another process advances the run."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest
from starlette.testclient import TestClient

from core.accounts.commands import create_account
from core.accounts.domain import Account
from core.execution.commands import start_run
from core.execution.engine import Engine, run_to_end
from core.execution.news import RunNews
from core.pipelines.commands import create_pipeline
from core.platform.runtime import Runtime
from tests.conftest import PASSWORD
from tests.integration.web.test_api_pipelines import DEFINITION
from tests.integration.web.test_api_runs import followed, started
from web.api import streams

FOREVER = 600.0
INPUT = {"who": "Ada"}


def test_the_engine_wakes_a_stream_and_nobody_asks_in_between(api: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    def counted(*arguments: Any) -> Any:
        asked.append(arguments[2])
        return read(*arguments)

    read = streams.events_after
    monkeypatch.setattr(streams, "events_after", counted)
    for name in ("POLL_SECONDS", "IDLE_POLL_SECONDS"):
        monkeypatch.setattr(streams, name, FOREVER)
    monkeypatch.setattr(streams, "HEARTBEAT_SECONDS", 5.0)  # what a stream that nobody wakes would end with
    for _ in range(3):
        asked.clear()
        events = followed(api, started(api)["id"])
        kinds = [event["event"] for event in events]
        assert kinds[-1] == "run_status" and "heartbeat" not in kinds
        # A claim is two pieces of news: its event, and that the run is advanced here.
        assert len(asked) <= len(kinds) + 2, "a question a piece of news"


@pytest.fixture
def here(runtime_with: Callable[..., Runtime]) -> Runtime:
    """The process that streams; it advances nothing."""
    return runtime_with()


@pytest.fixture
def elsewhere(here: Runtime, runtime_with: Callable[..., Runtime]) -> Runtime:
    """Another process over the same data."""
    return runtime_with()


@pytest.fixture
def ada(here: Runtime) -> Account:
    """Whose run it is."""
    return create_account(here, email="ada@example.org", password=PASSWORD)


async def _statuses(runtime: Runtime, owner: Account, run_id: str, opened: asyncio.Event | None = None) -> list[str]:
    found = []
    async for text in streams.stream_events(runtime, owner.id, run_id, "pending", lambda: True, 0):
        for event in text.strip().split("\n\n"):
            lines = dict(line.split(": ", 1) for line in event.split("\n"))
            if lines["event"] == "run_status":
                found.append(json.loads(lines["data"])["status"])
        if opened is not None:
            opened.set()
    return found


async def test_a_run_of_another_process_is_found_through_the_database(
    here: Runtime, elsewhere: Runtime, ada: Account
) -> None:
    run = start_run(here, ada, create_pipeline(here, ada, DEFINITION).id, INPUT)
    opened, engine = asyncio.Event(), Engine(elsewhere, "serve:elsewhere")
    stream = asyncio.create_task(_statuses(here, ada, run.id, opened))
    await opened.wait()
    await run_to_end(engine, run.id)
    assert await asyncio.wait_for(stream, 10) == ["running", "completed"]
    engine.close()


async def test_a_run_that_leaves_this_process_is_followed_to_the_next(
    here: Runtime, elsewhere: Runtime, ada: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = start_run(here, ada, create_pipeline(here, ada, DEFINITION).id, INPUT)
    known: dict[str, int | None] = {"newest": 10_000}  # as while this process advances it
    monkeypatch.setattr(here.dispatcher, "newest_event", lambda run_id: known["newest"])
    opened, engine = asyncio.Event(), Engine(elsewhere, "serve:elsewhere")
    stream = asyncio.create_task(_statuses(here, ada, run.id, opened))
    await opened.wait()
    known["newest"] = None
    here.dispatcher.tell(run.id)
    await run_to_end(engine, run.id)
    assert await asyncio.wait_for(stream, 10) == ["running", "completed"]
    engine.close()


async def test_the_engine_tells_when_a_run_comes_and_goes(here: Runtime, ada: Account) -> None:
    run = start_run(here, ada, create_pipeline(here, ada, DEFINITION).id, INPUT)
    engine, seen = Engine(here, "serve:here"), []
    with here.dispatcher.listen(run.id, lambda: seen.append(run.id in engine.active)):
        await run_to_end(engine, run.id)
    # Claimed, call started, call and run ended, gone.
    assert seen == [True, True, True, False]
    engine.close()


def test_only_who_listens_to_the_run_is_woken_and_only_while_it_does() -> None:
    news, heard = RunNews(), []
    with news.listen("a", lambda: heard.append("first")), news.listen("a", lambda: heard.append("second")):
        news.tell("b")
        news.tell("a")
    news.tell("a")
    assert heard == ["first", "second"] and not news._waiting
