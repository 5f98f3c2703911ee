"""People and their keys."""

import sys
from typing import Annotated

import typer

from core.accounts import commands as accounts
from core.accounts.api_keys import create_api_key
from core.accounts.domain import ROLES, SCOPES
from core.accounts.passwords import set_password
from core.accounts.plans import PLANS
from core.accounts.queries import list_accounts
from core.accounts.second_factor import switch_off
from core.cli.console import fail, find_person, new_group, open_runtime
from core.credits.commands import change_plan, set_credits
from core.shared.money import MICROS, micros_from_credits

user = new_group("user", "People of this installation.")
api_keys = new_group("api-key", "Keys for programs.")

MOST_CREDITS = 10**12
KEY_NAME = "Made by stepiq api-key create"
PasswordFlag = Annotated[bool, typer.Option("--password-stdin", help="Read the password from standard input.")]


@user.command("create")
def user_create(
    email: str,
    password_stdin: PasswordFlag = False,
    admin: Annotated[bool, typer.Option("--admin", help="Give every role.")] = False,
    plan: Annotated[str | None, typer.Option(help="free, starter, pro or enterprise.")] = None,
) -> None:
    """Make an account that is confirmed at once."""
    made = accounts.create_account(
        open_runtime(),
        email=email,
        password=_password(password_stdin),
        plan=plan,
        roles=ROLES if admin else (),
    )
    typer.echo(made.id)


@user.command("password")
def user_password(email: str, password_stdin: PasswordFlag = False) -> None:
    """Set a password; the person is signed out everywhere."""
    set_password(open_runtime(), email=email, password=_password(password_stdin))
    typer.echo("The password is changed.")


@user.command("second-factor")
def user_second_factor(
    email: str, off: Annotated[bool, typer.Option("--off", help="Switch it off; the person is signed out everywhere.")]
) -> None:
    """Switch off the second factor of somebody who lost phone and recovery codes."""
    if not off:
        raise fail("A person switches it on under Profile. This command only switches it off: --off.", 2)
    runtime = open_runtime()
    if not switch_off(runtime, find_person(runtime, email), by_operator=True):
        raise fail("The second factor of this person is off.")
    typer.echo("The second factor is off, and the person is signed out everywhere.")


@user.command("list")
def user_list() -> None:
    """List people."""
    for account in list_accounts(open_runtime()):
        typer.echo(f"{account.id}  {account.email}  {account.plan}  {','.join(sorted(account.roles)) or 'user'}")


@user.command("credits")
def user_credits(
    email: str, credits: Annotated[str, typer.Option("--set", help="Credits available from now on.")]
) -> None:
    """Set a person's available credits."""
    runtime = open_runtime()
    set_credits(runtime, find_person(runtime, email), micros=_micros(credits))
    typer.echo(f"{credits} credits are available.")


@user.command("plan")
def user_plan(email: str, plan: Annotated[str, typer.Option("--set", help=f"{', '.join(PLANS)}.")]) -> None:
    """Give a person a plan from now on; a better one tops up the month's credits."""
    runtime = open_runtime()
    if change_plan(runtime, find_person(runtime, email), plan):
        typer.echo(f"The plan is {plan} now. The person is told by mail.")
    else:
        typer.echo(f"The plan is {plan} already.")


@api_keys.command("create")
def api_key_create(
    email: str,
    scopes: Annotated[
        list[str] | None,
        typer.Option("--scope", help=f"What it may do, of {', '.join(SCOPES)}; repeatable. Every one where not given."),
    ] = None,
) -> None:
    """Make an API key for a person, and print it: it is shown this once. The Free plan has none."""
    runtime = open_runtime()
    made = create_api_key(runtime, find_person(runtime, email), KEY_NAME, scopes or SCOPES, by_operator=True)
    typer.echo(made.key)


def _micros(credits: str) -> int:
    try:
        micros = micros_from_credits(credits)
    except (ArithmeticError, ValueError):
        raise fail("Give the credits as a number.", 2) from None
    if not 0 <= micros <= MOST_CREDITS * MICROS:
        raise fail(f"Give a number of credits from 0 to {MOST_CREDITS:,}.", 2)
    return micros


def _password(from_stdin: bool) -> str:
    if not from_stdin:
        return str(typer.prompt("Password", hide_input=True, confirmation_prompt=True))
    return sys.stdin.readline().rstrip("\r\n")
