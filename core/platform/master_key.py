"""The master key: from the environment, or made once in the data folder (development only)."""

import os
import secrets
from pathlib import Path

from core.platform.settings import Settings

FILE, NEXT, FORMER = "master.key", "master.key.next", "master.key.former"


def master_keys(settings: Settings) -> tuple[bytes, ...]:
    """The master keys, the present one first. The others open what they wrapped before a rotation."""
    if settings.master_key:
        found = [settings.master_key, settings.master_key_previous]
    else:
        folder = settings.data_dir / "keys"
        # Those beside the present one are there while a rotation goes on, or was cut.
        found = [_local_key(folder / FILE), settings.master_key_previous, _read(folder / NEXT), _read(folder / FORMER)]
    return tuple(bytes.fromhex(key) for key in found if key)


def is_rotating(settings: Settings) -> bool:
    """Whether a rotation goes on, or was cut."""
    folder = settings.data_dir / "keys"
    return (folder / NEXT).exists() or (folder / FORMER).exists()


def begin_local_rotation(settings: Settings) -> None:
    """Make the next key of an installation that keeps its own, unless a cut rotation left one."""
    _make(settings.data_dir / "keys" / NEXT)


def turn_local_key(settings: Settings) -> None:
    """Put the next key in the place of the present one, which is kept beside it until `end_local_rotation`."""
    folder = settings.data_dir / "keys"
    former = folder / FORMER
    if (folder / NEXT).exists():
        former.unlink(missing_ok=True)
        os.link(folder / FILE, former)
        (folder / NEXT).replace(folder / FILE)


def end_local_rotation(settings: Settings) -> None:
    """Let go of the key before: nothing is wrapped by it any more."""
    (settings.data_dir / "keys" / FORMER).unlink(missing_ok=True)


def _local_key(path: Path) -> str:
    _make(path)
    return path.read_text().strip()


def _read(path: Path) -> str:
    try:
        return path.read_text().strip()
    except FileNotFoundError:
        return ""


def _make(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    if path.exists():
        return
    # Linked into its place when it is whole, and only where there is none: of two processes that start together one
    # makes the key.
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(secrets.token_hex(32))
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(part, path)
    except FileExistsError:
        pass
    finally:
        part.unlink()
