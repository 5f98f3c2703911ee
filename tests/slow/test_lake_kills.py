"""Killed at random moments of a flush and of a join, 50 each: no event is lost, and none is counted twice.

In a bucket as well, less often: each process starts anew, and waits for the turn of the one before to be over.
"""

import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import duckdb
import pytest
from sqlalchemy import func, select

from core.accounts.commands import create_account
from core.analytics import turns
from core.analytics.commands import flush
from core.analytics.lake import list_files
from core.analytics.models import BatchRow
from core.analytics.salts import destroy_salts, open_days
from core.platform.runtime import Runtime
from tests.conftest import PASSWORD
from tests.support.object_store import shared_store

pytestmark = pytest.mark.slow
KILLS = {"folder": 50, "bucket": 15}
TURN = timedelta(seconds=0.5)
EVENTS = 4_000
CHILD = """
import sys
from datetime import timedelta
from core.analytics import commands, turns
from core.bootstrap import build_runtime
from core.platform.settings import load_settings
runtime = build_runtime(load_settings(_env_file=None, **{settings!r}))
commands.FILES_A_DAY = {files}
turns.LASTS = timedelta(seconds={turn})
print("ready", flush=True)
sys.stdin.readline()
for _ in range(50):
    commands.flush(runtime)
print("done", flush=True)
"""


def in_files(runtime: Runtime) -> int:
    """As anybody counts who has the files and not the database."""
    bucket, root = runtime.settings.lake_bucket, runtime.settings.lake
    if bucket is not None:
        root = shared_store().folder / bucket.bucket / bucket.prefix
    files = [str(path) for path in root.glob("events/dt=*/*.parquet")]
    if not files:
        return 0
    return int(duckdb.execute("SELECT count(*) FROM read_parquet(?, union_by_name = true)", [files]).fetchall()[0][0])


def waiting(runtime: Runtime) -> int:
    with runtime.database.read() as session:
        return session.scalar(select(func.sum(BatchRow.size))) or 0


@pytest.mark.parametrize("where", ["folder", "bucket"])
@pytest.mark.parametrize("what", ["flush", "join"])
def test_killed_anywhere(
    runtime_with: Callable[..., Runtime],
    database_settings: dict[str, str],
    what: str,
    where: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(turns, "LASTS", TURN)
    lake_settings = shared_store().new_bucket().settings() if where == "bucket" else {}
    runtime = runtime_with(**database_settings, **lake_settings)
    people = [create_account(runtime, email=f"p{n}@example.org", password=PASSWORD) for n in range(6)]
    settings = {"data_dir": str(runtime.settings.data_dir), "bcrypt_cost": 4, **database_settings, **lake_settings}
    child = CHILD.format(
        settings=settings, files=100_000 if what == "flush" else 1, turn=TURN.total_seconds()
    )  # fmt: skip
    dice, killed, kept = random.Random(what), 0, 0
    emitted, longest = 0, 0.5
    while killed < KILLS[where]:
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
    assert kept == KILLS[where] // 10 and runtime.events.written >= emitted
