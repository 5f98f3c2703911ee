"""The ledger of what leaves: a row for each thing that does, before it does, whoever sends it, and never a content."""

import asyncio
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from core.accounts.commands import save_own_key, set_secret
from core.accounts.domain import Account
from core.execution.commands import start_run
from core.execution.deliveries import deliver_due
from core.execution.egress_queries import EgressView, flows, list_egress
from core.execution.engine import Engine, run_to_end
from core.execution.models import EgressRow, RunRow
from core.execution.recipients import Unnamed, check_recipients
from core.pipelines.commands import create_pipeline
from core.platform.outbound import OutboundRefused
from core.platform.runtime import Runtime
from tests.integration.execution.conftest import Execute
from tests.support.http_peer import HttpPeer
from tests.support.vendor_stub import StubServer, vendor_settings

CLAUDE, GPT = "claude-sonnet-4-5", "gpt-4.1-mini"


@pytest.fixture
def runtime(runtime_with: Callable[..., Runtime], database_settings: dict[str, str], vendor: StubServer) -> Runtime:
    vendor.stub.requests.clear()
    return runtime_with(**database_settings, **vendor_settings(vendor), outbound_allowlist="127.0.0.1,localhost")


def rows(runtime: Runtime, owner: Account) -> list[EgressView]:
    return list(reversed(list_egress(runtime, owner.id, limit=100).items))


def shapes(runtime: Runtime, owner: Account) -> list[tuple[str, str, str, str]]:
    return [(row.kind, row.recipient, row.purpose, row.outcome) for row in rows(runtime, owner)]


def unnamed(runtime: Runtime, batch: int = 2) -> tuple[int, int, list[Unnamed]]:
    now = runtime.clock.now()
    found = list(check_recipients(runtime, now - timedelta(days=1), now + timedelta(days=1), batch=batch))
    return (
        sum(each.rows for each in found),
        sum(each.untold for each in found),
        [row for each in found for row in each.unnamed],
    )


def ask(model: str = CLAUDE, prompt: str = "Say something about walruses", **more: Any) -> dict[str, Any]:
    return {"id": "ask", "model": model, "prompt": prompt, "max_tokens": 200, **more}


async def test_every_attempt_and_fallback_has_its_row(execute: Execute, runtime: Runtime, owner: Account) -> None:
    step = ask(f"{CLAUDE}-error-529", fallback=[GPT], retry={"max_attempts": 2, "backoff_ms": 1})
    run = await execute([step])
    assert run.status == "completed", run.error
    assert shapes(runtime, owner) == [
        ("model", "anthropic", "prompt", "failed"),
        ("model", "anthropic", "prompt", "failed"),
        ("model", "openai", "prompt", "answered"),
    ]
    row = rows(runtime, owner)[2]
    assert (row.run_id, row.pipeline_id, row.step_id) == (run.id, run.pipeline_id, "ask")
    assert (row.region, row.funding, row.size) == ("US", "platform", len("Say something about walruses"))
    assert unnamed(runtime) == (3, 0, [])


async def test_the_demo_model_stays_inside(execute: Execute, runtime: Runtime, owner: Account) -> None:
    await execute([ask("demo")])
    assert rows(runtime, owner) == []


async def test_a_repair_is_a_second_row(execute: Execute, runtime: Runtime, owner: Account) -> None:
    run = await execute([ask(output_format="json", prompt="no json, please")])
    assert run.error is not None and run.error["code"] == "OUTPUT_MISMATCH"
    assert [(row.purpose, row.outcome) for row in rows(runtime, owner)] == [
        ("prompt", "answered"),
        ("repair", "answered"),
    ]


async def test_a_call_never_made_is_told_apart(execute: Execute, runtime: Runtime, owner: Account) -> None:
    await execute([{"id": "hook", "type": "webhook", "url": "http://nowhere.example/secret-path?q=1"}])
    assert shapes(runtime, owner) == [("webhook", "nowhere.example", "step", "not_sent")]
    assert flows(runtime, owner.id) == ()


async def test_own_addresses_are_recipients_by_their_host(
    execute: Execute, runtime: Runtime, owner: Account, vendor: StubServer
) -> None:
    port = vendor.url.rpartition(":")[2]
    save_own_key(runtime, owner.id, "anthropic", "sk-own-key-0123456789", f"http://localhost:{port}")
    run = await execute([ask()])
    assert run.status == "completed", run.error
    (row,) = rows(runtime, owner)
    assert (row.recipient, row.funding, row.region) == ("localhost", "own_key", None)
    assert unnamed(runtime)[2] == []


async def test_webhooks_are_told_by_their_host_alone(execute: Execute, runtime: Runtime, owner: Account) -> None:
    set_secret(runtime, owner.id, "HOST", "127.0.0.1")
    async with HttpPeer() as peer:
        peer.answers["/a/hidden-path"] = (200, {}, b"ok")
        url = f"http://{{{{env.HOST}}}}:{peer.port}/a/hidden-path"
        run = await execute(
            [
                {"id": "one", "type": "webhook", "url": f"http://localhost:{peer.port}/a/hidden-path"},
                {"id": "two", "type": "webhook", "url": url},
            ]
        )
    assert run.status == "completed", run.error
    assert shapes(runtime, owner) == [
        ("webhook", "localhost", "step", "answered"),
        ("webhook", "[secret HOST]", "step", "answered"),
    ]
    with runtime.database.read() as session:
        kept = [str(value) for row in session.scalars(select(EgressRow)) for value in vars(row).values()]
    assert not any("hidden-path" in value for value in kept)
    assert unnamed(runtime)[2] == []


async def test_deliveries_are_told_with_their_claim(runtime: Runtime, owner: Account, engine: Engine) -> None:
    set_secret(runtime, owner.id, "SIGNING_KEY", "a shared secret")
    async with HttpPeer() as peer:
        source = {
            "name": "Told",
            "version": 1,
            "steps": [{"id": "a", "type": "transform", "template": "Hello"}],
            "output": {
                "deliver": [
                    {
                        "type": "webhook",
                        "url": f"http://127.0.0.1:{peer.port}/hook",
                        "signing_secret_name": "SIGNING_KEY",
                    },
                    {"type": "email", "to": ["a@example.org", "b@example.org", "c@Elsewhere.example"]},
                    {"type": "file", "path": "out.txt"},
                ]
            },
            "notifications": {"on_success": [{"type": "email", "to": "a@example.org"}]},
        }
        run = start_run(runtime, owner, create_pipeline(runtime, owner, source).id, {})
        await engine.advance(run.id)
        await deliver_due(runtime)
    assert sorted(shapes(runtime, owner)) == [
        ("delivery", "127.0.0.1", "result", "answered"),
        ("file", "file store", "result", "answered"),
        ("mail", "elsewhere.example", "result", "answered"),
        ("mail", "example.org", "notice", "answered"),
        ("mail", "example.org", "result", "answered"),
    ]
    assert {row.pipeline_id for row in rows(runtime, owner)} == {run.pipeline_id}
    assert unnamed(runtime)[2] == []


async def test_agents_and_their_tools_have_a_row_each_turn_and_host(
    execute: Execute, runtime: Runtime, owner: Account
) -> None:
    async with HttpPeer() as peer:
        peer.redirect("/from", f"http://localhost:{peer.port}/to")
        peer.answers["/to"] = (200, {"Content-Type": "text/plain"}, b"found it")
        call = json.dumps({"url": f"http://127.0.0.1:{peer.port}/from"})
        agent = {"tools": ["http_request"], "network_allowlist": ["127.0.0.1", "localhost"]}
        run = await execute([ask(f"{CLAUDE}-tools", prompt=f"http_request {call} ", agent=agent)])
    assert run.status == "completed", run.error
    assert shapes(runtime, owner) == [
        ("model", "anthropic", "prompt", "answered"),
        ("tool", "127.0.0.1", "http_request", "answered"),
        ("tool", "localhost", "http_request", "answered"),
        ("model", "anthropic", "turn", "answered"),
    ]
    assert unnamed(runtime)[2] == []


async def test_the_row_is_there_before_the_call(
    runtime: Runtime, owner: Account, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[list[str]] = []
    send = runtime.outbound.send

    async def look_then_send(request: Any) -> Any:
        seen.append([row.outcome for row in await asyncio.to_thread(rows, runtime, owner)])
        return await send(request)

    monkeypatch.setattr(runtime.outbound, "send", look_then_send)
    async with HttpPeer() as peer:
        steps = [{"id": "hook", "type": "webhook", "url": f"http://127.0.0.1:{peer.port}/echo"}]
        pipeline = create_pipeline(runtime, owner, {"name": "Hook", "version": 1, "steps": steps})
        run = start_run(runtime, owner, pipeline.id, {})
        await run_to_end(engine, run.id)
    assert seen == [["begun"]]
    assert [row.outcome for row in rows(runtime, owner)] == ["answered"]


async def test_a_call_that_a_crash_cut_keeps_its_row_and_the_next_gets_another(
    runtime: Runtime, owner: Account
) -> None:
    source = {"name": "Cut", "version": 1, "steps": [ask(f"{CLAUDE}-hang")]}
    run = start_run(runtime, owner, create_pipeline(runtime, owner, source).id, {})
    first = Engine(runtime, "serve:one")
    advancing = asyncio.create_task(first.advance(run.id))
    while not rows(runtime, owner):
        await asyncio.sleep(0.02)
    await asyncio.sleep(0.05)
    first.active[run.id].lose()
    await asyncio.gather(advancing, return_exceptions=True)
    first.close()
    assert [row.outcome for row in rows(runtime, owner)] == ["begun"]
    with runtime.database.write() as session:
        session.execute(update(RunRow).values(lease_owner=None, lease_until=None))
    second = Engine(runtime, "serve:two")
    advancing = asyncio.create_task(second.advance(run.id))
    while len(rows(runtime, owner)) < 2:
        await asyncio.sleep(0.02)
    await asyncio.sleep(0.05)
    second.cancel(run.id)
    await advancing
    second.close()
    await runtime.providers.aclose()
    assert [row.outcome for row in rows(runtime, owner)] == ["begun", "failed"]
    (flow,) = flows(runtime, owner.id)
    assert (flow.times, flow.unsure) == (2, 1)


@pytest.mark.parametrize(
    ("kind", "recipient"),
    [
        ("model", "openai"),
        ("webhook", "evil.example"),
        ("tool", "127.0.0.1"),
        ("mail", "evil.example"),
        ("model", "localhost"),
    ],
)
async def test_a_recipient_that_the_version_does_not_name_is_found(
    execute: Execute, runtime: Runtime, owner: Account, kind: str, recipient: str
) -> None:
    await execute([ask()])
    with runtime.database.write() as session:
        session.execute(update(EgressRow).values(kind=kind, recipient=recipient))
    (found,) = unnamed(runtime)[2]
    assert (found.kind, found.recipient) == (kind, recipient)


async def test_the_cheaper_model_of_a_budget_is_named(execute: Execute, runtime: Runtime, owner: Account) -> None:
    budget = {"max_credits": 1.5, "on_exceed": "downgrade", "downgrade_to": GPT}
    run = await execute([ask(max_tokens=4000)], budget=budget)
    assert [row.recipient for row in rows(runtime, owner)] == ["openai"], run.error
    assert unnamed(runtime)[2] == []


async def test_a_row_whose_run_is_gone_cannot_be_told(execute: Execute, runtime: Runtime, owner: Account) -> None:
    await execute([ask()])
    with runtime.database.write() as session:
        session.execute(update(EgressRow).values(run_id="gone"))
    assert unnamed(runtime) == (1, 1, [])


async def test_nobody_reads_the_rows_of_others(execute: Execute, runtime: Runtime, owner: Account) -> None:
    await execute([ask()])
    assert list_egress(runtime, "somebody-else").items == () and flows(runtime, "somebody-else") == ()


def test_an_address_that_is_refused_sends_nothing(runtime: Runtime) -> None:
    with pytest.raises(OutboundRefused):
        runtime.outbound.check_url("http://169.254.169.254/")
