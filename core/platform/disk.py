"""How much room is left where the data lies."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from shutil import disk_usage

LOW_SHARE = 0.1
LOW_BYTES = 2 * 1024**3


@dataclass(frozen=True, slots=True)
class DiskSpace:
    """The file system that a folder is on, in bytes."""

    total: int
    free: int

    @property
    def is_low(self) -> bool:
        """Under 10 % or 2 GB free: soon nothing can be written."""
        return self.free < LOW_BYTES or self.free < self.total * LOW_SHARE


MeasureDisk = Callable[[Path], DiskSpace]
"""The port: measures the file system of a folder."""


def measure_disk(folder: Path) -> DiskSpace:
    """The file system of a folder of this machine."""
    found = disk_usage(folder)
    return DiskSpace(found.total, found.free)
