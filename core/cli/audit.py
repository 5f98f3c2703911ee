"""The log of acts that matter."""

import typer

from core.accounts.audit import verify_audit
from core.cli.console import new_group, open_runtime

audit = new_group("audit", "The log of acts that matter.")


@audit.command("verify")
def audit_verify() -> None:
    """Prove that the audit log is whole: nothing altered, taken out or moved."""
    proof = verify_audit(open_runtime())
    for problem in proof.problems:
        typer.echo(problem, err=True)
    typer.echo(f"{proof.rows} acts checked, {len(proof.problems)} problems")
    if proof.problems:
        raise typer.Exit(1)
