"""The first token seen through SSE, over the vendor's own: from the stand-in's first delta to the client's event.

The stand-in runs in this process and notes when it sends its first delta; the server runs in its own and calls it
through the real SDK. Both clocks are this process's.
"""

import asyncio
import json
import statistics
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path

import httpx

from benchmarks.parallel_steps import MODEL
from benchmarks.table import Row
from tests.support.server import ServerProcess
from tests.support.vendor_stub import Seen, StubServer, VendorStub
from tests.support.vendor_voices import Voice

EMAIL, PASSWORD = "bench@example.org", "a long benchmark password"
SAMPLES = 40
FIRST_TOKEN_SECONDS, BETWEEN_SECONDS = 0.3, 0.02
LIMIT_MS = 150.0
STEP = {"id": "said", "model": MODEL, "prompt": " ".join(f"word{n}" for n in range(40)), "max_tokens": 256}


class NotingVendor(VendorStub):
    """A vendor that thinks for a while, then streams, and notes the moment of its first delta."""

    first_delta_at = 0.0

    async def _events(self, scenario: str, voice: Voice, seen: Seen) -> AsyncIterator[str]:
        begun = False
        async for event in super()._events(scenario, voice, seen):
            if not begun and "text_delta" in event:
                begun = True
                await asyncio.sleep(FIRST_TOKEN_SECONDS)
                self.first_delta_at = time.perf_counter()
            yield event


async def _over(client: httpx.AsyncClient, vendor: NotingVendor, pipeline: str) -> float:
    """Milliseconds between the vendor's first delta and the first `token` event of a run."""
    run = (await client.post(f"/pipelines/{pipeline}/run", json={"input_data": {}})).json()["id"]
    over, event = None, ""
    async with client.stream("GET", f"/runs/{run}/stream") as stream:
        async for line in stream.aiter_lines():
            if line.startswith("event:"):
                event = line.removeprefix("event: ")
            elif line.startswith("data:") and event == "token" and over is None:
                over = (time.perf_counter() - vendor.first_delta_at) * 1000
            elif line.startswith("data:") and event == "run_status":
                status = json.loads(line.removeprefix("data: "))["status"]
    assert status == "completed" and over is not None, (status, over)
    return over


async def _measure(url: str, vendor: NotingVendor) -> list[float]:
    async with httpx.AsyncClient(base_url=f"{url}/api", timeout=60, trust_env=False) as client:
        token = (await client.post("/auth/login", json={"email": EMAIL, "password": PASSWORD})).json()["token"]
        client.headers["Authorization"] = f"Bearer {token}"
        source = {"name": "Streamed", "version": 1, "steps": [STEP]}
        pipeline = (await client.post("/pipelines", json=source)).json()["id"]
        await _over(client, vendor, pipeline)  # warm
        return sorted([await _over(client, vendor, pipeline) for _ in range(SAMPLES)])


def rows() -> list[Row]:
    """The median and the 95th percentile."""
    vendor = NotingVendor(chunk_delay_seconds=BETWEEN_SECONDS, keep=False)
    with tempfile.TemporaryDirectory() as folder, StubServer(vendor) as stub:
        server = ServerProcess(Path(folder) / "data", ANTHROPIC_API_KEY="sk-ant-test", ANTHROPIC_BASE_URL=stub.url)
        made = server.command("user", "create", EMAIL, "--password-stdin", stdin=PASSWORD + "\n")
        assert made.returncode == 0, made.stderr
        server.start()
        try:
            over = asyncio.run(_measure(server.url, vendor))
        finally:
            server.stop()
    return [
        Row("SSE first token over the vendor's own, p50", statistics.median(over), "ms", "limit", LIMIT_MS, 1),
        Row("SSE first token over the vendor's own, p95", over[int(SAMPLES * 0.95)], "ms", "limit", LIMIT_MS, 1),
    ]
