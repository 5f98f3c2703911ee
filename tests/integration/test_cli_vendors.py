"""One example file through each vendor's SDK, by the command line, against an independent imitation of the vendors."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.sqlite import put_migrated_database
from tests.support.warm_cli import run_cli

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "examples" / "summarise.yaml"
TEXT = ROOT / "examples" / "data" / "community_garden.txt"
MODELS = {"anthropic": "claude-sonnet-4-5", "openai": "gpt-4.1-mini", "groq": "llama-3.3-70b-versatile"}
# Fits both of the example's model steps: the one that wants a text and the one that wants this JSON.
ANSWER = '{"actions": ["Ada waters the beds by Friday."]}'


@pytest.fixture
def environment(tmp_path: Path, llmock: Any) -> dict[str, str]:
    """Keys and addresses of the three vendors, as an operator sets them."""
    put_migrated_database(tmp_path / "data")
    partner = {
        "name": "groq",
        "base_url": llmock.base_url("groq"),
        "api_key": "gsk-test",
        "models": [MODELS["groq"]],
        "region": "US",
    }
    return {
        "PATH": os.environ["PATH"],
        "STEPIQ_DATA_DIR": str(tmp_path / "data"),
        "ANTHROPIC_API_KEY": "sk-test",
        "ANTHROPIC_BASE_URL": llmock.base_url("anthropic"),
        "OPENAI_API_KEY": "sk-test",
        "OPENAI_BASE_URL": llmock.base_url("openai"),
        "LLAMA_PARTNERS": json.dumps([partner]),
    }


def run_example(environment: dict[str, str], *options: str) -> subprocess.CompletedProcess[str]:
    return run_cli(["run", str(EXAMPLE), "--input-file", str(TEXT), *options], environment)


def reported_usage(llmock: Any, request: Any) -> tuple[int, int]:
    """The usage that the imitation reports for a request it was sent, asked again without streaming."""
    llmock.reply(ANSWER)
    headers = {"Authorization": "Bearer sk-test", "x-api-key": "sk-test", "anthropic-version": "2023-06-01"}
    body = {key: value for key, value in request.body.items() if key not in ("stream", "stream_options")}
    answer = httpx.post(llmock.url + request.path, json=body, headers=headers, trust_env=False)
    assert answer.status_code == 200, answer.text
    usage = answer.json()["usage"]
    names = ("prompt_tokens", "completion_tokens") if "prompt_tokens" in usage else ("input_tokens", "output_tokens")
    return usage[names[0]], usage[names[1]]


@pytest.mark.parametrize("vendor", list(MODELS))
def test_an_example_runs_on_each_vendor(environment: dict[str, str], llmock: Any, vendor: str) -> None:
    llmock.reply(ANSWER, times=None)
    done = run_example(environment, "--model", MODELS[vendor])
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("## Summary") and "- Ada waters the beds by Friday." in done.stdout
    assert "summary: completed in" in done.stderr and MODELS[vendor] in done.stderr
    sent = llmock.requests
    assert len(sent) == 2 and {each.provider for each in sent} == {vendor}


@pytest.mark.parametrize("vendor", list(MODELS))
def test_the_run_shows_the_usage_that_the_vendor_reported(
    environment: dict[str, str], llmock: Any, vendor: str
) -> None:
    llmock.reply(ANSWER, times=None)
    done = run_example(environment, "--model", MODELS[vendor], "--json")
    assert done.returncode == 0, done.stderr
    run = json.loads(done.stdout)
    calls = [step for step in run["steps"] if step["type"] == "llm"]
    assert [(step["status"], step["provider"], step["model"]) for step in calls] == [
        ("completed", vendor, MODELS[vendor])
    ] * 2
    used = sorted((step["input_tokens"], step["output_tokens"]) for step in calls)
    assert used == sorted(reported_usage(llmock, request) for request in llmock.requests)
    assert run["total_tokens"] == sum(map(sum, used)) > 0
    assert run["funding_mode"] == "own_key" and run["credits_deducted"] == 0 and run["total_cost_cents"] > 0
    assert {step["stop_reason"] for step in calls} == {"end"}
