"""`kill -9` at random moments of a run: it goes on, nothing finished is repeated, nothing is charged twice."""

import random
from collections.abc import Iterator
from pathlib import Path
from time import sleep
from typing import Any

import httpx
import pytest

from tests.conftest import PASSWORD
from tests.support.server import ServerProcess, poll_until, vendor_process

pytestmark = pytest.mark.slow
KILLS = 50
STEPS = 10
EMAIL = "ada@example.org"


def _definition() -> dict[str, Any]:
    steps: list[dict[str, Any]] = []
    for n in range(1, STEPS + 1):
        before = f" after {{{{steps.s{n - 1}.output}}}}" if n > 1 else ""
        model = "claude-sonnet-4-5"
        steps.append({"id": f"s{n}", "type": "llm", "model": model, "prompt": f"Step {n}{before}", "max_tokens": 64})
    return {"name": "Ten steps", "version": 1, "steps": steps}


@pytest.fixture
def vendor() -> Iterator[str]:
    with vendor_process(60) as url:
        yield url


def test_killed_at_random_moments(tmp_path: Path, vendor: str) -> None:
    chance = random.Random(20270131)
    server = ServerProcess(tmp_path / "data", ANTHROPIC_API_KEY="sk-ant-test-key", ANTHROPIC_BASE_URL=vendor)
    made = server.command("user", "create", EMAIL, "--password-stdin", "--plan", "starter", stdin=PASSWORD + "\n")
    assert made.returncode == 0, made.stderr
    server.start()
    try:
        token = httpx.post(
            server.url + "/api/auth/login", json={"email": EMAIL, "password": PASSWORD}, trust_env=False
        ).json()["token"]
        client = httpx.Client(
            base_url=server.url + "/api", headers={"Authorization": f"Bearer {token}"}, trust_env=False, timeout=30
        )
        pipeline = client.post("/pipelines", json={"definition": _definition()}).json()["id"]
        charged = 0.0
        for kill in range(KILLS):
            answer = client.post(f"/pipelines/{pipeline}/run", json={"input_data": {}})
            assert answer.status_code == 202, answer.text
            run_id = answer.json()["id"]
            sleep(chance.uniform(0.0, 1.0))  # the moment of the kill is what is tested
            before = client.get(f"/runs/{run_id}").json()
            server.kill()
            server.start()

            def ended(run_id: str = run_id) -> bool:
                return bool(client.get(f"/runs/{run_id}").json()["status"] in ("completed", "failed", "cancelled"))

            poll_until(ended, 30, f"run {kill} did not end")
            after = client.get(f"/runs/{run_id}").json()
            assert after["status"] == "completed", after["error"]
            for old, new in zip(before["steps"], after["steps"], strict=True):
                if old["status"] == "completed":
                    assert new == old, "a finished step ran again"
                assert new["retry_count"] == 0
            charged += after["credits_deducted"]
            assert after["credits_deducted"] > 0
        usage = client.get("/user/usage").json()
        assert usage["credits_used"] == pytest.approx(charged, abs=1e-6), "a call was charged twice"
    finally:
        server.stop()
    proof = server.command("ledger", "verify")
    assert proof.returncode == 0 and " 0 problems" in proof.stdout
