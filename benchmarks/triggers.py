"""`POST pipelines/{id}/run` to its 202 at rising load, against a bare route that inserts one row: same client and run.

Each run is one step that does no I/O; the engine takes it up meanwhile, in the process that answers.
"""

import asyncio
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import aiohttp

from benchmarks.table import Row
from tests.support.server import ServerProcess, free_port, listening

EMAIL, PASSWORD = "bench@example.org", "a long benchmark password"
LOADS = (1, 10, 50, 100)
REQUESTS = 400
SAID = {"name": "Said", "version": 1, "steps": [{"id": "said", "type": "transform", "template": "Hello"}]}
# No goal is set for these: the limits keep what was measured from growing unseen.
LIMITS = {"p50": 15.0, "p95": 20.0}


@contextmanager
def _bare(folder: Path) -> Iterator[str]:
    port = free_port()
    command = [sys.executable, "-m", "benchmarks.bare_route", str(port), str(folder)]
    with listening(f"http://127.0.0.1:{port}", command) as url:
        yield url


async def _load(client: aiohttp.ClientSession, path: str, at_once: int) -> tuple[list[float], float]:
    """Milliseconds of each request, sorted, and requests a second."""
    left, times = iter(range(REQUESTS)), []

    async def keep_asking() -> None:
        for _ in left:
            before = time.perf_counter()
            async with client.post(path, json={"input_data": {}}) as answer:
                said = await answer.text()
            times.append((time.perf_counter() - before) * 1000)
            assert answer.status == 202, said

    before = time.perf_counter()
    await asyncio.gather(*(keep_asking() for _ in range(at_once)))
    return sorted(times), REQUESTS / (time.perf_counter() - before)


async def _measure(url: str, bare_url: str) -> list[Row]:
    # httpx takes longer over a request the more connections it keeps: at 100 it would be the client that is measured.
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as client:
        async with client.post(f"{url}/api/auth/login", json={"email": EMAIL, "password": PASSWORD}) as answer:
            client.headers["Authorization"] = f"Bearer {(await answer.json())['token']}"
        async with client.post(f"{url}/api/pipelines", json=SAID) as answer:
            ours = f"{url}/api/pipelines/{(await answer.json())['id']}/run"
        bare = f"{bare_url}/run"
        for path in (ours, bare):  # warm
            for _ in range(10):
                async with client.post(path, json={"input_data": {}}) as answer:
                    await answer.read()
        rows = []
        for at_once in LOADS:
            (times, rate), (peer, peer_rate) = [await _load(client, path, at_once) for path in (ours, bare)]
            what = f"POST run to 202, {at_once} at once"
            against = f"a bare route that inserts a row, {peer_rate:,.0f}/s"
            half, most = statistics.median(times), times[int(REQUESTS * 0.95)]
            rows += [
                Row(f"{what}, p50 ({rate:,.0f}/s)", half, "ms", against, statistics.median(peer), LIMITS["p50"]),
                Row(f"{what}, p95", most, "ms", against, peer[int(REQUESTS * 0.95)], LIMITS["p95"]),
            ]
    return rows


def rows() -> list[Row]:
    """Latency and rate of triggers."""
    with tempfile.TemporaryDirectory() as folder, _bare(Path(folder)) as bare:
        server = ServerProcess(Path(folder) / "data", STEPIQ_API_WRITES_PER_MINUTE="1000000")
        made = server.command("user", "create", EMAIL, "--password-stdin", stdin=PASSWORD + "\n")
        assert made.returncode == 0, made.stderr
        server.start()
        try:
            return asyncio.run(_measure(server.url, bare))
        finally:
            server.stop()
