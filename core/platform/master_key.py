"""The master key: from the environment, or made once in the data folder (development only)."""

import os
import secrets

from core.platform.settings import Settings


def master_keys(settings: Settings) -> dict[int, bytes]:
    """Master keys by version: 2 is the present one, 1 the one before a rotation."""
    keys = {2: bytes.fromhex(settings.master_key or _local_key(settings))}
    if settings.master_key_previous:
        keys[1] = bytes.fromhex(settings.master_key_previous)
    return keys


def _local_key(settings: Settings) -> str:
    path = settings.data_dir / "keys" / "master.key"
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        # O_EXCL: of two processes that start together only one makes the key.
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return path.read_text().strip()
    with os.fdopen(handle, "w") as file:
        file.write(secrets.token_hex(32))
    return path.read_text().strip()
