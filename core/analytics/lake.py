"""The lake: its files, and their list in the database.

Files lie as `events/dt=2026-11-24/<name>.parquet` and never change. In a folder, a file is made whole beside, is listed
in the same transaction in which its rows leave where they were, and only then moves to its place. In a bucket
(`lake_bucket`) it is in its place before it is listed. So an event counts in exactly one place at every moment, and
what a crash leaves lying is put right by `mend`: a file that is listed and did not move is moved, one that is listed as
gone or not listed is deleted.
"""

import fcntl
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, sleep
from typing import TYPE_CHECKING, cast

from sqlalchemy import Integer, Table, delete, func, insert, select, update
from sqlalchemy import cast as cast_to
from sqlalchemy.orm import Session

from core.analytics.engine import parquet
from core.analytics.models import LakeFileRow
from core.platform.logging import get_logger
from core.platform.runtime import Runtime
from core.shared.errors import Conflict

if TYPE_CHECKING:
    import duckdb

log = get_logger("analytics")

_files = cast(Table, LakeFileRow.__table__)


@dataclass(frozen=True, slots=True)
class LakeFile:
    """A file of the lake: its day, how many events it has, and whether its day is sealed."""

    name: str
    day: str
    rows: int
    size: int
    sealed: bool

    @property
    def key(self) -> str:
        """Its place below the lake."""
        return f"events/dt={self.day}/{self.name}.parquet"


@dataclass(frozen=True, slots=True)
class Lying:
    """A file that lies somewhere, whether it is listed or not. `is_placed`: it is where readers look."""

    name: str
    where: str
    is_placed: bool


class Lake:
    """Where the files of an installation are: a folder. A bucket is another kind of it, with the same methods."""

    def __init__(self, root: Path) -> None:
        self.root = root

    @property
    def staging(self) -> Path:
        """Where files are until they are listed."""
        return self.root / "staging"

    def place(self, file: LakeFile) -> Path:
        """Where a file is once it moved."""
        return self.root / file.key

    def find(self, file: LakeFile) -> Path:
        """Where a file is now."""
        place = self.place(file)
        return place if place.exists() else self.staging / f"{file.name}.parquet"

    def new_path(self, name: str) -> Path:
        """Where to write a new file."""
        self.staging.mkdir(parents=True, exist_ok=True)
        return self.staging / f"{name}.parquet"

    def check(self) -> None:
        """See that it is the lake of this installation, before it is written to."""

    def check_turn(self, session: Session) -> None:
        """See in the caller's transaction that nobody else writes. A lock of this machine needs no second look."""

    def in_turn(self, until: float) -> AbstractContextManager[None]:
        """Keep out who writes on other machines, waiting until a moment (monotonic): a folder has none."""
        return nullcontext()

    def bring(self, file: LakeFile) -> None:
        """Take a new file up before it is listed."""

    def move(self, file: LakeFile) -> None:
        """Put a listed file in its place."""
        place = self.place(file)
        waiting = self.staging / place.name
        if waiting.exists():
            place.parent.mkdir(parents=True, exist_ok=True)
            waiting.replace(place)
            keep_safe(place.parent)

    def has(self, file: LakeFile) -> bool:
        """Whether a file is in its place."""
        return self.place(file).exists()

    def remove(self, file: LakeFile) -> None:
        """Delete a file, and the folder of its day when it was the last."""
        for path in (self.place(file), self.staging / f"{file.name}.parquet"):
            path.unlink(missing_ok=True)
        folder = self.place(file).parent
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()

    def lying(self) -> Iterable[Lying]:
        """Every file there is."""
        for placed, paths in ((True, self.root.glob("events/dt=*/*.parquet")), (False, self.staging.glob("*"))):
            for path in paths:
                yield Lying(path.name.split(".")[0], str(path), placed)

    def clear(self, stray: Lying) -> None:
        """Delete a file that is not listed."""
        Path(stray.where).unlink(missing_ok=True)

    def paths(self, sealed: Sequence[LakeFile]) -> list[str]:
        """Where sealed files can be read on this machine, for some minutes. FileNotFoundError where one is gone.

        One look for what did not move, instead of one for each of the files: a lake has hundreds.
        """
        staying = {path.name for path in self.staging.glob("*.parquet")}
        return [
            f"{self.staging}/{name}" if (name := f"{file.name}.parquet") in staying else f"{self.root}/{file.key}"
            for file in sealed
        ]

    def forget_gone(self, files: Iterable[LakeFile]) -> None:
        """Delete what this machine keeps of files that are not among these: all that are listed."""

    def relation(self, connection: "duckdb.DuckDBPyConnection", file: LakeFile) -> str:
        """A relation of DuckDB's over a file. Raises FileNotFoundError, now or when it is asked."""
        return parquet([self.find(file)])

    def relations(self, connection: "duckdb.DuckDBPyConnection", files: Sequence[LakeFile]) -> str:
        """The same over several, columns matched by name. It can be asked once."""
        return parquet([self.find(file) for file in files])

    def reading(self) -> AbstractContextManager[None]:
        """Around what asks such relations: what fails there is said in words."""
        return nullcontext()

    def whole(self, file: LakeFile, beside: Path) -> Path:
        """Where all of a file can be read: in its place, or fetched to a path that is given."""
        return self.find(file)


def keep_safe(path: Path) -> None:
    """See that a file or a folder is on the disk, not only on its way (fsync)."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def alone(lake: Lake, wait_seconds: float = 60.0) -> Iterator[None]:
    """One writer at a time; the lock goes with the process that has it. Raises Conflict after waiting so long."""
    lake.root.mkdir(parents=True, exist_ok=True)
    until = monotonic() + wait_seconds
    with (lake.root / "lock").open("w") as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if monotonic() > until:
                    raise busy() from None
                sleep(0.02)
        with lake.in_turn(until):
            yield


def busy() -> Conflict:
    """Somebody else writes."""
    return Conflict("LAKE_BUSY", "Another process writes to the lake. Nothing was lost; the next run goes on.")


def lake_of(runtime: Runtime) -> Lake:
    """The lake of an installation."""
    if runtime.settings.lake_bucket is None:
        return Lake(runtime.settings.lake)
    from core.analytics.lake_bucket import BucketLake  # loads what only a bucket needs

    return BucketLake(runtime)


def listed(session: Session) -> list[LakeFile]:
    """Every file whose events count, by day."""
    rows = session.execute(select(_files).where(~_files.c.gone).order_by(_files.c.day, _files.c.name)).all()
    return [LakeFile(row.name, row.day, row.rows, row.size, row.sealed) for row in rows]


def state_of_files(session: Session) -> tuple[object, ...]:
    """What is another when other files count than before: how many they are, of what, and when the newest was made."""
    file = _files.c
    sums = [func.sum(column) for column in (file.rows, file.size, cast_to(file.sealed, Integer))]
    counted = select(func.count(), func.max(file.made_at), func.min(file.day), *sums).where(~file.gone)
    return tuple(session.execute(counted).one())


def list_files(runtime: Runtime) -> list[LakeFile]:
    """The same, for who has no transaction."""
    with runtime.database.read() as session:
        return listed(session)


def write_list(
    runtime: Runtime, session: Session, lake: Lake, made: Sequence[LakeFile], instead_of: Sequence[LakeFile]
) -> None:
    """In the caller's transaction: files count, and others do not any more.

    Raises Conflict when one of the others does not count now, or another machine took over writing: nothing is written.
    """
    lake.check_turn(session)
    if instead_of:
        names = [file.name for file in instead_of]
        gone = update(_files).where(_files.c.name.in_(names), ~_files.c.gone).values(gone=True)
        if session.execute(gone).rowcount != len(names):  # type: ignore[attr-defined]
            raise Conflict("LAKE_CHANGED", "The lake was changed meanwhile. Nothing was lost; the next run goes on.")
    if made:
        values = [
            {
                "name": file.name, "day": file.day, "rows": file.rows, "size": file.size,
                "sealed": file.sealed, "gone": False, "made_at": runtime.clock.now(),
            }
            for file in made
        ]  # fmt: skip
        session.execute(insert(_files), values)


def settle(runtime: Runtime, lake: Lake, made: Sequence[LakeFile], instead_of: Sequence[LakeFile]) -> None:
    """After that transaction: the files take their places, and those instead of which they are go."""
    for file in made:
        lake.move(file)
    for file in instead_of:
        lake.remove(file)
    if instead_of:
        with runtime.database.write() as session:
            session.execute(delete(_files).where(_files.c.gone, _files.c.name.in_([each.name for each in instead_of])))


def mend(runtime: Runtime, lake: Lake) -> int:
    """Put right what a crash left; answers how many files that were. Nobody else may be writing to the lake."""
    lake.check()
    done = 0
    lying = list(lake.lying())  # before the list is read: what lies in its place was listed before it came there
    placed = {each.name for each in lying if each.is_placed}
    with runtime.database.write() as session:
        lake.check_turn(session)
        rows = session.execute(select(_files)).all()
    known = {row.name: LakeFile(row.name, row.day, row.rows, row.size, row.sealed) for row in rows}
    gone = [known[row.name] for row in rows if row.gone]
    for file in (each for each in known.values() if each not in gone and each.name not in placed):
        lake.move(file)
        done += 1
        if not lake.has(file):
            log.error("analytics.file_missing", file=file.name, day=file.day, events=file.rows)
            gone.append(file)  # somebody deleted it: the rest of the lake can still be read
    for stray in lying:
        if stray.name not in known:
            lake.clear(stray)
            done += 1
    if gone:
        with runtime.database.write() as session:
            lake.check_turn(session)
            session.execute(update(_files).where(_files.c.name.in_([file.name for file in gone])).values(gone=True))
        settle(runtime, lake, (), gone)
    return done + len(gone)
