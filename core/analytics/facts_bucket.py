"""Facts in a bucket: `facts/<name>/dt=2026-11-24/<id>.parquet`. Each time a day is made, its file has a new name, so a
copy of it never goes stale. Names are in the order of time: where a crash left two, the last one counts, and the next
that is made takes the others away.
"""

from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path

from core.analytics.bucket import Bucket, Found
from core.analytics.facts import FACTS
from core.analytics.facts_store import BUILT, Built, FactFolder, read_built
from core.analytics.lake import Lake
from core.analytics.lake_bucket import BucketLake, cache_of, check_mark
from core.platform.runtime import Runtime

_NOTE = f"facts/{BUILT}"


class FactBucket(FactFolder):
    """The facts of an installation in its bucket. `root` is where this machine works."""

    def __init__(self, runtime: Runtime) -> None:
        assert runtime.settings.lake_bucket is not None
        super().__init__(runtime.settings.lake / "facts")
        self._runtime = runtime
        self.bucket = Bucket(runtime.settings.lake_bucket)
        self._cache = cache_of(runtime)
        self._there: dict[str, list[str]] = {}
        """What each day has, as it was when who writes began: asked once, and not for each day."""

    @property
    def lake(self) -> Lake:
        """What keeps a second writer out."""
        return BucketLake(self._runtime, self.root, "facts")

    def check(self) -> None:
        """See that they lie in the lake of this installation, before they are written."""
        check_mark(self._runtime, self.bucket)
        self._there = {}
        for found in self.bucket.list("facts"):
            self._there.setdefault(str(Path(found.key).parent), []).append(found.key)

    def files(self, name: str, first: date | None = None, last: date | None = None) -> list[Path]:
        """Copies of the files of a fact, of the days from `first` to `last` or of all, by day."""
        found = self._by_day(name)
        self._cache.keep_only(name, {Path(each.key).stem for each in found.values()})
        bounds = (first.isoformat() if first else "", last.isoformat() if last else "9999")
        return self._hold(name, [found[day] for day in sorted(found) if bounds[0] <= day <= bounds[1]])

    def newest(self, name: str, number: int) -> list[Path]:
        """Copies of the files of the last days that have one."""
        found = self._by_day(name)
        return self._hold(name, [found[day] for day in sorted(found)[-number:]])

    def cut(self, name: str, first: date) -> None:
        """Delete the days before one."""
        for found in self.bucket.list(f"facts/{name}"):
            if _day(found) < first.isoformat():
                self._remove(name, found.key)

    def all_files(self) -> Iterator[tuple[str, Path]]:
        """Every file, with its place below the lake as it would be in a folder."""
        for name in FACTS:
            for day, found in sorted(self._by_day(name).items()):
                yield f"facts/{name}/dt={day}/facts.parquet", self._hold(name, [found])[0]

    def replace(self, name: str, day: date, made: Path | None) -> None:
        """Put a file in its place, or take away the one that is there. `check` comes before the first."""
        folder = f"facts/{name}/dt={day.isoformat()}"
        before = self._there.pop(folder, [])
        if made is not None:
            key = f"{folder}/{self._runtime.ids.new()}.parquet"
            self.bucket.put(made, key)
            self._cache.take(name, Path(key).stem, made)
            self._there[folder] = [key]
        for each in before:
            self._remove(name, each)

    def built(self) -> Built | None:
        """As of when the facts are; None before the first time."""
        data = self.bucket.read(_NOTE)
        return read_built(data) if data is not None else None

    def note(self, built: Built) -> None:
        """Write as of when the facts are."""
        self.bucket.put_bytes(built.as_bytes(), _NOTE)

    def _by_day(self, name: str) -> dict[str, Found]:
        found = sorted(self.bucket.list(f"facts/{name}"), key=lambda each: each.key)
        return {_day(each): each for each in found}  # of two, the later one

    def _hold(self, name: str, found: list[Found]) -> list[Path]:
        return self._cache.hold(name, [(Path(each.key).stem, each.size, self._fetcher(each.key)) for each in found])

    def _fetcher(self, key: str) -> Callable[[Path], None]:
        return lambda path: self.bucket.fetch(key, path)

    def _remove(self, name: str, key: str) -> None:
        self.bucket.remove(key)
        self._cache.drop(name, Path(key).stem)


def _day(found: Found) -> str:
    return Path(found.key).parent.name.removeprefix("dt=")
