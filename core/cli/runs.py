"""Pipeline files: checked, and run to their end."""

import asyncio
import json
from pathlib import Path
from typing import Annotated

import typer

from core.accounts.queries import get_operator
from core.cli.console import app, fail, open_runtime
from core.execution import cli_run
from core.pipelines.commands import validate_source
from core.pipelines.errors import issue_dict
from core.shared.errors import AppError


@app.command()
def validate(
    files: list[Path],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, one object a file.")] = False,
) -> None:
    """Check pipeline files."""
    runtime = open_runtime()
    operator = get_operator(runtime)
    all_valid = True
    for file in files:
        try:
            checked = validate_source(runtime, operator, file.read_bytes().decode("utf-8", errors="replace"))
        except OSError as error:
            raise fail(f"{file}: {error.strerror}", 2) from None
        valid = not checked.errors
        all_valid &= valid
        if as_json:
            found = {
                "file": str(file),
                "valid": valid,
                "errors": [issue_dict(issue) for issue in checked.errors],
                "warnings": [issue_dict(issue) for issue in checked.warnings],
            }
            typer.echo(json.dumps(found, ensure_ascii=False))
            continue
        typer.echo(f"{file}: {'valid' if valid else 'invalid'}")
        for issue in (*checked.errors, *checked.warnings):
            typer.echo(f"  {issue.line}:{issue.column} {issue.code} {issue.message}")
    if not all_valid:
        raise typer.Exit(2)


@app.command()
def run(
    file: Path,
    inputs: Annotated[list[str] | None, typer.Option("--input", help="An input as name=value; repeatable.")] = None,
    input_file: Annotated[
        list[str] | None, typer.Option("--input-file", help="A JSON or text file, or name=file.")
    ] = None,
    model: Annotated[str | None, typer.Option(help="Use this model for every llm step.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the whole run as JSON.")] = False,
) -> None:
    """Run a pipeline file to its end. Output on stdout, progress on stderr."""
    runtime = open_runtime()
    try:
        definition = cli_run.load(runtime, file, model)
        data = cli_run.read_inputs(runtime, definition, inputs or [], input_file or [])
        typer.echo(cli_run.quoted(runtime, definition, data), err=True)
        finished = asyncio.run(cli_run.run_here(runtime, definition, data, lambda line: typer.echo(line, err=True)))
    except AppError as error:
        for detail in error.context.get("details", []):
            typer.echo(f"{file}:{detail.get('line')}:{detail.get('column')} {detail['message']}", err=True)
        raise fail(error.message, 2) from None
    except OSError as error:
        raise fail(f"{error.filename}: {error.strerror}", 2) from None
    typer.echo(cli_run.show(finished, as_json=as_json))
    if finished.status != "completed":
        if finished.error and not as_json:
            typer.echo(f"Failed: {finished.error['message']}", err=True)
        raise typer.Exit(1)
