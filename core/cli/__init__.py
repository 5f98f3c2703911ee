"""`stepiq`: the command line. Each module here adds its commands to the program by being imported."""

import sys
from importlib import import_module
from pkgutil import iter_modules

from core.platform.garbage import without_collections

FIRST = ("serving", "runs", "people", "ledger", "audit", "jobs", "backup", "privacy", "billing")
"""The order of `stepiq --help`. A module that is not named here comes after these."""

_modules = {each.name for each in iter_modules(__path__) if not each.name.startswith("_")}
with without_collections():
    import typer

    from core.cli.console import app
    from core.shared.errors import AppError

    for _name in (*FIRST, *sorted(_modules.difference(FIRST))):
        import_module(f"{__name__}.{_name}")


def main() -> None:
    """Entry point: every known error is one line on stderr."""
    try:
        app()
    except AppError as error:
        typer.echo(error.message, err=True)
        sys.exit(1)
