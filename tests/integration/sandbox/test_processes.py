"""The processes behind the calls: what they may do, and that none is left, whatever ends."""

import asyncio
import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from core.execution.sandbox import exchange
from core.execution.sandbox.calls import run_javascript, run_python, run_sql
from core.execution.sandbox.limits import Limits
from core.execution.sandbox.server import SERVER
from core.shared.errors import InvalidInput
from tests.integration.sandbox.conftest import assert_only_spares, call, processes_below

ENDLESS = {
    "python": "while True:\n    pass",
    "javascript": "while (true);",
    "sql": "SELECT count(*) FROM range(100000000000)",
}


async def started(language: str, seconds: float = 30) -> tuple[asyncio.Task[object], int]:
    """An endless call, and the worker that runs it."""
    await call(language, {"sql": "SELECT 1"}.get(language, "output = 1"))
    task = asyncio.create_task(call(language, ENDLESS[language], Limits(seconds=seconds, memory_mb=512)))
    return task, await busy_process()


async def busy_process() -> int:
    """The process below the fork server that uses the processor, as soon as there is one."""
    assert SERVER.pid is not None
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        for pid in processes_below(SERVER.pid):
            if ticks(pid) >= 10:
                return pid
        await asyncio.sleep(0.01)
    raise AssertionError("no worker is busy")


def ticks(pid: int) -> int:
    """Hundredths of a second of processor time."""
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11])
    except OSError:
        return 0


def wait_until_ended(pid: int, seconds: float = 10) -> None:
    try:
        watched = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    ended, _, _ = select.select([watched], [], [], seconds)
    os.close(watched)
    assert ended, f"process {pid} is still there"


@pytest.mark.parametrize("language", ENDLESS)
async def test_a_cancelled_call_leaves_no_process(language: str) -> None:
    task, worker = await started(language)
    before = time.monotonic()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert time.monotonic() - before < 1
    wait_until_ended(worker, 0.1)
    assert_only_spares()


@pytest.mark.parametrize("language", ENDLESS)
async def test_a_worker_has_given_up_what_it_can(language: str) -> None:
    task, worker = await started(language)
    status = dict(line.split(":\t", 1) for line in Path(f"/proc/{worker}/status").read_text().splitlines())
    limits = {
        line[:26].strip(): line[26:].split()[:2] for line in Path(f"/proc/{worker}/limits").read_text().splitlines()
    }
    environment = Path(f"/proc/{worker}/environ").read_bytes()
    network = str(Path(f"/proc/{worker}/ns/net").readlink())
    folder = str(Path(f"/proc/{worker}/cwd").readlink())
    session = os.getsid(worker)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert status["NoNewPrivs"] == "1"
    for name in ("Max open files", "Max processes", "Max file size", "Max core file size"):
        assert limits[name] == ["0", "0"], name
    assert 0 < int(limits["Max address space"][0]) < 4 << 30
    assert int(limits["Max cpu time"][0]) <= 33
    assert b"PATH" not in environment and b"HOME" not in environment
    assert folder.endswith("(deleted)")
    assert session != os.getsid(0)
    if os.geteuid() == 0:
        assert status["Uid"].split() == ["65534"] * 4
        assert int(status["CapEff"], 16) == 0
        assert network != str(Path("/proc/self/ns/net").readlink())


async def test_a_killed_worker_is_an_error_of_the_call_alone() -> None:
    task, worker = await started("javascript")
    os.kill(worker, signal.SIGSEGV)
    with pytest.raises(InvalidInput) as raised:
        await task
    assert raised.value.code == "CODE_MEMORY"
    assert await call("javascript", "output = 2") == 2


async def test_a_call_survives_the_end_of_the_fork_server() -> None:
    task, worker = await started("python", seconds=1.5)
    first = SERVER.pid
    assert first is not None
    below = processes_below(first)
    os.kill(first, signal.SIGKILL)
    with pytest.raises(InvalidInput) as raised:
        await task
    assert raised.value.code == "CODE_TIMEOUT"
    assert SERVER.pid not in (None, first)
    for pid in {worker, *below}:
        wait_until_ended(pid)


HOST = """
import asyncio, sys
from core.execution.sandbox.calls import run_javascript, run_python, run_sql
from core.execution.sandbox.limits import Limits
from core.execution.sandbox.server import SERVER

async def main():
    limits = Limits(seconds=60, memory_mb=512)
    scope = {"input": {}, "vars": {}, "steps": {}}
    calls = [
        run_python("while True:\\n    pass", scope, limits),
        run_javascript("while (true);", scope, limits),
        run_sql("SELECT count(*) FROM range(100000000000)", {}, {}, limits),
    ]
    tasks = [asyncio.create_task(one) for one in calls]
    await run_javascript("output = 1", scope)
    print(SERVER.pid, flush=True)
    await asyncio.gather(*tasks)

asyncio.run(main())
"""


@pytest.mark.parametrize("ending", [signal.SIGKILL, signal.SIGTERM])
def test_no_process_survives_its_host(ending: signal.Signals) -> None:
    host = subprocess.Popen([sys.executable, "-c", HOST], stdout=subprocess.PIPE, cwd=Path.cwd())
    assert host.stdout is not None
    server = int(host.stdout.readline())
    below: set[int] = set()
    deadline = time.monotonic() + 20  # on a busy machine the server answers before its last worker has begun
    while len(below) < 3 and time.monotonic() < deadline:
        below = set(processes_below(server))
    assert len(below) >= 3
    host.send_signal(ending)
    host.wait(10)
    host.stdout.close()
    for pid in {server, *below}:
        wait_until_ended(pid)


def sockets() -> int:
    """Sockets this process holds; a call holds two, its line and its leash."""
    return sum(
        str(entry.readlink()).startswith("socket:") for entry in Path("/proc/self/fd").iterdir() if entry.exists()
    )


async def test_calls_wait_for_a_free_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exchange, "PLACES", 2)
    exchange._places.clear()
    await call("javascript", "output = 1")
    idle, most = sockets(), 0

    async def watch() -> None:
        nonlocal most
        while True:
            most = max(most, sockets() - idle)
            await asyncio.sleep(0.001)

    watching = asyncio.create_task(watch())
    code = "let n = 0; for (let i = 0; i < 2e6; i++) n += i; output = n"
    made = await asyncio.gather(*(call("javascript", code, Limits(seconds=20)) for _ in range(8)))
    watching.cancel()
    exchange._places.clear()
    assert set(made) == {1999999000000}
    assert most == 4


async def test_each_language_runs_beside_the_others() -> None:
    scope = {"input": {"n": 3}, "vars": {}, "steps": {}}
    made = await asyncio.gather(
        *(run_python("output = input['n'] + 1", scope) for _ in range(4)),
        *(run_javascript("output = input.n + 2", scope) for _ in range(4)),
        *(run_sql("SELECT value + 3 AS n FROM t", {"t": 3}) for _ in range(4)),
    )
    assert made == [4] * 4 + [5] * 4 + [[{"n": 6}]] * 4
    assert_only_spares()


def test_one_handle_serves_many_event_loops() -> None:
    for _ in range(3):
        assert asyncio.run(call("javascript", "output = 7")) == 7
