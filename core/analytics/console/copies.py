"""The data of a question: relations of a range of days, put into a DuckDB file that is kept for a few minutes.

The file is in a folder of its own that only this user may enter, beside a lock that goes with the process that has it:
what a process left when it was killed is found by its free lock, and deleted. Rows lie in the order of their values, so
that their order tells nothing of what came after what. The same copy serves until there is other data.
"""

from __future__ import annotations

import fcntl
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from threading import Lock, Timer
from time import monotonic
from typing import IO, TYPE_CHECKING
from uuid import uuid4
from weakref import WeakKeyDictionary, finalize

from core.analytics.console.domain import NAME, Part
from core.analytics.engine import quoted
from core.analytics.relations import RELATIONS, Relation
from core.platform.database import Database
from core.platform.logging import get_logger
from core.platform.runtime import Runtime

if TYPE_CHECKING:
    import duckdb

KEPT_SECONDS = 300.0
MOST_COPIES = 3
"""Ranges of days that one process keeps at once."""
MOST_ROWS = 1_000_000
"""Rows of a relation: about 40 MB of file and a few seconds to make."""
LOCK = "lock"

log = get_logger("analytics")


@dataclass(slots=True)
class Copy:
    """A copy: its folder, what is in it, the state of the data it was made from, and how many ask it now."""

    folder: Path
    lock: IO[str]
    key: tuple[object, ...]
    parts: tuple[Part, ...] = ()
    made: float = field(default_factory=monotonic)
    users: int = 0
    is_over: bool = False

    @property
    def is_fresh(self) -> bool:
        """Whether it may serve another question."""
        return not self.is_over and monotonic() - self.made < KEPT_SECONDS

    def delete(self) -> None:
        """Take it off the disk."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.lock.close()


class Copies:
    """The copies of one process, of one installation. Safe from any thread."""

    def __init__(self) -> None:
        self._held: list[Copy] = []
        self._lock = Lock()
        self._making = Lock()

    @contextmanager
    def take(self, runtime: Runtime, first: date, last: date) -> Iterator[Copy]:
        """The copy of a range of days, made where there is none; it is not deleted before the block ends."""
        with self._making:
            key = (first, last, *(relation.state(runtime) for relation in RELATIONS))
            copy = self._find(key) or self._make(runtime, first, last, key)
        try:
            yield copy
        finally:
            with self._lock:
                copy.users -= 1
            self.sweep()

    def sweep(self) -> None:
        """Delete what nobody asks and what is old, and the oldest where there are too many."""
        with self._lock:
            for each in self._held[:-MOST_COPIES]:
                each.is_over = True
            over = [each for each in self._held if not each.is_fresh and not each.users]
            self._held = [each for each in self._held if each not in over]
        for each in over:
            each.delete()

    def delete_all(self) -> None:
        """Delete every copy: the process ends."""
        with self._lock:
            over, self._held = self._held, []
        for each in over:
            each.delete()

    def _find(self, key: tuple[object, ...]) -> Copy | None:
        with self._lock:
            for each in self._held:
                if each.key == key and each.is_fresh:
                    each.users += 1
                    return each
                if each.key[:2] == key[:2]:
                    each.is_over = True  # the same days, and other data now
        return None

    def _make(self, runtime: Runtime, first: date, last: date, key: tuple[object, ...]) -> Copy:
        copy = _new_folder(runtime, key)
        try:
            copy.parts = tuple(_fill(runtime, copy.folder / NAME, relation, first, last) for relation in RELATIONS)
        except BaseException:
            copy.delete()
            raise
        copy.made, copy.users = monotonic(), 1
        with self._lock:
            self._held.append(copy)
        timer = Timer(KEPT_SECONDS + 1, self.sweep)
        timer.daemon = True
        timer.start()
        return copy


def copies_of(runtime: Runtime) -> Copies:
    """The copies of this process."""
    with _lock:
        found = _copies.get(runtime.database)
        if found is None:
            found = _copies[runtime.database] = Copies()
            finalize(runtime.database, found.delete_all)  # and when the process ends
        return found


def delete_left_copies(runtime: Runtime) -> int:
    """Delete the copies of processes that died; answers how many."""
    root = _root(runtime)
    if not root.is_dir():
        return 0
    with _alone(root):
        return _delete_left(root)


_copies: WeakKeyDictionary[Database, Copies] = WeakKeyDictionary()
_lock = Lock()


def _root(runtime: Runtime) -> Path:
    return runtime.settings.data_dir / "console"


@contextmanager
def _alone(root: Path) -> Iterator[None]:
    """One process at a time makes or deletes folders: a folder that has no lock yet is nobody's to delete."""
    with (root / LOCK).open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _delete_left(root: Path) -> int:
    done = 0
    for folder in root.iterdir():
        if folder.is_dir() and (lock := _free_lock(folder)) is not None:
            with lock:
                shutil.rmtree(folder, ignore_errors=True)
            done += 1
    return done


def _free_lock(folder: Path) -> IO[str] | None:
    """The lock of a folder whose process is gone."""
    lock = (folder / LOCK).open("w")
    with suppress(BlockingIOError):
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return lock
    lock.close()
    return None


def _new_folder(runtime: Runtime, key: tuple[object, ...]) -> Copy:
    root = _root(runtime)
    root.mkdir(mode=0o700, exist_ok=True)
    with _alone(root):
        _delete_left(root)
        folder = root / uuid4().hex
        folder.mkdir(mode=0o700)
        lock = (folder / LOCK).open("w")
        fcntl.flock(lock, fcntl.LOCK_EX)
    return Copy(folder, lock, key)


def _fill(runtime: Runtime, path: Path, relation: Relation, first: date, last: date) -> Part:
    """Put a relation into the file, with what its columns say."""
    with relation.load(runtime, first, last) as connection:
        run = connection.execute
        run(f"SET temp_directory = {quoted(path.parent / 'spill')}")
        run(f"ATTACH {quoted(path)} AS copy")
        path.chmod(0o600)
        since, sample = _within(connection, relation, first)
        columns = ", ".join(column.name for column in relation.columns)
        rows = f"SELECT {columns} FROM {relation.name} WHERE {relation.day} >= DATE '{since.isoformat()}'"
        if sample:
            rows = f"SELECT * FROM ({rows}) USING SAMPLE reservoir({MOST_ROWS} ROWS)"
        run("SET preserve_insertion_order = true")
        run(f"CREATE TABLE copy.{relation.name} AS SELECT * FROM ({rows}) ORDER BY ALL")
        run(f"COMMENT ON TABLE copy.{relation.name} IS {_text(relation.says)}")
        for column in relation.columns:
            run(f"COMMENT ON COLUMN copy.{relation.name}.{column.name} IS {_text(column.says)}")
        facts = f"SELECT count(*), min({relation.day}), max({relation.day}) FROM copy.{relation.name}"
        found = run(facts).fetchone()
        assert found is not None
        run("DETACH copy")
    rows_there, oldest, newest = found
    return Part(relation.name, rows_there, oldest, newest, "rows" if sample else "days" if since > first else "")


def _within(connection: duckdb.DuckDBPyConnection, relation: Relation, first: date) -> tuple[date, bool]:
    """The first day of which all rows fit, and whether the newest day alone has too many."""
    query = f"SELECT {relation.day}, count(*) FROM {relation.name} GROUP BY 1 ORDER BY 1 DESC"
    total, since = 0, None
    for day, rows in connection.execute(query).fetchall():
        total += rows
        if total > MOST_ROWS:
            return (since, False) if since is not None else (day, True)
        since = day
    return first, False


def _text(words: str) -> str:
    return "'" + words.replace("'", "''") + "'"
