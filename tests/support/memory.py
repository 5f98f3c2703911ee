"""Where tests keep what they write: in memory, where there is plenty, as nothing of it need survive the machine."""

import os
import shutil
from pathlib import Path

MEMORY = Path("/dev/shm")
ROOM = 6 * 1024**3


def memory_folder() -> Path | None:
    """A folder in memory; None where it is not to be had, or is short."""
    if not os.access(MEMORY, os.W_OK):
        return None
    return MEMORY if shutil.disk_usage(MEMORY).free > ROOM else None
