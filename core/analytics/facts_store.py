"""Where facts lie: `facts/<name>/dt=2026-11-24/facts.parquet`, one file a day, put in its place whole.

They need no list: each can be made again while its rows exist, and a day that has no file has no facts. `built.json`
beside them says as of when they are, and up to which day they stay as they are.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

from core.analytics.facts import FACTS
from core.analytics.lake import keep_safe
from core.platform.runtime import Runtime
from core.shared.clock import iso_z

_FILE = "facts.parquet"
_BUILT = "built.json"


@dataclass(frozen=True, slots=True)
class Built:
    """As of when the facts are, and the last day that stays as it is."""

    at: datetime
    frozen: date


class FactFolder:
    """The folder of facts of an installation."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def place(self, name: str, day: date) -> Path:
        """The file of a day of a fact."""
        return self.root / name / f"dt={day.isoformat()}" / _FILE

    def files(self, name: str, first: date | None = None, last: date | None = None) -> list[Path]:
        """The files of a fact, of the days from `first` to `last` or of all, by day."""
        found = ((path.parent.name.removeprefix("dt="), path) for path in self.root.glob(f"{name}/dt=*/{_FILE}"))
        bounds = (first.isoformat() if first else "", last.isoformat() if last else "9999")
        return [path for day, path in sorted(found) if bounds[0] <= day <= bounds[1]]

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
            told = json.loads((self.root / _BUILT).read_text())
            return Built(datetime.fromisoformat(told["at"]).astimezone(UTC), date.fromisoformat(told["frozen"]))
        except (OSError, ValueError, KeyError):
            return None

    def note(self, built: Built) -> None:
        """Write as of when the facts are."""
        path = self.new_path()
        path.write_text(json.dumps({"at": iso_z(built.at), "frozen": built.frozen.isoformat()}))
        path.replace(self.root / _BUILT)


def facts_of(runtime: Runtime) -> FactFolder:
    """The folder of facts of an installation: in its lake."""
    return FactFolder(runtime.settings.lake / "facts")


def facts_built(runtime: Runtime) -> datetime | None:
    """As of when the facts are; None before the first time."""
    built = facts_of(runtime).built()
    return built.at if built else None
