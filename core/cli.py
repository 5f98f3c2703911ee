"""`stepiq`: the command line."""

import asyncio
import json
import os
import signal
import sys
import threading
from pathlib import Path
from typing import Annotated, Any

import typer

from core.accounts import commands as accounts
from core.accounts.api_keys import create_api_key
from core.accounts.audit import verify_audit
from core.accounts.domain import ROLES, SCOPES, Account
from core.accounts.passwords import set_password
from core.accounts.plans import PLANS
from core.accounts.queries import find_account, get_operator, list_accounts
from core.accounts.second_factor import switch_off
from core.backup.restoring import restore
from core.backup.saving import back_up_data, back_up_keys
from core.bootstrap import build_runtime, prepare, set_runtime
from core.credits.commands import change_plan, set_credits
from core.credits.payments.domain import format_money
from core.credits.payments.setup import set_up_billing
from core.credits.proof import verify_export
from core.credits.queries import verify_ledger
from core.credits.statements import export_lines
from core.execution import cli_run
from core.pipelines.commands import validate_source
from core.pipelines.errors import issue_dict
from core.platform.garbage import tune_collector
from core.platform.jobs.commands import run_job
from core.platform.jobs.declared import find_job
from core.platform.logging import configure_logging
from core.platform.rotation import rotate_master_key
from core.platform.runtime import Runtime
from core.platform.settings import load_settings
from core.privacy.checks.commands import check_promises
from core.privacy.checks.finding import VERDICTS
from core.privacy.erasure.certificates import render_certificate, verify_certificates, verify_file
from core.privacy.erasure.commands import ErasureWaits, begin_erasure, carry_out, notice_of
from core.privacy.record import FORMATS, clean_format, processing_record, record_text
from core.privacy.retention.dry_run import due_rows
from core.privacy.retention.sweep import sweep
from core.privacy.scan.commands import scan_text
from core.shared.errors import AppError, InvalidInput, NotFound
from core.shared.money import MICROS, micros_from_credits

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help="stepIQ")
user = typer.Typer(no_args_is_help=True, help="People of this installation.")
audit = typer.Typer(no_args_is_help=True, help="The log of acts that matter.")
ledger = typer.Typer(no_args_is_help=True, help="The ledger of credits.")
app.add_typer(user, name="user")
api_keys = typer.Typer(no_args_is_help=True, help="Keys for programs.")
app.add_typer(api_keys, name="api-key")
app.add_typer(ledger, name="ledger")
app.add_typer(audit, name="audit")
jobs = typer.Typer(no_args_is_help=True, help="What the installation does by itself.")
app.add_typer(jobs, name="jobs")
key_store = typer.Typer(no_args_is_help=True, help="The keys that people's data is sealed with.")
app.add_typer(key_store, name="keys")
privacy = typer.Typer(no_args_is_help=True, help="What is kept about people, what was promised, erasing, looking.")
app.add_typer(privacy, name="privacy")
billing = typer.Typer(no_args_is_help=True, help="What is sold, and where it is paid.")
app.add_typer(billing, name="billing")

MOST_CREDITS = 10**12
KEY_NAME = "Made by stepiq api-key create"
PasswordFlag = Annotated[bool, typer.Option("--password-stdin", help="Read the password from standard input.")]


def open_runtime(**overrides: Any) -> Runtime:
    """The Runtime of this command, with its stores brought up to date. `overrides` stand before the environment."""
    configure_logging(json=False)
    runtime = build_runtime(load_settings(**overrides))
    prepare(runtime)
    return runtime


def fail(message: str, code: int = 1) -> typer.Exit:
    """Say what is wrong on stderr, and the exit to raise."""
    typer.echo(message, err=True)
    return typer.Exit(code)


@app.command()
def serve(
    roles: Annotated[
        str | None, typer.Option(help="Some of web,worker,scheduler; all of them where not given.")
    ] = None,
) -> None:
    """Serve the site, the app and the API."""
    import uvicorn

    runtime = open_runtime(**({} if roles is None else {"roles": roles}))
    link = accounts.owner_link(runtime)
    settings = runtime.settings
    typer.echo(f"stepIQ is at {settings.public_url}")
    if link:
        typer.echo(f"Make the owner's account: {link}")
    if settings.is_https and not settings.trusted_proxies:
        typer.echo("STEPIQ_TRUSTED_PROXIES is empty: at sign-in your proxy's clients count as one.", err=True)
    sys.stdout.flush()
    set_runtime(runtime)
    # Streamlit reads its own port for the origin checks and links it makes.
    os.environ.setdefault("STREAMLIT_SERVER_PORT", str(settings.port))
    os.environ.setdefault("STREAMLIT_SERVER_ADDRESS", settings.host)
    root = Path(__file__).resolve().parent.parent
    os.chdir(root)
    sys.path.insert(0, str(root))
    tune_collector()
    uvicorn.run(
        "app:app",
        host=settings.host,
        port=settings.port,
        log_level="warning",
        access_log=False,
        timeout_keep_alive=75,  # longer than clients and proxies keep theirs, so that none is closed under a request
        proxy_headers=False,  # STEPIQ_TRUSTED_PROXIES says whose X-Forwarded-For counts
        timeout_graceful_shutdown=5,
    )


@app.command()
def worker(
    concurrency: Annotated[int | None, typer.Option(min=1, help="Runs to advance at once.")] = None,
) -> None:
    """Advance runs from the queue, on this machine or another (PostgreSQL)."""
    runtime = open_runtime(**({} if concurrency is None else {"worker_concurrency": concurrency}))
    if runtime.database.is_sqlite:
        raise fail("A worker of its own needs PostgreSQL: set DATABASE_URL. With SQLite the server advances runs.", 2)
    stopped = threading.Event()
    for sign in (signal.SIGINT, signal.SIGTERM):
        signal.signal(sign, lambda *_: stopped.set())
    tune_collector()
    runtime.dispatcher.start()
    typer.echo("The worker takes runs from the queue. Ctrl-C hands them over and stops.")
    sys.stdout.flush()
    stopped.wait()
    runtime.dispatcher.stop()


@app.command()
def migrate() -> None:
    """Bring the database to the newest schema."""
    open_runtime()
    typer.echo("The database is up to date.")


@app.command("owner-link")
def owner_link() -> None:
    """Print a one-time link that makes the owner's account."""
    link = accounts.owner_link(open_runtime())
    if link is None:
        raise fail("The owner's account exists already.")
    typer.echo(link)


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
    if not switch_off(runtime, _find(runtime, email), by_operator=True):
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
    set_credits(runtime, _find(runtime, email), micros=_micros(credits))
    typer.echo(f"{credits} credits are available.")


@user.command("plan")
def user_plan(email: str, plan: Annotated[str, typer.Option("--set", help=f"{', '.join(PLANS)}.")]) -> None:
    """Give a person a plan from now on; a better one tops up the month's credits."""
    runtime = open_runtime()
    if change_plan(runtime, _find(runtime, email), plan):
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
    made = create_api_key(runtime, _find(runtime, email), KEY_NAME, scopes or SCOPES, by_operator=True)
    typer.echo(made.key)


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
    person = _find(runtime, email)
    try:
        with file.open("w", encoding="utf-8") as out:
            out.writelines(export_lines(runtime, person.id))
    except OSError as error:
        raise fail(f"{file}: {error.strerror}", 2) from None
    typer.echo(f"{file}: all movements up to now. Check it with: stepiq ledger verify {file}")


@billing.command("setup")
def billing_setup() -> None:
    """Make at Stripe what is missing there: prices, the Portal's configuration, the endpoint of the webhook."""
    try:
        found = set_up_billing(open_runtime())
    except AppError as error:
        raise fail(error.message) from None
    for price in found.prices:
        note = " (made now)" if price.key in found.made else ""
        typer.echo(f"{price.key}: {format_money(price.cents, price.currency)} before tax{note}")
    if found.webhook_secret:
        typer.echo(f"STRIPE_WEBHOOK_SECRET={found.webhook_secret}")
        typer.echo("Put this line into .env now: it is shown once.", err=True)
    elif found.endpoint:
        typer.echo(f"Messages go to {found.endpoint}.", err=True)
    else:
        typer.echo(
            "Stripe cannot reach this address: set APP_URL to a public https one, or use `stripe listen`.", err=True
        )


@audit.command("verify")
def audit_verify() -> None:
    """Prove that the audit log is whole: nothing altered, taken out or moved."""
    proof = verify_audit(open_runtime())
    for problem in proof.problems:
        typer.echo(problem, err=True)
    typer.echo(f"{proof.rows} acts checked, {len(proof.problems)} problems")
    if proof.problems:
        raise typer.Exit(1)


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
    configure_logging(json=False)
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


@api_keys.callback()
@key_store.callback()
@privacy.callback()
@jobs.callback()
@billing.callback()
def _group() -> None:
    # Of a group with one command Typer would make that command: `stepiq jobs NAME`.
    pass


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


@jobs.command("run")
def jobs_run(name: str) -> None:
    """Run a job now, in this process, whatever else is running; the run is kept with the others."""
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # where the rooms above core are
    runtime, job = open_runtime(), find_job(name)
    ended = run_job(runtime, job, runtime.clock.now())
    if ended is None:
        raise fail("Another process took this run over. See its end under Jobs.")
    if ended.error_code is not None:
        raise fail(f"{name} failed: {ended.error_code}. The log of this command has the place.")
    typer.echo(f"{name}: {ended.done} done")


def _find(runtime: Runtime, email: str) -> Account:
    account = find_account(runtime, email)
    if account is None:
        raise fail("There is no account with this address.")
    return account


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


def main() -> Any:
    """Entry point: every known error is one line on stderr."""
    try:
        app()
    except AppError as error:
        typer.echo(error.message, err=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
