"""`stepiq` as a process: what is printed where, and its exit codes."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

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
    environment = {"PATH": os.environ["PATH"], "STEPIQ_DATA_DIR": str(tmp_path / "data"), "STEPIQ_BCRYPT_COST": "4"}

    def run(*arguments: str, stdin: str = "", **more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "core.cli", *arguments],
            cwd=ROOT, env=environment | more, input=stdin, capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip

    return run


def test_run_prints_the_output_and_progress_apart(stepiq, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    file = tmp_path / "greet.yaml"
    file.write_text(PIPELINE)
    done = stepiq("run", str(file), "--input", "name=Ada", "--input", "times=3")
    assert (done.returncode, done.stdout) == (0, "Hello Ada, 3 times\n"), done.stderr
    assert "greet: completed" in done.stderr
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


def test_people_are_made_and_listed(stepiq) -> None:  # type: ignore[no-untyped-def]
    password = "correct horse battery staple\n"
    assert (
        stepiq("user", "create", "ada@example.org", "--password-stdin", "--plan", "pro", stdin=password).returncode == 0
    )
    again = stepiq("user", "create", "ada@example.org", "--password-stdin", stdin=password)
    assert again.returncode == 1 and "already" in again.stderr
    assert "ada@example.org  pro  user" in stepiq("user", "list").stdout
    assert stepiq("user", "credits", "ada@example.org", "--set", "5.5").returncode == 0
    proof = stepiq("ledger", "verify")
    assert proof.returncode == 0 and " 0 problems" in proof.stdout
    assert "exists already" in stepiq("owner-link").stderr


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
