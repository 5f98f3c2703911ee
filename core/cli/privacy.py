"""What is kept about people, what was promised, erasing, looking."""

from pathlib import Path
from typing import Annotated

import typer

from core.accounts.queries import find_account
from core.cli.console import fail, new_group, open_runtime
from core.privacy.checks.commands import check_promises
from core.privacy.checks.finding import VERDICTS
from core.privacy.erasure.certificates import render_certificate, verify_certificates, verify_file
from core.privacy.erasure.commands import ErasureWaits, begin_erasure, carry_out, notice_of
from core.privacy.record import FORMATS, clean_format, processing_record, record_text
from core.privacy.retention.dry_run import due_rows
from core.privacy.retention.sweep import sweep
from core.privacy.scan.commands import scan_text
from core.shared.errors import InvalidInput, NotFound

privacy = new_group("privacy", "What is kept about people, what was promised, erasing, looking.")


@privacy.command("retention")
def privacy_retention(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count what the next sweep would delete.")] = False,
) -> None:
    """Delete what is older than its plan keeps it, as the nightly job does; or count it."""
    runtime = open_runtime()
    if not dry_run:
        typer.echo(f"{sweep(runtime, runtime.clock.now()):,} rows and files deleted.")
        return
    due = due_rows(runtime)
    for each in due:
        typer.echo(f"{each.rows:>12,}  {each.table:<24} {each.plan or '-':<12} {', '.join(each.categories)}")
    typer.echo(f"{sum(each.rows for each in due):,} rows would be deleted. Nothing was.")


@privacy.command("erase")
def privacy_erase(
    email: str,
    close_installation: Annotated[
        bool, typer.Option("--close-installation", help="Erase even the last admin: nobody runs this afterwards.")
    ] = False,
) -> None:
    """Erase a person everywhere, verify it with a scan, and print the certificate and the closing notice."""
    runtime = open_runtime()
    person = find_account(runtime, email)
    try:
        request_id = begin_erasure(runtime, email, close_installation=close_installation)
    except NotFound as nobody:
        typer.echo(nobody.message, err=True)
        return
    try:
        certificate = carry_out(runtime, request_id, tell=lambda line: typer.echo(line, err=True))
    except ErasureWaits as waits:
        raise fail(waits.message) from None
    language = person.language if person else "en"
    notice = notice_of(certificate, language=language, site_url=runtime.settings.public_url)
    typer.echo(render_certificate(certificate))
    typer.echo(certificate.as_json())
    typer.echo(f"{notice.subject}\n\n{notice.text}")


@privacy.command("scan")
def privacy_scan(text: str) -> None:
    """Look for a text in every store. Exit 0 where it is nowhere, 1 with the places where it is."""
    result = scan_text(open_runtime(), text)
    for place in result.places:
        typer.echo(place)
    for name in result.covered:
        typer.echo(f"searched: {name}", err=True)
    for name in result.not_covered:
        typer.echo(f"not searched: {name}", err=True)
    typer.echo(f"{len(result.places)} places, {result.bytes_read:,} bytes read", err=True)
    if result.hits:
        raise typer.Exit(1)


@privacy.command("verify")
def privacy_verify(
    file: Annotated[
        Path | None, typer.Argument(help="A certificate: checked by itself, without a database. Else all of them are.")
    ] = None,
) -> None:
    """Prove certificates of erasures: those of the database, or one in a file."""
    if file is not None:
        try:
            certificate = verify_file(file.read_text(encoding="utf-8"))
        except OSError as error:
            raise fail(f"{file}: {error.strerror}", 2) from None
        except (InvalidInput, UnicodeDecodeError) as error:
            raise fail(f"{file}: {getattr(error, 'message', 'it is no text.')}", 1) from None
        typer.echo(f"{certificate.number} is as it was written. Its hash is {certificate.hash.hex()}.")
        return
    proof = verify_certificates(open_runtime())
    for problem in proof.problems:
        typer.echo(problem, err=True)
    typer.echo(f"{proof.count} certificates checked, {len(proof.problems)} problems")
    if proof.problems:
        raise typer.Exit(1)


@privacy.command("check")
def privacy_check(
    promises: Annotated[list[str] | None, typer.Argument(help="P01 to P27; all of them where none is named.")] = None,
) -> None:
    """Look at what the privacy policy promises; what is found is kept with the rest. Exit 1 where one is broken."""
    found = check_promises(open_runtime(), promises or ())
    for promise, finding in found.items():
        typer.echo(f"{promise}  {VERDICTS[finding.verdict]:<11}  {finding.says}")
    if any(finding.verdict == "broken" for finding in found.values()):
        raise typer.Exit(1)


@privacy.command("record")
def privacy_record(
    form: Annotated[str, typer.Option("--format", help=f"{', '.join(FORMATS)}.")] = "md",
) -> None:
    """Print the record of processing activities (GDPR Art. 30): the same to the byte while nothing changed."""
    wanted = clean_format(form)
    text = record_text(processing_record(open_runtime()), wanted)
    typer.echo(text, nl=False)
