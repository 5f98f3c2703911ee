"""`docs/api.md`: every block is run with the real curl, in its order, and every answer has the documented keys."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.integration.clients.conftest import Served

GUIDE = Path(__file__).resolve().parents[3] / "docs" / "api.md"
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
KEPT = re.compile(r"^Keep `(\w+)` as `(\w+)`", re.MULTILINE)
FILE = re.compile(r"Save this as `([\w.]+)`")
STATUS = re.compile(r"^# answers (\d{3})$", re.MULTILINE)
# A look at something that goes on may come too early: it is repeated. What changes something is sent once.
PATIENCE_SECONDS = 15.0
CURL = "curl() { command curl --silent --show-error --noproxy '*' --max-time 30 --write-out '\\n%{http_code}' \"$@\"; }"


@dataclass
class Call:
    """A block of the guide: what is typed, what it answers, and what of the answer is kept under which name."""

    command: str
    status: int
    answer: Any = None
    text: str = ""
    kept: list[tuple[str, str]] = field(default_factory=list)


def read_guide(text: str) -> tuple[list[Call], dict[str, str]]:
    """The calls in order, and the files that are saved before."""
    calls: list[Call] = []
    files: dict[str, str] = {}
    before = 0
    for block in BLOCK.finditer(text):
        kind, content = block.groups()
        between, before = text[before : block.start()], block.end()
        if calls:
            calls[-1].kept += KEPT.findall(between)
        if kind == "sh" and (status := STATUS.search(content)):
            calls.append(Call(content, int(status[1])))
        elif kind == "yaml" and (name := FILE.search(between)):
            files[name[1]] = content
        elif kind == "json":
            calls[-1].answer = json.loads(content)
        elif kind == "text":
            calls[-1].text = content
        else:
            assert content.startswith("URL="), f"a block that nothing runs: {content}"
    calls[-1].kept += KEPT.findall(text[before:])
    return calls, files


def differences(told: Any, found: Any, place: str = "") -> Iterator[str]:
    """Where an answer has other keys, or another kind of value, than the guide says.

    What is null may be anything at another moment, and an empty list tells nothing of its entries.
    """
    if isinstance(told, dict) and isinstance(found, dict):
        for name in told.keys() ^ found.keys():
            yield f"{place}.{name} is only in {'the guide' if name in told else 'the answer'}"
        for name in told.keys() & found.keys():
            yield from differences(told[name], found[name], f"{place}.{name}")
    elif isinstance(told, list) and isinstance(found, list):
        if told and not found:
            yield f"{place} is empty"
        for one, other in zip(told, found, strict=False):
            yield from differences(one, other, f"{place}[]")
    elif told is not None and found is not None and kind_of(told) != kind_of(found):
        yield f"{place} is {kind_of(found)}, not {kind_of(told)}"


def kind_of(value: Any) -> str:
    return "number" if type(value) in (int, float) else type(value).__name__


def test_every_block_does_what_the_guide_says(served: Served, tmp_path: Path) -> None:
    assert shutil.which("curl"), "install curl"
    calls, files = read_guide(GUIDE.read_text())
    assert len(calls) > 20 and set(files) == {"greeting.yaml", "careful.yaml"}
    assert sum(call.answer is not None for call in calls) > 12 and sum(bool(call.text) for call in calls) == 1
    assert sum(len(call.kept) for call in calls) == GUIDE.read_text().count("Keep `")
    for name, content in files.items():
        (tmp_path / name).write_text(content)
    known = {"PATH": os.environ["PATH"], "URL": served.server.url}
    for call in calls:
        answer = answered(call, known, tmp_path)
        for name, variable in call.kept:
            known[variable] = str(answer[name])


def answered(call: Call, known: dict[str, str], folder: Path) -> Any:
    """Run a block until it answers what the guide says; its answer."""
    end = time.monotonic() + PATIENCE_SECONDS
    only_looks = not re.search(r"\s-(d|F|X|-data-\w+)\s", call.command)
    while True:
        done = subprocess.run(
            ["bash", "-euc", f"{CURL}\n{call.command}"], cwd=folder, env=known, capture_output=True, text=True,
            timeout=60, check=False,
        )  # fmt: skip
        assert done.returncode == 0, (call.command, done.stderr)
        body, status = done.stdout.rsplit("\n", 1)
        problems = [f"answers {status}, not {call.status}"] if status != str(call.status) else []
        answer = None if call.text else json.loads(body)
        if call.text:
            kinds = set(re.findall(r"^event: (\w+)$", call.text, re.MULTILINE))
            problems += [f"no event {kind}" for kind in sorted(kinds) if f"event: {kind}\n" not in body]
            told, found = (re.findall(r"^data: (.*)$", each, re.MULTILINE) for each in (call.text, body))
            problems += differences(json.loads(told[-1]), json.loads(found[-1]))
        elif call.answer is not None:
            problems += differences(call.answer, answer)
        if not problems:
            return answer
        assert only_looks and time.monotonic() < end, (call.command, problems, body)


def test_a_difference_is_found() -> None:
    """The check above can fail."""
    told = {"id": "x", "steps": [{"status": "completed"}], "cost": 1}
    assert not list(differences(told, {"id": "y", "steps": [{"status": "failed"}, {"status": "x"}], "cost": 0.5}))
    assert len(list(differences(told, {"id": "y", "steps": [{"state": "failed"}], "cost": "1"}))) == 3
    assert list(differences(told, told | {"steps": []})) == [".steps is empty"]
