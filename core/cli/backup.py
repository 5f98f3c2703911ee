"""Backups of data and of keys, apart, and the master key."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from core.backup.restoring import restore
from core.backup.saving import back_up_data, back_up_keys
from core.cli.console import app, fail, new_group, open_runtime
from core.platform.logging import configure_logging
from core.platform.rotation import rotate_master_key
from core.platform.settings import load_settings

key_store = new_group("keys", "The keys that people's data is sealed with.")


@app.command("backup")
def backup(
    file: Path,
    keys: Annotated[
        bool, typer.Option("--keys", help="Write the key store instead. Keep it apart from the data.")
    ] = False,
) -> None:
    """Write the data to a file, beside whatever is being served; with --keys the key store, never both in one."""
    runtime = open_runtime()
    try:
        if keys:
            typer.echo(f"{file}: {back_up_keys(runtime, file)} keys. The master key is not in it: keep it elsewhere.")
        else:
            typer.echo(
                f"{file}: {back_up_data(runtime, file)} parts. The keys are not in it: stepiq backup --keys FILE."
            )
    except OSError as error:
        raise fail(f"{error.filename or file}: {error.strerror}", 2) from None


@app.command("restore")
def restore_backup(
    file: Path,
    keys: Annotated[Path | None, typer.Option("--keys", help="A backup of the key store, put back as well.")] = None,
) -> None:
    """Put a backup in the place of the data. Refused while a process serves it; who was erased stays erased."""
    configure_logging(json=False, stream=sys.stderr)
    try:
        erased = restore(load_settings(), file, keys)
    except OSError as error:
        raise fail(f"{error.filename or file}: {error.strerror}", 2) from None
    typer.echo(f"{file} is in its place, at the newest schema. {erased} erased accounts stay erased.")


@key_store.command("rotate")
def keys_rotate() -> None:
    """Wrap every data key with the new master key. Until it is done, both master keys are needed."""
    count = rotate_master_key(open_runtime())
    typer.echo(f"{count} keys are wrapped by the present master key. The one before opens none any more.")
