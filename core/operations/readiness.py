"""Whether this process can do its work: each part is tried, each for a limited time, and what fails is named.

A part that hangs is asked by one thread at a time, however often somebody looks, and does not answer until it does.
"""

import asyncio
import os
from collections.abc import Callable, Mapping
from concurrent.futures import Future, wait
from dataclasses import dataclass
from pathlib import Path
from threading import Lock, Thread

from sqlalchemy import text

from core.analytics.bucket import Bucket
from core.bootstrap import newest_revision
from core.platform.logging import get_logger
from core.platform.runtime import Runtime

LIMIT_SECONDS = 1.5
WRITTEN = b"\0" * 4096
LAKE = "lake"
"""Looked at where it is in a bucket. Without it events wait in the database, and everything else works."""

log = get_logger("operations")


@dataclass(frozen=True, slots=True)
class Part:
    """A part of the process and whether it is well. Why not is in the log. Without one that it needs it cannot work."""

    check: str
    ok: bool
    is_needed: bool = True


class Readiness:
    """Tries the parts of one process."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._checks: Mapping[str, Callable[[], object]] = {
            "database": self._database,
            "keys": self._keys,
            "disk": self._disk,
            "files": self._files,
        }
        if runtime.settings.lake_bucket is not None:
            self._checks = {**self._checks, LAKE: Bucket(runtime.settings.lake_bucket).look}
        self._newest = newest_revision()
        self._asked: dict[str, Future[None]] = {}
        self._lock = Lock()

    def look(self, limit_seconds: float = LIMIT_SECONDS) -> tuple[Part, ...]:
        """Every part, within the time limit; a worker and a scheduler only where this process is one."""
        with self._lock:
            for name, check in self._checks.items():
                if name not in self._asked:
                    self._asked[name] = _ask(check)
            asked = dict(self._asked)
        done, _ = wait(asked.values(), timeout=limit_seconds)
        parts = []
        for name, future in asked.items():
            error = future.exception() if future in done else TimeoutError()
            if future in done:
                with self._lock:
                    self._asked.pop(name, None)
            if error is not None:
                log.error("operations.not_ready", check=name, exc_info=error)
            parts.append(Part(name, error is None, is_needed=name != LAKE))
        for duty in ("worker", "scheduler"):
            alive = self._runtime.pulse.alive(duty)
            if alive is not None:
                parts.append(Part(duty, alive))
                if not alive:
                    log.error("operations.not_ready", check=duty)
        return tuple(parts)

    def _database(self) -> None:
        with self._runtime.database.read() as session:
            found = session.scalar(text("SELECT version_num FROM alembic_version"))
        if found != self._newest:
            raise RuntimeError("the database is at another schema than this program")

    def _keys(self) -> None:
        # Asked in the store itself: a key in memory says nothing of where it came from.
        if self._runtime.vault.knows("ready"):
            raise RuntimeError("nobody of that name has a key")
        self._runtime.vault.derive("ready")

    def _disk(self) -> None:
        path = self._runtime.settings.data_dir / f".ready-{os.getpid()}"
        try:
            path.write_bytes(WRITTEN)
        finally:
            path.unlink(missing_ok=True)

    def _files(self) -> None:
        folder: Path = self._runtime.settings.blobs
        if self._runtime.settings.blob_url or folder.exists():
            with os.scandir(folder) as entries:
                next(entries, None)
            if not os.access(folder, os.W_OK | os.X_OK):
                raise PermissionError("the folder of files takes none")


def _ask(check: Callable[[], object]) -> "Future[None]":
    asked: Future[None] = Future()

    def ask() -> None:
        try:
            check()
        except BaseException as error:  # whatever the driver raises: the answer is that it does not answer
            asked.set_exception(error)
        else:
            asked.set_result(None)

    Thread(target=ask, name="ready", daemon=True).start()
    return asked


async def in_own_thread(look: Callable[[], tuple[Part, ...]]) -> tuple[Part, ...]:
    """Wait for a look without a thread of the pool."""
    asked: Future[tuple[Part, ...]] = Future()

    def ask() -> None:
        try:
            asked.set_result(look())
        except BaseException as error:
            asked.set_exception(error)

    Thread(target=ask, name="ready", daemon=True).start()
    return await asyncio.wrap_future(asked)
