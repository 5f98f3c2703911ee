"""Where facts lie: `facts/<name>/dt=2026-11-24/facts.parquet`, one file a day, put in its place whole; in a bucket
under a name of its own (`facts_bucket`).

They need no list: each can be made again while its rows exist, and a day that has no file has no facts. `built.json`
beside them says as of when they are, and up to which day they stay as they are.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from core.analytics.facts import FACTS
from core.analytics.lake import Lake, keep_safe
from core.platform.runtime import Runtime
from core.shared.clock import iso_z

_FILE = "facts.parquet"
BUILT = "built.json"


@dataclass(frozen=True, slots=True)
class Built:
    """As of when the facts are, and the last day that stays as it is."""

    at: datetime
    frozen: date

    def as_bytes(self) -> bytes:
        """As it is noted."""
        return json.dumps({"at": iso_z(self.at), "frozen": self.frozen.isoformat()}).encode()


class FactFolder:
    """The folder of facts of an installation."""

    def __init__(self, root: Path) -> None:
        self.root = root

    @property
    def lake(self) -> Lake:
        """What keeps a second writer out."""
        return Lake(self.root)

    def check(self) -> None:
        """See that they lie in the lake of this installation, before they are written."""

    def place(self, name: str, day: date) -> Path:
        """The file of a day of a fact."""
        return self.root / name / f"dt={day.isoformat()}" / _FILE

    def files(self, name: str, first: date | None = None, last: date | None = None) -> list[Path]:
        """The files of a fact, of the days from `first` to `last` or of all, by day."""
        found = ((path.parent.name.removeprefix("dt="), path) for path in self.root.glob(f"{name}/dt=*/{_FILE}"))
        bounds = (first.isoformat() if first else "", last.isoformat() if last else "9999")
        return [path for day, path in sorted(found) if bounds[0] <= day <= bounds[1]]

    def newest(self, name: str, number: int) -> list[Path]:
        """The files of the last days that have one."""
        return self.files(name)[-number:]

    def cut(self, name: str, first: date) -> None:
        """Delete the days before one."""
        for path in self.files(name, last=first - timedelta(days=1)):
            self.replace(name, date.fromisoformat(path.parent.name.removeprefix("dt=")), None)

    def all_files(self) -> Iterator[tuple[str, Path]]:
        """Every file, with its place below the lake."""
        for name in FACTS:
            for path in self.files(name):
                yield f"facts/{path.relative_to(self.root)}", path

    def replace(self, name: str, day: date, made: Path | None) -> None:
        """Put a file in its place, or take away the one that is there."""
        place = self.place(name, day)
        if made is not None:
            keep_safe(made)
            place.parent.mkdir(parents=True, exist_ok=True)
            made.replace(place)
            keep_safe(place.parent)
        elif place.parent.is_dir():
            place.unlink(missing_ok=True)
            place.parent.rmdir()

    def new_path(self) -> Path:
        """Where to write a file before it is put in its place: there is one writer."""
        self.root.mkdir(parents=True, exist_ok=True)
        return self.root / "next.part"

    def built(self) -> Built | None:
        """As of when the facts are; None before the first time."""
        try:
            return read_built((self.root / BUILT).read_bytes())
        except OSError:
            return None

    def note(self, built: Built) -> None:
        """Write as of when the facts are."""
        path = self.new_path()
        path.write_bytes(built.as_bytes())
        path.replace(self.root / BUILT)


def read_built(data: bytes) -> Built | None:
    """What was noted; None where it cannot be read."""
    try:
        told = json.loads(data)
        return Built(datetime.fromisoformat(told["at"]).astimezone(UTC), date.fromisoformat(told["frozen"]))
    except (ValueError, KeyError):
        return None


def facts_of(runtime: Runtime) -> FactFolder:
    """The facts of an installation: in its lake."""
    if runtime.settings.lake_bucket is None:
        return FactFolder(runtime.settings.lake / "facts")
    from core.analytics.facts_bucket import FactBucket  # loads what only a bucket needs

    return FactBucket(runtime)


def facts_built(runtime: Runtime) -> datetime | None:
    """As of when the facts are; None before the first time."""
    built = facts_of(runtime).built()
    return built.at if built else None
