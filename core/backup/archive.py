"""A backup: one file, a tar of its parts with a manifest that knows the SHA-256 of each. Readable by its owner only."""

import hashlib
import io
import json
import os
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Literal

from core.shared.errors import InvalidInput

FORMAT = "stepIQ backup, 1"
MANIFEST = "manifest.json"
PIECE = 1 << 20
Kind = Literal["data", "keys"]


class Writer:
    """Adds parts to a backup that is being written."""

    def __init__(self, tar: tarfile.TarFile) -> None:
        self._tar = tar
        self.members: dict[str, dict[str, Any]] = {}

    def add(self, name: str, source: Path) -> None:
        """Add a file that does not change any more. Raises FileNotFoundError."""
        with source.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            self._add(name, _Hashing(file), size)

    def add_bytes(self, name: str, data: bytes) -> None:
        """Add a part from memory."""
        self._add(name, _Hashing(io.BytesIO(data)), len(data))

    def _add(self, name: str, source: "_Hashing", size: int) -> None:
        info = tarfile.TarInfo(name)
        info.size, info.mode = size, 0o600
        self._tar.addfile(info, source)
        self.members[name] = {"size": size, "sha256": source.digest.hexdigest()}


class _Hashing:
    def __init__(self, file: IO[bytes]) -> None:
        self._file, self.digest = file, hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(size)
        self.digest.update(data)
        return data


@contextmanager
def writing(path: Path, kind: Kind, facts: dict[str, Any]) -> Iterator[Writer]:
    """Write a backup. It is in its place when it is whole, and not before. `facts` become part of the manifest."""
    part = path.with_name(path.name + ".part")
    handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        with os.fdopen(handle, "wb") as file:
            with tarfile.open(fileobj=file, mode="w") as tar:
                writer = Writer(tar)
                yield writer
                manifest = {"format": FORMAT, "kind": kind, **facts, "members": dict(writer.members)}
                writer.add_bytes(MANIFEST, json.dumps(manifest, indent=1, sort_keys=True).encode())
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def verify(path: Path, kind: Kind) -> dict[str, Any]:
    """Read a backup whole and compare every hash; answers its manifest. Raises InvalidInput, and changes nothing."""
    found: dict[str, dict[str, Any]] = {}
    manifest: dict[str, Any] | None = None
    try:
        with tarfile.open(path, mode="r:") as tar:
            for info in tar:
                file = tar.extractfile(info)
                if file is None:
                    raise _broken(path, f"{info.name} is no file")
                if info.name == MANIFEST:
                    manifest = json.loads(file.read())
                    continue
                digest = hashlib.sha256()
                while data := file.read(PIECE):
                    digest.update(data)
                found[info.name] = {"size": info.size, "sha256": digest.hexdigest()}
    except (tarfile.TarError, ValueError, EOFError) as error:
        raise _broken(path, type(error).__name__) from None
    if manifest is None or manifest.get("format") != FORMAT:
        raise _broken(path, "it has no manifest")
    if manifest["kind"] != kind:
        raise InvalidInput("WRONG_BACKUP", f"{path} is a backup of {manifest['kind']}, not of {kind}.")
    for name in sorted(manifest["members"].keys() | found.keys()):
        if manifest["members"].get(name) != found.get(name):
            raise _broken(path, f"{name} is missing or was altered")
    return manifest


def parts(path: Path) -> Iterator[tuple[str, IO[bytes]]]:
    """The parts of a verified backup, each to be read before the next is asked for."""
    with tarfile.open(path, mode="r:") as tar:
        for info in tar:
            file = tar.extractfile(info)
            if file is not None and info.name != MANIFEST:
                yield info.name, file


def save(file: IO[bytes], target: Path) -> None:
    """Write a part to a file, readable by its owner only."""
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with os.fdopen(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as out:
        while data := file.read(PIECE):
            out.write(data)
        out.flush()
        os.fsync(out.fileno())


def _broken(path: Path, why: str) -> InvalidInput:
    return InvalidInput("BACKUP_BROKEN", f"{path} is not a whole backup ({why}). Nothing was touched.")
