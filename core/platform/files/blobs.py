"""Where the contents of files lie: sealed bytes under an id, in a folder.

A blob is written beside its place, synced and renamed into it, so it is there whole or not at all. What a
crash leaves behind is a `.part`, or a blob without a row; the clean-up finds both. Nothing here can read
what it keeps: sealing is the caller's (core.platform.files.sealing).
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO, Protocol

KEY = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}(?:\.derived)?")
PART = ".part"


@dataclass(frozen=True, slots=True)
class StoredBlob:
    """A blob in the store; `partial`: one that was never finished."""

    key: str
    modified_at: datetime
    partial: bool


class BlobWriter(Protocol):
    """A blob being written. One of `commit` and `discard` ends it."""

    def write(self, data: bytes, /) -> object: ...

    def commit(self) -> None: ...

    def discard(self) -> None: ...


class BlobStore(Protocol):
    """Keeps blobs. Keys are UUIDs, or a UUID and `.derived`; anything else is a programming error."""

    def create(self, key: str) -> BlobWriter: ...

    def open(self, key: str) -> BinaryIO:
        """Raises FileNotFoundError."""
        ...

    def delete(self, key: str) -> None:
        """Does nothing where there is no such blob."""
        ...

    def list(self) -> Iterator[StoredBlob]: ...

    def discard_part(self, key: str) -> None:
        """Remove what an unfinished writing of this key left."""
        ...


class FolderBlobs:
    """Blobs as files of mode 0600 below one folder, spread over 256 of them by the end of the id."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def create(self, key: str) -> BlobWriter:
        """Begin a blob. Raises FileExistsError while another writer is at the same key."""
        path = self._path(key)
        for folder in (self._root, path.parent):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        return _FolderWriter(path)

    def open(self, key: str) -> BinaryIO:
        """Open a finished blob. Raises FileNotFoundError."""
        return self._path(key).open("rb")

    def delete(self, key: str) -> None:
        """Remove a blob, if it is there."""
        path = self._path(key)
        with suppress(FileNotFoundError):
            path.unlink()
            _sync_folder(path.parent)

    def discard_part(self, key: str) -> None:
        """Remove the `.part` of a key, if it is there."""
        path = self._path(key)
        path.with_name(path.name + PART).unlink(missing_ok=True)

    def list(self) -> Iterator[StoredBlob]:
        """Every blob and every part; files of other names are not ours and are passed over."""
        for folder in sorted(self._root.glob("[0-9a-f][0-9a-f]")):
            for path in sorted(folder.iterdir()):
                key = path.name.removesuffix(PART)
                if KEY.fullmatch(key):
                    with suppress(FileNotFoundError):  # finished or removed since the folder was read
                        modified = datetime.fromtimestamp(path.stat().st_mtime, UTC)
                        yield StoredBlob(key, modified, path.name != key)

    def _path(self, key: str) -> Path:
        if not KEY.fullmatch(key):
            raise ValueError("not the key of a blob")
        return self._root / key[34:36] / key


class _FolderWriter:
    def __init__(self, path: Path) -> None:
        self._path = path
        self._part = path.with_name(path.name + PART)
        handle = os.open(self._part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        self._file = os.fdopen(handle, "wb")

    def write(self, data: bytes, /) -> object:
        return self._file.write(data)

    def commit(self) -> None:
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        self._part.rename(self._path)
        _sync_folder(self._path.parent)

    def discard(self) -> None:
        with suppress(OSError):  # a full disk refuses the last bytes once more
            self._file.close()
        self._part.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
