"""`stepiq` as a process: what is printed where, and its exit codes."""

import asyncio
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import select, text

from core.accounts.api_keys import find_key_holder
from core.accounts.audit import list_acts
from core.accounts.domain import ROLES, SCOPES
from core.bootstrap import build_runtime
from core.execution.deliveries import deliver_due
from core.execution.models import DeliveryRow
from core.platform.runtime import Runtime
from core.platform.settings import Settings
from core.platform.signatures import verify
from tests.support.http_peer import peer_in_thread
from tests.support.sqlite import put_migrated_database
from tests.support.warm_cli import run_cli

ALL_ROLES = ",".join(sorted(ROLES))
ROOT = Path(__file__).resolve().parents[2]
PIPELINE = """
name: Greeting
version: 1
input:
  schema:
    name: {type: string, required: true}
    times: {type: integer, default: 1}
steps:
  - id: greet
    type: transform
    template: "Hello {{input.name}}, {{input.times}} times"
"""


@pytest.fixture
def stepiq(tmp_path: Path) -> object:
    put_migrated_database(tmp_path / "data")
    environment = {"PATH": os.environ["PATH"], "STEPIQ_DATA_DIR": str(tmp_path / "data"), "STEPIQ_BCRYPT_COST": "4"}

    def run(*arguments: str, stdin: str = "", **more: str) -> subprocess.CompletedProcess[str]:
        return run_cli(arguments, environment | more, stdin)

    return run


def test_the_program_itself_starts(tmp_path: Path) -> None:
    file = tmp_path / "greet.yaml"
    file.write_text(PIPELINE)
    done = subprocess.run(
        [sys.executable, "-m", "core.cli", "validate", str(file)], cwd=ROOT, capture_output=True, text=True, timeout=120
    )
    assert (done.returncode, done.stdout) == (0, f"{file}: valid\n"), done.stderr


def test_run_prints_the_output_and_progress_apart(stepiq, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    shutil.rmtree(tmp_path / "data")  # the first command of an installation makes it
    file = tmp_path / "greet.yaml"
    file.write_text(PIPELINE)
    done = stepiq("run", str(file), "--input", "name=Ada", "--input", "times=3")
    assert (done.returncode, done.stdout) == (0, "Hello Ada, 3 times\n"), done.stderr
    assert done.stderr.index("Quoted: 0 cr, at no cost.") < done.stderr.index("greet: completed")
    shown = json.loads(stepiq("run", str(file), "--input", "name=Ada", "--json").stdout)
    assert shown["status"] == "completed" and shown["input_data"] == {"name": "Ada", "times": 1}
    assert shown["funding_mode"] == "free" and shown["credits_deducted"] == 0


def test_invalid_definitions_and_inputs_exit_with_2(stepiq, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    file = tmp_path / "greet.yaml"
    file.write_text(PIPELINE.replace("input.name", "input.nome"))
    done = stepiq("validate", str(file), "--json")
    found = json.loads(done.stdout)
    assert done.returncode == 2 and not found["valid"]
    assert found["errors"][0]["line"] == 11 and set(found["errors"][0]) == {"path", "line", "column", "code", "message"}
    assert stepiq("run", str(file), "--input", "name=Ada").returncode == 2
    file.write_text(PIPELINE)
    missing = stepiq("run", str(file))
    assert missing.returncode == 2 and "name" in missing.stderr and missing.stdout == ""
    assert stepiq("run", str(tmp_path / "nowhere.yaml")).returncode == 2


def test_a_failed_run_exits_with_1(stepiq, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    file = tmp_path / "fails.yaml"
    file.write_text(PIPELINE.replace('template: "Hello {{input.name}}, {{input.times}} times"',
                                     'extract: "length(@)"\n    from: "{{input.name}}"'))  # fmt: skip
    done = stepiq("run", str(file), "--input", "name=Ada")
    assert done.returncode == 1 and "greet" in done.stderr


DELIVERS = """
name: Told
version: 1
steps:
  - {id: say, type: transform, template: "Hello"}
output:
  deliver:
    - {type: webhook, url: "ADDRESS/one?token={{env.HOOK_TOKEN}}", signing_secret_name: SIGNING_KEY}
    - {type: webhook, url: "ADDRESS/two", signing_secret_name: SIGNING_KEY}
    - {type: file, path: said.txt}
"""


def test_a_run_sends_its_deliveries_before_it_ends(  # type: ignore[no-untyped-def]
    stepiq, tmp_path: Path, settings_with: Callable[..., Settings]
) -> None:
    shell = {"SIGNING_KEY": "signing-key-1", "HOOK_TOKEN": "hook-token-1", "OUTBOUND_ALLOWLIST": "127.0.0.1"}
    file = tmp_path / "told.yaml"
    with peer_in_thread() as peer:
        file.write_text(DELIVERS.replace("ADDRESS", f"http://127.0.0.1:{peer.port}"))
        peer.answers["/two"] = (400, {}, b"")
        done = stepiq("run", str(file), **shell)
        assert (done.returncode, done.stdout) == (0, "Hello\n"), done.stderr
        said = ("deliver.0 (webhook): sent", "deliver.1 (webhook): failed (HTTP_STATUS)", "deliver.2 (file): sent")
        assert all(line in done.stderr.splitlines() for line in said), done.stderr
        seen = {request.path: request for request in peer.requests}
        assert sorted(seen) == ["/one?token=hook-token-1", "/two"], "each once"
        one = seen["/one?token=hook-token-1"]
        assert verify("signing-key-1", one.headers, one.body, now=int(time.time()))
        assert json.loads(one.body)["output"] == "Hello"

        peer.requests.clear()
        peer.answers["/one?token=hook-token-1"] = (503, {}, b"")
        done = stepiq("run", str(file), **shell)
        assert done.returncode == 0, "the run itself is complete"
        pending = "deliver.0 (webhook): not sent (HTTP_STATUS); it will be tried again by a server on this data"
        assert pending in done.stderr.splitlines()
        assert len(peer.requests) == 2, "one attempt each"

        # A server, which was started from a shell without these secrets.
        del peer.answers["/one?token=hook-token-1"]
        peer.requests.clear()
        assert "SIGNING_KEY" not in os.environ
        runtime = build_runtime(settings_with(data_dir=tmp_path / "data", outbound_allowlist="127.0.0.1"))
        with runtime.database.read() as session:
            rows = session.scalars(select(DeliveryRow)).all()
        kept = {row.status for row in rows if b"secrets" in _opened(runtime, row)}
        assert kept == {"pending"}, "secrets are carried no longer than they are needed"
        deadline = time.monotonic() + 10
        while not peer.requests and time.monotonic() < deadline:
            asyncio.run(deliver_due(runtime))
            time.sleep(0.1)
        (again,) = peer.requests
        assert again.path == "/one?token=hook-token-1"
        assert verify("signing-key-1", again.headers, again.body, now=int(time.time()))
        with runtime.database.read() as session:
            rows = session.scalars(select(DeliveryRow)).all()
        assert not any(b"-key-1" in _opened(runtime, row) or b"hook-token-1" in _opened(runtime, row) for row in rows)
        runtime.database.dispose()


def _opened(runtime: Runtime, row: DeliveryRow) -> bytes:
    return json.dumps(runtime.vault.open_json(row.owner_id, f"deliveries.request:{row.id}", row.request)).encode()


def test_people_are_made_and_listed(stepiq) -> None:  # type: ignore[no-untyped-def]
    password = "correct horse battery staple\n"
    assert (
        stepiq("user", "create", "ada@example.org", "--password-stdin", "--plan", "pro", stdin=password).returncode == 0
    )
    again = stepiq("user", "create", "ada@example.org", "--password-stdin", stdin=password)
    assert again.returncode == 1 and "already" in again.stderr
    assert "ada@example.org  pro  user" in stepiq("user", "list").stdout
    assert stepiq("user", "credits", "ada@example.org", "--set", "5.5").returncode == 0
    assert "is starter now" in stepiq("user", "plan", "ada@example.org", "--set", "starter").stdout
    assert "is starter already" in stepiq("user", "plan", "ada@example.org", "--set", "starter").stdout
    refused = stepiq("user", "plan", "ada@example.org", "--set", "gold")
    assert refused.returncode == 1 and "free, starter, pro, enterprise" in refused.stderr
    assert "ada@example.org  starter  user" in stepiq("user", "list").stdout
    proof = stepiq("ledger", "verify")
    assert proof.returncode == 0 and " 0 problems" in proof.stdout
    assert "exists already" in stepiq("owner-link").stderr


def test_a_plan_is_one_of_the_four(stepiq) -> None:  # type: ignore[no-untyped-def]
    password = "correct horse battery staple\n"
    refused = stepiq("user", "create", "ada@example.org", "--password-stdin", "--plan", "gold", stdin=password)
    assert refused.returncode == 1 and "free, starter, pro, enterprise" in refused.stderr
    assert stepiq("user", "list").stdout == ""
    made = stepiq("user", "create", "ada@example.org", "--password-stdin", "--admin", stdin=password)
    assert made.returncode == 0, made.stderr
    assert stepiq("user", "list").stdout == f"{made.stdout.strip()}  ada@example.org  enterprise  {ALL_ROLES}\n"


def test_an_api_key_is_printed_and_may_what_was_asked(  # type: ignore[no-untyped-def]
    stepiq, tmp_path: Path, settings_with: Callable[..., Settings]
) -> None:
    password = "correct horse battery staple\n"
    for email, plan in (("ada@example.org", "starter"), ("bob@example.org", "free")):
        stepiq("user", "create", email, "--password-stdin", "--plan", plan, stdin=password)
    whole = stepiq("api-key", "create", "ada@example.org")
    assert whole.returncode == 0 and whole.stdout.startswith("sk_live_") and whole.stdout.count("\n") == 1
    some = stepiq(
        "api-key", "create", "Ada@Example.org", "--scope", "webhooks:trigger", "--scope", "pipelines:read"
    )  # fmt: skip
    refused = stepiq("api-key", "create", "ada@example.org", "--scope", "everything")
    assert refused.returncode == 1 and ", ".join(SCOPES) in refused.stderr and refused.stdout == ""
    free = stepiq("api-key", "create", "bob@example.org")
    assert free.returncode == 1 and "Free plan has no" in free.stderr and free.stdout == ""
    nobody = stepiq("api-key", "create", "eve@example.org")
    assert nobody.returncode == 1 and "no account" in nobody.stderr
    said = stepiq("api-key", "create", "--help", COLUMNS="200").stdout
    assert "Every one where not given" in said and all(scope in said for scope in SCOPES)

    runtime = build_runtime(settings_with(data_dir=tmp_path / "data"))
    holder = find_key_holder(runtime, whole.stdout.strip())
    assert holder is not None and holder.account.email == "ada@example.org" and holder.scopes == set(SCOPES)
    holder = find_key_holder(runtime, some.stdout.strip())
    assert holder is not None and holder.scopes == {"webhooks:trigger", "pipelines:read"}
    acts = [act for act in list_acts(runtime, limit=10).items if act.act == "api_key.made"]
    assert len(acts) == 2 and {act.actor_id for act in acts} == {None}, "the command line's acts, not the person's"
    assert {act.details["owner"] for act in acts} == {holder.account.id}
    runtime.database.dispose()


def test_proofs_fail_when_the_books_were_altered(  # type: ignore[no-untyped-def]
    stepiq, tmp_path: Path, settings_with: Callable[..., Settings]
) -> None:
    stepiq("user", "create", "ada@example.org", "--password-stdin", stdin="correct horse battery staple\n")
    stepiq("user", "credits", "ada@example.org", "--set", "5.5")
    audit, ledger = stepiq("audit", "verify"), stepiq("ledger", "verify")
    assert (audit.returncode, audit.stdout) == (0, "2 acts checked, 0 problems\n")
    assert (ledger.returncode, ledger.stdout) == (0, "1 transactions of 1 accounts checked, 0 problems\n")
    runtime = build_runtime(settings_with(data_dir=tmp_path / "data"))
    with runtime.database.write() as session:
        session.execute(text("UPDATE credit_accounts SET available_micros = 1"))
        session.execute(text("UPDATE audit_log SET act = 'api_key.made'"))
    runtime.database.dispose()
    for command in ("audit", "ledger"):
        altered = stepiq(command, "verify")
        assert altered.returncode == 1 and " 0 problems" not in altered.stdout and altered.stderr.strip(), command


def test_credits_are_an_amount(stepiq) -> None:  # type: ignore[no-untyped-def]
    stepiq("user", "create", "ada@example.org", "--password-stdin", stdin="correct horse battery staple\n")
    for amount in ("many", "-1", "NaN", "Infinity", "1e30"):
        refused = stepiq("user", "credits", "ada@example.org", f"--set={amount}")
        assert refused.returncode == 2 and "Traceback" not in refused.stderr, amount
    assert stepiq("user", "credits", "eve@example.org", "--set", "1").returncode == 1


def test_wrong_settings_are_named_together(stepiq) -> None:  # type: ignore[no-untyped-def]
    done = stepiq("migrate", PORT="eighty", STEPIQ_MASTER_KEY="short", DATABASE_URL="mysql://x")
    assert done.returncode == 1
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 3 and all(
        any(name in line for line in lines) for name in ("PORT", "STEPIQ_MASTER_KEY", "DATABASE_URL")
    )


def test_a_file_is_given_by_its_path(stepiq, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    example = str(ROOT / "examples" / "order_totals.yaml")
    orders = tmp_path / "my orders.csv"
    orders.write_text("customer,item,amount\nAda,pen,70.5\nBo,ink,12\nAda,paper,30\n")
    done = stepiq("run", example, "--input-file", f"orders={orders}", "--input", "big_from=100")
    assert done.returncode == 0, done.stderr
    assert done.stdout == "1. Ada: 100.5 (big customer)\n2. Bo: 12.0\n"
    shown = json.loads(stepiq("run", example, "--input-file", f"orders={orders}", "--json").stdout)
    assert shown["status"] == "completed" and len(shown["input_data"]["orders"]) == 36, "given by its id"
    for given, words in (
        (tmp_path / "none.csv", "none.csv"),
        (tmp_path, str(tmp_path)),
        (empty := tmp_path / "empty.csv", "The file is empty"),
    ):
        empty.touch()
        refused = stepiq("run", example, "--input-file", f"orders={given}")
        assert refused.returncode == 2 and words in refused.stderr and "Traceback" not in refused.stderr


def test_a_job_is_run_by_its_name(stepiq) -> None:  # type: ignore[no-untyped-def]
    done = stepiq("jobs", "run", "key_cleanup")
    assert (done.returncode, done.stdout) == (0, "key_cleanup: 0 done\n"), done.stderr
    unknown = stepiq("jobs", "run", "nothing")
    assert unknown.returncode == 1 and "mail_outbox" in unknown.stderr and "Traceback" not in unknown.stderr


def test_promises_are_checked_and_the_record_is_printed(
    stepiq: Callable[..., subprocess.CompletedProcess[str]],
) -> None:
    done = stepiq("privacy", "check", "P10", "p25", STEPIQ_REGION_HOST="FR", STEPIQ_REGION_MAIL="FR")
    assert done.returncode == 0, done.stderr
    assert [line.split()[:2] for line in done.stdout.splitlines()] == [["P10", "kept"], ["P25", "kept"]]
    done = stepiq("privacy", "check", "P25", STEPIQ_REGION_HOST="US")
    assert done.returncode == 1 and "Outside the European Economic Area: host, database" in done.stdout
    assert "P01 to P27" in stepiq("privacy", "check", "P99").stderr
    one, other = (stepiq("privacy", "record", "--format", "json") for _ in range(2))
    assert one.returncode == 0 and one.stdout == other.stdout and json.loads(one.stdout)["activities"]
    assert stepiq("privacy", "record").stdout.startswith("# Record of processing activities")
    assert stepiq("privacy", "record", "--format", "pdf").returncode == 1
