"""The lake in a bucket: the same layout, written by one machine of all, read through copies on each.

A file is made on this machine, put into the bucket, and only then listed, in the transaction in which its rows leave
where they were. So what is listed is there, and an event is never lost; what is there and not listed does not count,
and goes with the next `mend`. Only who has the turn may list (`turns`), so nothing that a flush is about to list is
taken for a stray.

On the disk of a machine lie copies of sealed files alone, of which nobody can be made out. Files of open days, which
have ids of visitors, are read where they are, and on the machine that made one it stays until it is put there.
"""

import fcntl
import json
import shutil
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy.orm import Session

from core.analytics.bucket import Bucket, speaking
from core.analytics.cache import AT_ONCE, Cache
from core.analytics.errors import damaged, elsewhere, of_another
from core.analytics.lake import Lake, LakeFile, Lying, list_files
from core.analytics.turns import Turn
from core.platform.runtime import Runtime

if TYPE_CHECKING:
    import duckdb

MARK = "lake.json"
"""Says whose lake it is, so that no other installation takes it for strays."""
PART = "events"
KEPT = "held"
SMALL = 1 << 23
"""Bytes of a file that is fetched whole: the events of a busy hour."""


class BucketLake(Lake):
    """Where the files of an installation are: below the prefix of a bucket. `root` is where this machine works."""

    def __init__(self, runtime: Runtime, root: Path | None = None, turn: str = "lake") -> None:
        settings = runtime.settings
        assert settings.lake_bucket is not None
        super().__init__(root or settings.lake)
        self._runtime = runtime
        self.bucket = Bucket(settings.lake_bucket)
        self.cache = cache_of(runtime)
        self._turn = Turn(runtime, turn)

    def check(self) -> None:
        """See that the bucket has the lake of this installation; a new one is marked as its own."""
        check_mark(self._runtime, self.bucket)

    def check_turn(self, session: Session) -> None:
        self._turn.check(session)

    def in_turn(self, until: float) -> AbstractContextManager[None]:
        return self._turn.taken(until)

    def bring(self, file: LakeFile) -> None:
        self.bucket.put(self._made(file), file.key)

    def move(self, file: LakeFile) -> None:
        made = self._made(file)
        if made.exists() and file.sealed:
            self.cache.take(PART, file.name, made)
        made.unlink(missing_ok=True)

    def has(self, file: LakeFile) -> bool:
        return self.bucket.size(file.key) is not None

    def remove(self, file: LakeFile) -> None:
        self.bucket.remove(file.key)
        self.cache.drop(PART, file.name)
        self._made(file).unlink(missing_ok=True)

    def lying(self) -> Iterable[Lying]:
        for found in self.bucket.list("events"):
            yield Lying(Path(found.key).stem, found.key, True)
        for path in self.staging.glob("*"):
            yield Lying(path.name.split(".")[0], str(path), False)

    def clear(self, stray: Lying) -> None:
        if stray.is_placed:
            self.bucket.remove(stray.where)
        else:
            super().clear(stray)

    def paths(self, sealed: Sequence[LakeFile]) -> list[str]:
        held = self.cache.hold(PART, [(file.name, file.size, self._fetcher(file)) for file in sealed])
        return [str(path) for path in held]

    def forget_gone(self, files: Iterable[LakeFile]) -> None:
        self.cache.keep_only(PART, {file.name for file in files})

    def relation(self, connection: "duckdb.DuckDBPyConnection", file: LakeFile) -> str:
        return self.bucket.relation(connection, file.key)

    def relations(self, connection: "duckdb.DuckDBPyConnection", files: Sequence[LakeFile]) -> str:
        with ThreadPoolExecutor(AT_ONCE) as pool:
            fetched = list(pool.map(self._fetch_small, files))
        names = [
            self.relation(connection, file) if data is None else _register(connection, file, data)
            for file, data in zip(files, fetched, strict=True)
        ]
        return f"({' UNION ALL BY NAME '.join(f'FROM {name}' for name in names)})"

    def _fetch_small(self, file: LakeFile) -> bytes | None:
        """A file that fits into memory, in one request; None for a larger one."""
        if file.size > SMALL:
            return None
        data = self.bucket.read(file.key)
        if data is None:
            raise FileNotFoundError(file.key)
        return data

    def reading(self) -> AbstractContextManager[None]:
        return speaking()

    def whole(self, file: LakeFile, beside: Path) -> Path:
        self._fetcher(file)(beside)
        return beside

    def _made(self, file: LakeFile) -> Path:
        return self.staging / f"{file.name}.parquet"

    def _fetcher(self, file: LakeFile) -> Callable[[Path], None]:
        def fetch(path: Path) -> None:
            self.bucket.fetch(file.key, path)
            if path.stat().st_size != file.size:
                raise damaged()

        return fetch


def _register(connection: "duckdb.DuckDBPyConnection", file: LakeFile, data: bytes) -> str:
    from pyarrow import BufferReader, RecordBatchReader
    from pyarrow.parquet import ParquetFile

    parquet = ParquetFile(BufferReader(data))
    connection.register(
        name := f"file_{file.name}", RecordBatchReader.from_batches(parquet.schema_arrow, parquet.iter_batches())
    )
    return name


def cache_of(runtime: Runtime) -> Cache:
    """What this machine keeps of the bucket."""
    settings = runtime.settings
    return Cache(settings.lake / KEPT, settings.lake_cache_mb * 1024 * 1024, runtime.clock)


def check_mark(runtime: Runtime, bucket: Bucket) -> None:
    """See whose lake a bucket has. Raises LakeUnreachable where it is not the one that the list tells of."""
    mine = _mark(runtime)
    found = bucket.read(MARK)
    if found is not None and found != mine:
        raise of_another()
    if found is None:
        bucket.check()
        there = {found.key for found in bucket.list(PART)}
        listed = {file.key for file in list_files(runtime)}
        if there != listed:
            raise elsewhere(len(listed - there), len(there - listed))
        bucket.put_bytes(mine, MARK)


def _mark(runtime: Runtime) -> bytes:
    return json.dumps({"lake of": runtime.vault.derive("analytics lake").hex()[:32]}).encode()


def tidy(runtime: Runtime) -> None:
    """Delete what a process of this machine left when it was killed; nothing while another one writes."""
    root = runtime.settings.lake
    for folder in (root, root / "facts"):
        if not folder.is_dir():
            continue
        with (folder / "lock").open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            for path in folder.iterdir():
                if path.name in ("lock", KEPT, "facts"):
                    continue
                if path.is_dir():
                    shutil.rmtree(path, ignore_errors=True)
                else:
                    path.unlink(missing_ok=True)
