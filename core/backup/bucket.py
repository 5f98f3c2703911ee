"""Putting a backup's lake back into a bucket.

Its files are put there before the list of the backup is in its place, so that what is listed is there; nothing is taken
away until all else is done. When it fails, those that were added are removed again, and the list of before still fits.
What was written after the backup is then in no list, and goes with the next flush.
"""

import shutil
from datetime import date
from pathlib import Path

from core.analytics.bucket import Bucket
from core.analytics.facts import FACTS
from core.analytics.lake_bucket import check_mark
from core.analytics.turns import forget_turns
from core.platform.logging import get_logger
from core.platform.runtime import Runtime
from core.platform.settings import Settings
from core.shared.errors import AppError
from core.shared.ids import Uuid7Ids

NEW = ".restoring"
log = get_logger("backup")


def staged_lake(settings: Settings) -> Path:
    """Where the lake of a backup is until it is in its place."""
    return Path(str(settings.lake) + NEW)


class PutBack:
    """Puts the staged lake into the bucket of the settings; does nothing where the lake is a folder."""

    def __init__(self, settings: Settings) -> None:
        self._folder = staged_lake(settings)
        self._bucket = Bucket(settings.lake_bucket) if settings.lake_bucket is not None else None
        self._added: list[str] = []
        self._facts: list[str] = []

    def files(self) -> None:
        """Put there what is not there. Raises LakeUnreachable."""
        if self._bucket is None:
            return
        there = {found.key: found.size for found in self._bucket.list("events")}
        for path in sorted(self._folder.glob("events/dt=*/*.parquet")):
            key = str(path.relative_to(self._folder))
            if there.get(key) != path.stat().st_size:
                self._put(path, key)
        ids = Uuid7Ids()
        for path in sorted(self._folder.glob("facts/*/dt=*/facts.parquet")):
            name, day = path.parent.parent.name, path.parent.name.removeprefix("dt=")
            if name in FACTS:
                key = f"facts/{name}/dt={date.fromisoformat(day)}/{ids.new()}.parquet"
                self._put(path, key)
                self._facts.append(key)

    def check(self, runtime: Runtime) -> None:
        """The list is in its place: see that the bucket is its own. Raises LakeUnreachable."""
        forget_turns(runtime)
        if self._bucket is not None:
            check_mark(runtime, self._bucket)

    def finish(self) -> None:
        """All else is done: take away the facts of before, as far as that goes. Of a day the last ones count."""
        if self._bucket is None:
            return
        try:
            for found in self._bucket.list("facts"):
                if found.key not in self._facts:
                    self._bucket.remove(found.key)
        except AppError as error:
            log.warning("backup.old_facts_not_cleared", error_code=error.code)

    def undo(self) -> None:
        """Remove what was added; what cannot be removed now is in no list, and goes with the next flush."""
        try:
            for key in self._added:
                if self._bucket is not None:
                    self._bucket.remove(key)
        except AppError as error:
            log.warning("backup.bucket_not_cleared", files=len(self._added), error_code=error.code)

    def forget(self) -> None:
        """Delete what is staged."""
        if self._bucket is not None:
            shutil.rmtree(self._folder, ignore_errors=True)

    def _put(self, path: Path, key: str) -> None:
        assert self._bucket is not None
        self._added.append(key)
        self._bucket.put(path, key)
