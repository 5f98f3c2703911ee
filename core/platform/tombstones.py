"""Accounts that must not come back: the list of erased ids, kept where no backup of the data is put back over it.

It is kept twice. A file in the data folder, appended to and synced before anything is destroyed, outlives a restored
database; the key store's own table outlives a lost data folder, and serves every machine where there are several. What
either knows counts, and each is brought up to what the other knows. The list holds ids and times: no address, no name,
and no hash of one.
"""

import os
import re
from collections.abc import Collection
from pathlib import Path

from core.platform.runtime import Runtime
from core.shared.clock import iso_z

LINE = re.compile(r"([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}) \S+")


def tombstone_file(data_dir: Path) -> Path:
    """Where the list lies."""
    return data_dir / "tombstones" / "accounts"


def entomb(runtime: Runtime, account_ids: Collection[str]) -> None:
    """Put accounts on the list, in both places; it is on the disk when this returns."""
    path = tombstone_file(runtime.settings.data_dir)
    missing = sorted(set(account_ids) - read_tombstones(path))
    if missing:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        at = iso_z(runtime.clock.now())
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        with os.fdopen(handle, "ab") as file:
            # A line that a crash cut is no id; the next one begins a line of its own all the same.
            file.write("".join(f"\n{account_id} {at}\n" for account_id in missing).encode())
            file.flush()
            os.fsync(file.fileno())
        _sync(path.parent)
        _sync(path.parent.parent)
    runtime.vault.entomb(account_ids)


def entombed(runtime: Runtime) -> frozenset[str]:
    """Every account on the list, in either place."""
    return read_tombstones(tombstone_file(runtime.settings.data_dir)) | runtime.vault.entombed()


def read_tombstones(path: Path) -> frozenset[str]:
    """The ids in a file; none where there is no file."""
    try:
        lines = path.read_text(errors="replace").splitlines()
    except FileNotFoundError:
        return frozenset()
    return frozenset(found[1] for line in lines if (found := LINE.fullmatch(line)))


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
