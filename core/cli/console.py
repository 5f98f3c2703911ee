"""What every group of commands stands on: the program they join, the Runtime, the person, the words of a failure."""

import sys
from pathlib import Path
from typing import Any

import typer

from core.accounts.domain import Account
from core.accounts.queries import find_account
from core.bootstrap import build_runtime, prepare
from core.platform.logging import configure_logging
from core.platform.runtime import Runtime
from core.platform.settings import load_settings

ROOT = Path(__file__).resolve().parents[2]
"""Where the rooms above core are."""
app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help="stepIQ")


def new_group(name: str, says: str) -> typer.Typer:
    """A group of commands, `stepiq NAME ...`, that joins the program."""
    group = typer.Typer(no_args_is_help=True, help=says)
    app.add_typer(group, name=name)
    return group


def open_runtime(**overrides: Any) -> Runtime:
    """The Runtime of this command, with its stores brought up to date. `overrides` stand before the environment."""
    configure_logging(json=False, stream=sys.stderr)
    runtime = build_runtime(load_settings(**overrides))
    prepare(runtime)
    return runtime


def fail(message: str, code: int = 1) -> typer.Exit:
    """Say what is wrong on stderr, and the exit to raise."""
    typer.echo(message, err=True)
    return typer.Exit(code)


def find_person(runtime: Runtime, email: str) -> Account:
    """The account with this address; without one the command ends."""
    account = find_account(runtime, email)
    if account is None:
        raise fail("There is no account with this address.")
    return account
