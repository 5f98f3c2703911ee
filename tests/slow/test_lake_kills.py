"""Killed at 50 random moments of a flush and 50 of a join: no event is lost, and none is counted twice."""

import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest
from sqlalchemy import func, select

from core.accounts.commands import create_account
from core.analytics.commands import flush
from core.analytics.lake import lake_of, list_files
from core.analytics.models import EventRow
from core.analytics.salts import destroy_salts, open_days
from core.platform.runtime import Runtime
from tests.conftest import PASSWORD

pytestmark = pytest.mark.slow
KILLS = 50
EVENTS = 4_000
CHILD = """
import sys
from core.analytics import commands
from core.bootstrap import build_runtime
from core.platform.settings import load_settings
runtime = build_runtime(load_settings(_env_file=None, **{settings!r}))
commands.FILES_A_DAY = {files}
print("ready", flush=True)
sys.stdin.readline()
for _ in range(50):
    commands.flush(runtime)
print("done", flush=True)
"""


def in_files(runtime: Runtime) -> int:
    """As anybody counts who has the folder and not the database."""
    files = [str(path) for path in Path(lake_of(runtime).root).glob("events/dt=*/*.parquet")]
    if not files:
        return 0
    return int(duckdb.execute("SELECT count(*) FROM read_parquet(?, union_by_name = true)", [files]).fetchall()[0][0])


def waiting(runtime: Runtime) -> int:
    with runtime.database.read() as session:
        return session.scalar(select(func.count()).select_from(EventRow)) or 0


@pytest.mark.parametrize("what", ["flush", "join"])
def test_killed_anywhere(runtime_with: Callable[..., Runtime], database_settings: dict[str, str], what: str) -> None:
    runtime = runtime_with(**database_settings)
    people = [create_account(runtime, email=f"p{n}@example.org", password=PASSWORD) for n in range(6)]
    settings = {"data_dir": str(runtime.settings.data_dir), "bcrypt_cost": 4, **database_settings}
    child = CHILD.format(settings=settings, files=100_000 if what == "flush" else 1)
    dice, killed, kept = random.Random(what), 0, 0
    emitted, longest = 0, 0.5
    while killed < KILLS:
        for number in range(EVENTS):
            runtime.events.emit("page.viewed", people[number % 6].id, page="runs", duration_ms=number)
        emitted += EVENTS
        runtime.events.write_now()
        if what == "join":
            flush(runtime)  # something to join: the child makes one of every two files
            runtime.events.emit("page.viewed", people[0].id, page="runs")
            emitted += 1
            runtime.events.write_now()
        process = subprocess.Popen(
            [sys.executable, "-c", child], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=Path.cwd()
        )
        assert process.stdin is not None and process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        began = time.monotonic()
        process.stdin.write("go\n")
        process.stdin.flush()
        time.sleep(dice.uniform(0, longest))  # the moment of the kill, not a wait
        process.send_signal(signal.SIGKILL)
        said = process.stdout.read()
        process.wait()
        if "done" in said:
            longest = (time.monotonic() - began) * 0.8
            continue
        killed += 1
        total = runtime.events.written
        assert sum(file.rows for file in list_files(runtime)) + waiting(runtime) == total, "one place for each event"
        if killed % 20 == 0:
            destroy_salts(runtime, open_days(runtime))  # and the next flush seals what there is, folded
        if killed % 10 == 0:
            kept += 1
            flush(runtime)
            assert (in_files(runtime), waiting(runtime)) == (total, 0)
    assert kept == KILLS // 10 and runtime.events.written >= emitted
