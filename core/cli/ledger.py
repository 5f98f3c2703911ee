"""The ledger of credits: proved, and written to a file."""

from pathlib import Path
from typing import Annotated

import typer

from core.cli.console import fail, find_person, new_group, open_runtime
from core.credits.proof import verify_export
from core.credits.queries import verify_ledger
from core.credits.statements import export_lines
from core.shared.errors import InvalidInput

ledger = new_group("ledger", "The ledger of credits.")


@ledger.command("verify")
def ledger_verify(
    file: Annotated[
        Path | None, typer.Argument(help="An export: checked by itself, without a database. Else the database is.")
    ] = None,
    head: Annotated[
        str | None, typer.Option(help="A hash that an earlier statement told: one of its movements must have it.")
    ] = None,
) -> None:
    """Prove that the ledger's sums hold and its chains are whole: of the database, or of an export."""
    if file is None:
        if head is not None:
            raise fail("--head goes with an export: stepiq ledger verify FILE --head HASH.", 2)
        proof = verify_ledger(open_runtime())
    else:
        try:
            proof = verify_export(file.read_text(encoding="utf-8"), head)
        except OSError as error:
            raise fail(f"{file}: {error.strerror}", 2) from None
        except (InvalidInput, UnicodeDecodeError) as error:
            raise fail(f"{file}: {getattr(error, 'message', 'it is no text.')}", 2) from None
    for problem in proof.problems:
        typer.echo(problem, err=True)
    typer.echo(f"{proof.transactions} transactions of {proof.owners} accounts checked, {len(proof.problems)} problems")
    if proof.head is not None:
        typer.echo(f"They end with {proof.head.hex()}.")
    if proof.problems:
        raise typer.Exit(1)


@ledger.command("export")
def ledger_export(email: str, file: Path) -> None:
    """Write all movements of a person's credits to a file that `ledger verify FILE` proves without a database."""
    runtime = open_runtime()
    person = find_person(runtime, email)
    try:
        with file.open("w", encoding="utf-8") as out:
            out.writelines(export_lines(runtime, person.id))
    except OSError as error:
        raise fail(f"{file}: {error.strerror}", 2) from None
    typer.echo(f"{file}: all movements up to now. Check it with: stepiq ledger verify {file}")
