"""Vendor keys of people's own, and the addresses they are sent to."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import text

from core.accounts.commands import create_account, save_own_key
from core.accounts.domain import Account, OwnKey
from core.accounts.queries import list_own_keys, own_keys
from core.execution.commands import start_run
from core.execution.domain import RunView
from core.execution.engine import Engine, run_to_end
from core.execution.queries import get_run, run_as_dict
from core.pipelines.commands import create_pipeline
from core.platform.outbound import Outbound
from core.platform.runtime import Runtime
from core.shared.errors import InvalidInput
from tests.conftest import PASSWORD
from tests.integration.outbound.conftest import Names, names, peer
from tests.support.http_peer import HttpPeer
from tests.support.vendor_stub import StubServer

__all__ = ["names", "peer"]

SECRET = "sk-ant-own-0123456789"
PUBLIC = "93.184.216.34"
PIPELINE = """
name: One call
version: 1
steps:
  - {id: ask, type: llm, model: claude-sonnet-4-5, prompt: Hello bees, retry: {max_attempts: 3, backoff_ms: 100}}
"""
AGENT = """
name: One agent
version: 1
steps:
  - {id: ask, type: llm, model: claude-sonnet-4-5, prompt: Hello bees, agent: {tools: [http_request]}}
"""


def with_names(runtime: Runtime, names: Names) -> Runtime:
    return replace(runtime, outbound=Outbound(lookup=names))


def test_a_key_with_an_address_is_kept_sealed_and_replaced(runtime: Runtime, owner: Account, names: Names) -> None:
    runtime = with_names(runtime, names)
    names.point("gateway.example.org", (PUBLIC,))
    save_own_key(runtime, owner.id, "anthropic", SECRET, " HTTPS://Gateway.Example.org:8443/llm/ ")
    assert own_keys(runtime, owner.id) == {"anthropic": OwnKey(SECRET, "https://gateway.example.org:8443/llm")}
    (view,) = list_own_keys(runtime, owner.id)
    assert (view.host, view.hint) == ("gateway.example.org:8443", "…6789")
    with runtime.database.read() as session:
        stored = b"".join(map(bytes, session.execute(text("SELECT secret, base_url FROM own_keys")).one()))
    assert b"gateway" not in stored and SECRET.encode() not in stored
    assert "gateway" not in repr(own_keys(runtime, owner.id)) and SECRET not in repr(own_keys(runtime, owner.id))
    save_own_key(runtime, owner.id, "anthropic", "sk-ant-another-key")
    assert own_keys(runtime, owner.id) == {"anthropic": OwnKey("sk-ant-another-key", None)}
    assert list_own_keys(runtime, owner.id)[0].host is None
    save_own_key(runtime, owner.id, "anthropic", SECRET, "  ")
    assert own_keys(runtime, owner.id)["anthropic"].base_url is None, "an empty field is no address"


@pytest.mark.parametrize(
    ("base_url", "says"),
    [
        ("http://gateway.example.org/v1", "only sent over https"),
        ("https://127.0.0.1/v1", "private address"),
        ("https://169.254.169.254/v1", "never reached"),
        ("https://10.1.2.3/v1", "private address"),
        ("https://[::1]/v1", "private address"),
        ("https://[::ffff:127.0.0.1]/v1", "never reached"),
        ("https://localhost/v1", "local network"),
        ("https://metadata.google.internal/v1", "metadata service"),
        ("https://inside.example.org/v1", "private address"),
        ("https://both.example.org/v1", "private address"),
        ("https://nowhere.example.org/v1", "not found"),
        ("https://user:pass@gateway.example.org/v1", "before @"),
        ("https://gateway.example.org/v1?key=1", "without ? and #"),
        ("https://gateway.example.org/v1#key", "without ? and #"),
        ("https://gateway.example.org:22/v1", "Port 22"),
        ("gateway.example.org/v1", "Begin the address with https://"),
    ],
)
def test_addresses_that_a_key_is_not_sent_to(sqlite_runtime: Runtime, names: Names, base_url: str, says: str) -> None:
    names.point("gateway.example.org", (PUBLIC,))
    names.point("inside.example.org", ("127.0.0.1",))
    names.point("both.example.org", (PUBLIC, "10.0.0.1"))
    runtime = with_names(sqlite_runtime, names)
    owner = create_account(runtime, email="ada@example.org", password=PASSWORD)
    save_own_key(runtime, owner.id, "anthropic", SECRET)
    with pytest.raises(InvalidInput, match=re.escape(says)) as refused:
        save_own_key(runtime, owner.id, "anthropic", "sk-ant-another-key", base_url)
    assert (refused.value.code, refused.value.context["field"]) == ("INVALID_BASE_URL", "base_url")
    assert own_keys(runtime, owner.id) == {"anthropic": OwnKey(SECRET)}, "the key before is kept"


async def test_an_address_is_looked_up_while_a_loop_runs(sqlite_runtime: Runtime, names: Names) -> None:
    names.point("gateway.example.org", (PUBLIC,))
    runtime = with_names(sqlite_runtime, names)
    owner = create_account(runtime, email="ada@example.org", password=PASSWORD)
    save_own_key(runtime, owner.id, "openai", SECRET, "https://gateway.example.org/v1")
    assert names.asked == ["gateway.example.org"]


async def run_once(runtime: Runtime, owner: Account, definition: str | dict[str, Any]) -> RunView:
    engine = Engine(runtime, "serve:test")
    try:
        run = start_run(runtime, owner, create_pipeline(runtime, owner, definition).id, {})
        await run_to_end(engine, run.id)
        return get_run(runtime, owner.id, run.id)
    finally:
        engine.close()
        await runtime.providers.aclose()


@pytest.mark.parametrize("definition", [PIPELINE, AGENT])
async def test_a_run_reaches_the_address_of_its_owners_key(
    runtime_with: Callable[..., Runtime], definition: str
) -> None:
    with StubServer() as platform, StubServer() as gateway:
        runtime = runtime_with(
            outbound_allowlist="127.0.0.1",
            anthropic_api_key="sk-the-platforms-own",
            anthropic_base_url=platform.url,
        )
        owner = create_account(runtime, email="ada@example.org", password=PASSWORD)
        save_own_key(runtime, owner.id, "anthropic", SECRET, f"{gateway.url}/anthropic")
        run = await run_once(runtime, owner, definition)
        assert (run.status, run.funding_mode, run.error) == ("completed", "own_key", None)
        (seen,) = gateway.stub.requests
        assert seen.path == "/anthropic/v1/messages" and SECRET in seen.headers["authorization"]
        assert not platform.stub.requests


@pytest.mark.parametrize("definition", [PIPELINE, AGENT])
async def test_an_address_that_is_closed_again_is_not_reached(
    runtime_with: Callable[..., Runtime], peer: HttpPeer, definition: str
) -> None:
    before = runtime_with(outbound_allowlist="127.0.0.1")
    owner = create_account(before, email="ada@example.org", password=PASSWORD)
    save_own_key(before, owner.id, "anthropic", SECRET, f"http://127.0.0.1:{peer.port}")
    run = await run_once(runtime_with(anthropic_api_key="sk-the-platforms-own"), owner, definition)
    (step,) = run.steps
    assert step.status == "failed" and step.error is not None
    assert (step.error["code"], step.retry_count) == ("ADDRESS_REFUSED", 0), "trying again does not help"
    assert "OUTBOUND_ALLOWLIST" in str(step.error["message"])
    assert peer.connections == 0


async def test_a_gateway_that_tells_the_key_is_masked(runtime_with: Callable[..., Runtime]) -> None:
    with StubServer() as gateway:
        runtime = runtime_with(outbound_allowlist="127.0.0.1")
        owner = create_account(runtime, email="ada@example.org", password=PASSWORD)
        save_own_key(runtime, owner.id, "anthropic", SECRET, f"{gateway.url}/anthropic")
        step = {"id": "a", "model": "claude-sonnet-4-5-echo", "prompt": f"You sent {SECRET}", "max_tokens": 64}
        run = await run_once(runtime, owner, {"name": "Told", "version": 1, "steps": [step]})
        assert run.status == "completed", run.error
        assert "[secret key of anthropic]" in str(run.output_data) and SECRET not in repr(run_as_dict(run)["steps"])
