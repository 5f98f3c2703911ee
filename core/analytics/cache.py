"""What this machine keeps of a bucket's files for reading: whole copies, bounded in size.

Files have names of their own and never change, so a copy is right for as long as its file is listed. What was used
within the last minutes stays even beyond the bound: somebody may be reading it.
"""

import os
from collections.abc import Callable, Collection, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import uuid4

from core.shared.clock import Clock

IN_USE_SECONDS = 600.0
AT_ONCE = 8

Wanted = tuple[str, int, Callable[[Path], None]]
"""A name, its size, and how its bytes are written to a file."""


class Cache:
    """A folder of copies, in a part for each kind of file."""

    def __init__(self, root: Path, most_bytes: int, clock: Clock) -> None:
        self.root = root
        self._most, self._clock = most_bytes, clock

    def place(self, part: str, name: str) -> Path:
        """Where a copy is, if it is."""
        return self.root / part / f"{name}.parquet"

    def hold(self, part: str, wanted: Iterable[Wanted]) -> list[Path]:
        """Copies, in the order asked; what is missing is fetched. Raises what fetching raises."""
        asked = list(wanted)
        paths = [self.place(part, name) for name, _, _ in asked]
        missing = []
        for (_, size, fetch), path in zip(asked, paths, strict=True):
            if not self._touch(path, size):
                missing.append((path, fetch))
        if missing:
            (self.root / part).mkdir(parents=True, exist_ok=True, mode=0o700)
            with ThreadPoolExecutor(min(AT_ONCE, len(missing))) as pool:
                list(pool.map(lambda each: self._fetch(*each), missing))
            self.trim()
        return paths

    def take(self, part: str, name: str, path: Path) -> None:
        """Keep a file that was just made, which is then no longer where it was."""
        place = self.place(part, name)
        place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        path.replace(place)
        self._touch(place, place.stat().st_size)
        self.trim()

    def drop(self, part: str, name: str) -> None:
        """Delete a copy."""
        self.place(part, name).unlink(missing_ok=True)

    def keep_only(self, part: str, names: Collection[str]) -> None:
        """Delete the copies of what is gone."""
        for path in (self.root / part).glob("*.parquet"):
            if path.stem not in names:
                path.unlink(missing_ok=True)

    def trim(self) -> None:
        """Delete the copies that were not used for longest, until the rest is within the bound."""
        now, kept = self._clock.now().timestamp(), 0
        found = []
        for path in self.root.glob("*/*"):
            try:
                found.append((path.stat().st_mtime, path.stat().st_size, path))
            except FileNotFoundError:  # another process was quicker
                continue
        for used_at, size, path in sorted(found, reverse=True):
            kept += size
            is_left = path.suffix == ".part"  # by who was killed while it fetched
            if (kept > self._most or is_left) and now - used_at > IN_USE_SECONDS:
                path.unlink(missing_ok=True)
                kept -= size

    def _touch(self, path: Path, size: int) -> bool:
        try:
            if path.stat().st_size != size:
                return False
            now = self._clock.now().timestamp()
            os.utime(path, (now, now))
        except FileNotFoundError:
            return False
        return True

    def _fetch(self, path: Path, fetch: Callable[[Path], None]) -> None:
        part = path.with_name(f"{uuid4().hex}.part")
        try:
            fetch(part)
            self._touch(part, part.stat().st_size)
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
