"""An export proves itself: whatever is altered in it is found."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from core import cli
from core.credits.chain import START, Link, hash_link
from core.credits.domain import Metered
from core.credits.prices import content_of, version_of
from core.credits.proof import FORMAT, link_content, verify_export
from core.shared.errors import InvalidInput
from tests.unit.credits.test_prices import DAY, HAIKU

CONTENT = content_of({"anthropic/haiku": HAIKU})
VERSION = version_of(CONTENT, DAY)
CALL = Metered("p1", "starter", "anthropic/haiku", 1000, 200, 100, 500)


def export(spent: int = 418_125) -> dict[str, Any]:
    """A ledger of a grant, a hold and its settlement, as an export tells it."""
    moves: list[tuple[str, dict[str, int], Metered | None]] = [
        ("grant", {"granted": -2_000_000, "available": 2_000_000}, None),
        ("hold", {"available": -500_000, "held": 500_000}, None),
        ("settle", {"held": -500_000, "spent": spent, "available": 500_000 - spent}, CALL),
    ]
    head, balance, movements = START, 0, []
    sums = dict.fromkeys(("available", "held", "spent", "granted", "purchased", "expired"), 0)
    for number, (kind, amounts, metered) in enumerate(moves, 1):
        version = VERSION if metered else None
        link = Link(number, f"m{number}", kind, "r:a:1", 0, version, "2026-11-26T09:00:00.000Z", amounts, metered)
        head = hash_link(head, link)
        for name, amount in amounts.items():
            sums[name] += amount
        balance = sums["available"] + sums["held"]
        movements.append(link_content(link, head, balance))
    return {
        "format": FORMAT,
        "account": "ada",
        "opening": {"number": 0, "head": START.hex(), "balances_micros": {}},
        "movements": movements,
        "closing": {"number": 3, "head": head.hex(), "balances_micros": sums},
        "price_books": {VERSION: {"taken_at": "2026-11-26T09:00:00.000Z", "content": CONTENT}},
    }


def problems(told: dict[str, Any], head: str | None = None) -> tuple[str, ...]:
    return verify_export(json.dumps(told), head).problems


def test_a_whole_export_proves_itself() -> None:
    whole = export()
    proof = verify_export(json.dumps(whole), whole["movements"][1]["hash"])
    assert (proof.transactions, proof.problems) == (3, ())
    assert proof.head is not None and proof.head.hex() == whole["closing"]["head"]


def test_a_charge_beyond_its_price_book_is_found() -> None:
    (problem,) = problems(export(spent=418_126))
    assert "charges 418126 micro-credits, and its tokens cost at most 418125" in problem


def _set(*path: Any, to: Any) -> Callable[[dict[str, Any]], None]:
    def damage(told: dict[str, Any]) -> None:
        for name in path[:-1]:
            told = told[name]
        told[path[-1]] = to

    return damage


def _both_amounts(told: dict[str, Any]) -> None:
    told["movements"][0]["amounts_micros"] = {"granted": -9_000_000, "available": 9_000_000}


def _drop(told: dict[str, Any]) -> None:
    del told["movements"][1]


def _swap(told: dict[str, Any]) -> None:
    first, second, third = told["movements"]
    told["movements"] = [first, third, second]


def _drop_the_first(told: dict[str, Any]) -> None:
    del told["movements"][0]


def _cut_and_cover(told: dict[str, Any]) -> None:
    """The newest movement is taken away, and the end says so: only who kept the head can tell."""
    told["movements"].pop()
    last = told["movements"][-1]
    sums = {"available": 1_500_000, "held": 500_000, "granted": -2_000_000, "spent": 0, "purchased": 0, "expired": 0}
    told["closing"] = {"number": 2, "head": last["hash"], "balances_micros": sums}


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (_set("movements", 0, "amounts_micros", "available", to=3_000_000), "sums to 1000000"),
        (_both_amounts, "movement 1 does not follow"),
        (_set("movements", 2, "metered", "output_tokens", to=5_000), "movement 3 does not follow"),
        (_set("movements", 2, "price_version", to="2026-01-01.000000000000"), "which is not in the file"),
        (_set("movements", 1, "balance_micros", to=7), "movement 2 tells a balance of 7, and it is 2000000"),
        (_drop, "movement 3 does not follow"),
        (_drop_the_first, "movement 2 does not follow"),
        (_swap, "movement 3 does not follow"),
        (lambda told: told["movements"].pop(), "should end with movement 3, not 2"),
        (_set("closing", "balances_micros", "available", to=99), "available is 99"),
        (_set("closing", "head", to="00" * 32), "should end with movement 3"),
        (_set("price_books", VERSION, "content", to=CONTENT.replace('"5"', '"50"')), "is not what its name says"),
        (_set("opening", "balances_micros", to={"available": 5}), "it opens with something"),
    ],
)
def test_what_was_altered_is_found(damage: Callable[[dict[str, Any]], object], said: str) -> None:
    told = export()
    damage(told)
    assert any(said in problem for problem in problems(told)), problems(told)


def test_an_end_that_was_cut_and_covered_is_found_by_who_kept_the_head() -> None:
    told = export()
    head = told["closing"]["head"]
    _cut_and_cover(told)
    assert problems(told) == ()
    assert "movements are missing, or were made anew" in problems(told, head)[0]


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"format": "other"}', json.dumps({"format": FORMAT}), '{"format": "' + FORMAT + '", "x"']
)
def test_what_is_no_export_is_said_to_be_none(text: str) -> None:
    with pytest.raises(InvalidInput, match="no export of a ledger"):
        verify_export(text)


def test_the_command_line_needs_neither_settings_nor_a_database(tmp_path: Path) -> None:
    file = tmp_path / "export.json"
    file.write_text(json.dumps(export()))
    head = export()["closing"]["head"]
    # Settings that would refuse any start, and a folder that nobody can write to.
    env = {"DATABASE_URL": "nonsense://", "STEPIQ_DATA_DIR": "/proc/nowhere", "PATH": "/usr/bin:/bin"}
    command = [sys.executable, "-m", "core.cli", "ledger", "verify", str(file), "--head", head]
    done = subprocess.run(command, capture_output=True, text=True, env=env, check=False)
    assert done.returncode == 0, done.stderr
    assert "3 transactions of 1 accounts checked, 0 problems" in done.stdout and head in done.stdout


def test_the_command_line_prints_a_line_for_each_thing_wrong(tmp_path: Path) -> None:
    file, told = tmp_path / "export.json", export()
    told["movements"].pop()
    file.write_text(json.dumps(told))
    found = CliRunner().invoke(cli.app, ["ledger", "verify", str(file)])
    assert found.exit_code == 1
    assert "its chain should end with movement 3, not 2" in found.stderr.splitlines()
    assert "2 transactions of 1 accounts checked, 4 problems" in found.stdout
    file.write_text("[]")
    refused = CliRunner().invoke(cli.app, ["ledger", "verify", str(file)])
    assert refused.exit_code == 2 and "no export of a ledger" in refused.stderr
    assert CliRunner().invoke(cli.app, ["ledger", "verify", str(tmp_path / "gone")]).exit_code == 2
    assert CliRunner().invoke(cli.app, ["ledger", "verify", "--head", "00"]).exit_code == 2
