"""The lock of an embedded data folder: one serving process at a time.

The operating system drops the lock when its process dies, however it dies, so whoever holds it knows
that no earlier serving process lives and may take over that one's runs at once.
"""

import fcntl
import os
from pathlib import Path


class DataLock:
    """An exclusive advisory lock (flock) on `data/serve.lock`."""

    def __init__(self, data_dir: Path) -> None:
        data_dir.mkdir(parents=True, exist_ok=True)
        self._path = data_dir / "serve.lock"
        self._handle: int | None = None

    def acquire(self) -> bool:
        """Take the lock; False when another process holds it."""
        handle = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(handle)
            return False
        self._handle = handle
        return True

    def release(self) -> None:
        """Let go of the lock."""
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None
