"""The events of a run as server-sent events (WHATWG HTML, section 9.2), resumable by seq."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from core.execution.domain import FINAL, RunEvent
from core.execution.queries import events_after, run_status
from core.shared.clock import iso_z
from core.shared.errors import NotFound

if TYPE_CHECKING:
    from core.platform.runtime import Runtime

HEARTBEAT_SECONDS = 15.0
# Only for runs that another process advances: one of this process wakes its streams.
POLL_SECONDS, IDLE_POLL_SECONDS, IDLE_AFTER_SECONDS = 0.05, 0.25, 5.0
BATCH = 500

# Streams read in threads of their own, so that hundreds of them leave those of the requests free.
_readers = ThreadPoolExecutor(4, thread_name_prefix="streams")


async def stream_events(
    runtime: Runtime, owner_id: str, run_id: str, status: str, is_live: Callable[[], bool], after: int
) -> AsyncIterator[str]:
    """Yield a run's events after a seq until its final `run_status`; heartbeats in between.

    The caller has checked whose run it is and read its status. Ends as well within a heartbeat when the session or
    the key (`is_live`) ended or the run was erased; the response cancels it when the client is gone.
    """
    yield _event("connected", {"run_id": run_id, "status": status, "at": iso_z(runtime.clock.now())})
    ended, seq = status in FINAL, after
    last_news = last_beat = time.monotonic()
    asked = 0
    loop, news = asyncio.get_running_loop(), asyncio.Event()
    with runtime.dispatcher.listen(run_id, _waker(loop, news)):
        while True:
            news.clear()  # before the question: what is committed after it wakes the wait below
            newest = runtime.dispatcher.newest_event(run_id)
            batch: tuple[RunEvent, ...] = ()
            if newest is None or newest > max(asked, seq):
                batch = await loop.run_in_executor(_readers, events_after, runtime, run_id, seq, BATCH)
                asked = newest or 0
            told = []
            for event in batch:
                seq = event.seq
                # A run that is retried in place goes on after a final status: only the newest one counts.
                if event.kind == "run_status":
                    ended = event.data.get("status") in FINAL
                told.append(_event(event.kind, _data(run_id, event), event.seq))
            if told:
                yield "".join(told)
            if len(batch) == BATCH:
                asked = 0
                continue
            if ended:
                return
            now = time.monotonic()
            if batch:
                last_news = now
            if now - last_beat >= HEARTBEAT_SECONDS:
                last_beat = now
                if not await loop.run_in_executor(_readers, _may_go_on, runtime, owner_id, run_id, is_live):
                    return
                yield _event("heartbeat", {"at": iso_z(runtime.clock.now())})
            pause = last_beat + HEARTBEAT_SECONDS - now
            if newest is None:
                pause = min(pause, IDLE_POLL_SECONDS if now - last_news > IDLE_AFTER_SECONDS else POLL_SECONDS)
            with suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await news.wait()


def _waker(loop: asyncio.AbstractEventLoop, news: asyncio.Event) -> Callable[[], None]:
    def wake() -> None:
        with suppress(RuntimeError):  # the loop is closed: nobody listens any more
            loop.call_soon_threadsafe(news.set)

    return wake


def _may_go_on(runtime: Runtime, owner_id: str, run_id: str, is_live: Callable[[], bool]) -> bool:
    if not is_live():
        return False
    try:
        # Covers a resume beyond the last event: its final status was sent before.
        return run_status(runtime, owner_id, run_id) not in FINAL
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
