"""The events of a run as server-sent events (WHATWG HTML, section 9.2), resumable by seq."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import anyio
from anyio import to_thread

from core.accounts.queries import find_session
from core.execution.domain import FINAL, RunEvent, RunView
from core.execution.queries import events_after, run_status
from core.shared.clock import iso_z
from core.shared.errors import NotFound

if TYPE_CHECKING:
    from core.platform.runtime import Runtime

HEARTBEAT_SECONDS = 15.0
POLL_SECONDS, IDLE_POLL_SECONDS, IDLE_AFTER_SECONDS = 0.05, 0.25, 5.0
BATCH = 500


async def stream_events(
    runtime: Runtime, run: RunView, token: str | None, after: int, is_gone: Callable[[], Awaitable[bool]]
) -> AsyncIterator[str]:
    """Yield a run's events after a seq until its final `run_status`; heartbeats in between.

    Ends as well when the client is gone, and within a heartbeat when the session ended or the run was erased.
    """
    yield _event("connected", {"run_id": run.id, "status": run.status, "at": iso_z(runtime.clock.now())})
    ended, seq = run.status in FINAL, after
    last_news = last_beat = time.monotonic()
    asked: int | None = None
    while True:
        # A hundred open streams would ask the database two thousand times a second: ask when there is news.
        newest = runtime.dispatcher.newest_event(run.id)
        batch: tuple[RunEvent, ...] = ()
        if newest is None or newest != asked:
            batch = await to_thread.run_sync(partial(events_after, runtime, run.id, seq, BATCH))
            asked = newest
        for event in batch:
            seq = event.seq
            # A run that is retried in place goes on after a final status: only the newest one counts.
            if event.kind == "run_status":
                ended = event.data.get("status") in FINAL
            yield _event(event.kind, _data(run.id, event), event.seq)
        if len(batch) == BATCH:
            asked = None
            continue
        if ended or await is_gone():
            return
        now = time.monotonic()
        if batch:
            last_news = now
        if now - last_beat >= HEARTBEAT_SECONDS:
            last_beat = now
            if not await to_thread.run_sync(_may_go_on, runtime, run, token):
                return
            yield _event("heartbeat", {"at": iso_z(runtime.clock.now())})
        await anyio.sleep(IDLE_POLL_SECONDS if now - last_news > IDLE_AFTER_SECONDS else POLL_SECONDS)


def _may_go_on(runtime: Runtime, run: RunView, token: str | None) -> bool:
    if find_session(runtime, token) is None:
        return False
    try:
        # Covers a resume beyond the last event: its final status was sent before.
        return run_status(runtime, run.owner_id, run.id) not in FINAL
    except NotFound:
        return False


def _data(run_id: str, event: RunEvent) -> dict[str, Any]:
    data: dict[str, Any] = {"run_id": run_id, **event.data, "at": iso_z(event.at)}
    if event.step_id is not None:
        data["step_id"] = event.step_id
    return data


def _event(kind: str, data: dict[str, Any], seq: int | None = None) -> str:
    head = f"id: {seq}\n" if seq is not None else ""
    return f"{head}event: {kind}\ndata: {json.dumps(data, ensure_ascii=False, separators=(',', ':'))}\n\n"
