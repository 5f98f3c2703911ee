"""Personal data in what models are sent: noted, kept back, or a reason not to call; in mask mode no vendor sees it."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import select, update

from core.accounts.domain import Account
from core.accounts.profile import update_profile
from core.accounts.queries import get_account
from core.execution.commands import run_cells, start_run
from core.execution.domain import RunView
from core.execution.egress_queries import flows, list_egress
from core.execution.engine import Engine, run_to_end
from core.execution.models import EgressRow, RunRow, StepRunRow
from core.execution.queries import events_after, get_run
from core.pipelines.commands import create_pipeline
from core.pipelines.personal_data import choose_screening, screening_of
from core.platform.runtime import Runtime
from core.shared.errors import InvalidInput, NotFound
from tests.integration.execution.conftest import Execute
from tests.support.http_peer import HttpPeer
from tests.support.vendor_stub import StubServer, vendor_settings

CLAUDE, GPT = "claude-sonnet-4-5", "gpt-4.1-mini"
CANARY = "canary.lovelace@example.org"
EMAIL, PHONE = "user.contact.email", "user.contact.phone_number"


@pytest.fixture
def runtime(runtime_with: Callable[..., Runtime], database_settings: dict[str, str], vendor: StubServer) -> Runtime:
    vendor.stub.requests.clear()
    return runtime_with(**database_settings, **vendor_settings(vendor), outbound_allowlist="127.0.0.1,localhost")


@pytest.fixture
def mode(runtime: Runtime, owner: Account) -> Callable[[str], None]:
    """Choose what becomes of personal data, for the person as a whole."""

    def choose(chosen: str) -> None:
        update_profile(runtime, owner.id, personal_data=chosen)

    return choose


@pytest.fixture
def run(runtime: Runtime, owner: Account, engine: Engine) -> Execute:
    """As `execute`, for the person as they are now."""

    async def go(steps: list[dict[str, Any]], input_data: dict[str, Any] | None = None, **top: Any) -> RunView:
        person = get_account(runtime, owner.id)
        pipeline = create_pipeline(runtime, person, {"name": "Test", "version": 1, **top, "steps": steps})
        started = start_run(runtime, person, pipeline.id, input_data or {})
        await run_to_end(engine, started.id)
        return get_run(runtime, owner.id, started.id)

    return go


def ask(
    step_id: str = "ask", model: str = f"{CLAUDE}-echo", prompt: str = f"Write to {CANARY}", **more: Any
) -> dict[str, Any]:
    return {"id": step_id, "model": model, "prompt": prompt, "max_tokens": 400, **more}


def sent_to(vendor: StubServer) -> str:
    return "\n".join(json.dumps(seen.body) for seen in vendor.stub.requests)


async def test_off_looks_at_nothing(
    run: Execute, mode: Callable[[str], None], runtime: Runtime, owner: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    mode("off")
    monkeypatch.setattr("core.execution.screening.find", lambda _text: pytest.fail("nobody asked for a look"))
    await run([ask()])
    (row,) = list_egress(runtime, owner.id).items
    assert row.categories is None and row.masked == ()


async def test_warn_is_the_default_and_notes_kinds_with_the_run(
    run: Execute, runtime: Runtime, owner: Account, vendor: StubServer
) -> None:
    done = await run([ask(prompt=f"{CANARY} 06 12 34 56 78", system_prompt="You are kind.")])
    assert done.status == "completed" and done.personal_data == "warn"
    assert CANARY in sent_to(vendor)
    (row,) = list_egress(runtime, owner.id).items
    assert (row.categories, row.masked) == ((EMAIL, PHONE), ())
    assert done.steps[0].personal_data == {"EMAIL": 1, "PHONE": 1} and done.steps[0].placeholders == {}
    told = [event.data for event in events_after(runtime, done.id, 0) if event.data.get("event") == "personal_data"]
    assert told == [{"event": "personal_data", "mode": "warn", "found": {"EMAIL": 1, "PHONE": 1}}]
    with runtime.database.read() as session:
        kept = [str(value) for row in session.scalars(select(EgressRow)) for value in vars(row).values()]
    assert not any(CANARY in value for value in kept)


@pytest.mark.parametrize("model", [CLAUDE, "gpt-4o-mini-2024-07-18.ft"])
async def test_masked_values_never_reach_the_vendor_and_come_back(
    run: Execute, mode: Callable[[str], None], runtime: Runtime, owner: Account, vendor: StubServer, model: str
) -> None:
    mode("mask")
    steps = [
        ask("first", f"{model}-echo", f"Write to {CANARY}", system_prompt=f"Never forget {CANARY}."),
        ask("second", f"{model}-echo", "Repeat: {{steps.first.output}} or eve@example.org"),
        {"id": "third", "type": "transform", "template": "{{steps.second.output}}"},
    ]
    done = await run(steps)
    assert done.status == "completed", done.error
    assert CANARY in str(done.output_data) and "eve@example.org" in str(done.output_data)
    assert "canary" not in sent_to(vendor) and "eve@" not in sent_to(vendor)
    assert sent_to(vendor).count("[EMAIL_1]") >= 3 and "[EMAIL_2]" in sent_to(vendor)
    first, second, _ = done.steps
    assert first.prompt_sent == "Write to [EMAIL_1]" and CANARY in str(first.raw_output)
    assert first.placeholders == {"[EMAIL_1]": CANARY}
    assert second.placeholders == {"[EMAIL_1]": CANARY, "[EMAIL_2]": "eve@example.org"}
    for row in list_egress(runtime, owner.id).items:
        assert (row.categories, row.masked) == ((), (EMAIL,))


async def test_live_text_and_events_show_restored_values(
    run: Execute, mode: Callable[[str], None], runtime: Runtime, owner: Account, engine: Engine
) -> None:
    mode("mask")
    texts: list[str] = []
    append = engine.flush_tokens

    async def collect() -> None:
        texts.extend(piece for active in engine.active.values() for _, _, piece in active.take_tokens())

    engine.flush_tokens = collect  # type: ignore[method-assign]
    done = await run([ask(model=f"{CLAUDE}-slow", prompt=f"{CANARY} said so and so on and on")])
    engine.flush_tokens = append  # type: ignore[method-assign]
    assert done.status == "completed"
    assert texts and "[EMAIL" not in "".join(texts)


async def test_json_answers_are_checked_with_their_values_put_back(
    run: Execute, mode: Callable[[str], None], vendor: StubServer
) -> None:
    mode("mask")
    prompt = f'Answer with {{"to": "{CANARY}"}}'
    schema = {
        "type": "object",
        "properties": {"to": {"type": "string"}},
        "required": ["to"],
    }
    done = await run([ask(model=CLAUDE, prompt=prompt, output_schema=schema)])
    assert done.status == "completed", done.error
    assert "canary" not in sent_to(vendor)


async def test_block_fails_before_the_call_names_kinds_and_leaves_no_row(
    run: Execute, mode: Callable[[str], None], runtime: Runtime, owner: Account, vendor: StubServer
) -> None:
    mode("block")
    done = await run([ask(fallback=[GPT], retry={"max_attempts": 3, "backoff_ms": 1})])
    assert done.status == "failed" and done.error is not None and done.error["code"] == "PERSONAL_DATA_BLOCKED"
    message = str(done.error["message"])
    assert "1 e-mail address" in message and "canary" not in message and "Nothing was sent" in message
    assert vendor.stub.requests == [] and list_egress(runtime, owner.id).items == ()
    with runtime.database.read() as session:
        held = [row.held_micros for row in session.scalars(select(StepRunRow))]
    assert held == [0]


async def test_block_lets_through_what_holds_nothing(run: Execute, mode: Callable[[str], None]) -> None:
    mode("block")
    assert (await run([ask(prompt="Say something")])).status == "completed"


async def test_a_stored_output_stands_in_although_its_prompt_would_be_blocked(
    run: Execute, mode: Callable[[str], None], runtime: Runtime, owner: Account, engine: Engine, vendor: StubServer
) -> None:
    definition = {"name": "Cells", "version": 1, "steps": [ask()]}
    made = create_pipeline(runtime, owner, definition)
    text = made.text
    for chosen, calls in (("warn", 1), ("block", 1)):
        mode(chosen)
        person = get_account(runtime, owner.id)
        started = run_cells(runtime, person, made.id, text=text, input_data={}, mode="stale")
        await run_to_end(engine, started.id)
        assert get_run(runtime, owner.id, started.id).status == "completed"
        assert len(vendor.stub.requests) == calls


async def test_a_pipelines_own_choice_comes_first_and_the_strictest_of_those_it_calls(
    runtime: Runtime, owner: Account
) -> None:
    definition = {"name": "One", "version": 1, "steps": [ask()]}
    one = create_pipeline(runtime, owner, definition).id
    other = create_pipeline(runtime, owner, {**definition, "name": "Two"}).id
    assert screening_of(runtime, owner, one) == "warn"
    choose_screening(runtime, owner.id, one, "off")
    assert screening_of(runtime, owner, one) == "off" and screening_of(runtime, owner, None) == "warn"
    assert screening_of(runtime, owner, one, {other}) == "off"
    choose_screening(runtime, owner.id, other, "mask")
    assert screening_of(runtime, owner, one, {other}) == "mask"
    choose_screening(runtime, owner.id, one, None)
    assert screening_of(runtime, owner, one) == "warn"
    with pytest.raises(InvalidInput):
        choose_screening(runtime, owner.id, one, "sometimes")
    with pytest.raises(NotFound):
        choose_screening(runtime, "somebody-else", one, "off")


async def test_a_called_pipeline_that_masks_makes_the_whole_run_mask(
    run: Execute, runtime: Runtime, owner: Account, vendor: StubServer
) -> None:
    inner = create_pipeline(runtime, owner, {"name": "Inner", "version": 1, "steps": [ask()]})
    choose_screening(runtime, owner.id, inner.id, "mask")
    done = await run([ask("outer"), {"id": "call", "type": "pipeline", "pipeline": "Inner"}])
    assert done.status == "completed", done.error
    assert "canary" not in sent_to(vendor) and CANARY in str(done.output_data)


async def test_what_goes_to_the_persons_own_addresses_is_restored(
    run: Execute, mode: Callable[[str], None], runtime: Runtime, owner: Account, vendor: StubServer
) -> None:
    mode("mask")
    async with HttpPeer() as peer:
        peer.answers["/hook"] = (200, {}, b"ok")
        hook = {
            "id": "hook",
            "type": "webhook",
            "url": f"http://127.0.0.1:{peer.port}/hook",
            "body": "{{steps.ask.output}}",
        }
        done = await run([ask(), hook])
        assert done.status == "completed", done.error
        assert CANARY.encode() in peer.requests[0].body
    kinds = {row.kind: row.categories for row in list_egress(runtime, owner.id).items}
    assert kinds == {"model": (), "webhook": (EMAIL,)}


@pytest.mark.parametrize("listed", [True, False])
async def test_an_agents_requests_carry_values_only_to_listed_hosts(
    run: Execute, mode: Callable[[str], None], runtime: Runtime, owner: Account, vendor: StubServer, listed: bool
) -> None:
    mode("mask")
    async with HttpPeer() as peer:
        peer.answers["/things"] = (200, {"Content-Type": "text/plain"}, b"ask eve@example.org")
        call = json.dumps({"url": f"http://127.0.0.1:{peer.port}/things", "body": CANARY, "method": "POST"})
        agent = {"tools": ["http_request"], **({"network_allowlist": ["127.0.0.1"]} if listed else {})}
        done = await run([ask(model=f"{CLAUDE}-tools", prompt=f"http_request {call} ", agent=agent)])
    assert done.status == "completed", done.error
    assert peer.requests[0].body.decode() == (CANARY if listed else "[EMAIL_1]")
    assert "canary" not in sent_to(vendor) and "eve@" not in sent_to(vendor) and "[EMAIL_2]" in sent_to(vendor)
    assert "eve@example.org" in str(done.output_data)
    found = {row.purpose: (row.categories, row.masked) for row in list_egress(runtime, owner.id).items}
    assert found["turn"] == ((), (EMAIL,))
    assert found["http_request"][0] == ((EMAIL,) if listed else ())


async def test_a_tool_that_brings_personal_data_blocks_the_next_turn(
    run: Execute, mode: Callable[[str], None], runtime: Runtime, owner: Account, vendor: StubServer
) -> None:
    mode("block")
    async with HttpPeer() as peer:
        peer.answers["/things"] = (200, {"Content-Type": "text/plain"}, b"ask eve@example.org")
        call = json.dumps({"url": f"http://127.0.0.1:{peer.port}/things"})
        done = await run(
            [ask(model=f"{CLAUDE}-tools", prompt=f"http_request {call} ", agent={"tools": ["http_request"]})]
        )
    assert done.error is not None and done.error["code"] == "PERSONAL_DATA_BLOCKED"
    assert len(vendor.stub.requests) == 1 and done.steps[0].input_tokens > 0, "the first turn is counted"


async def test_a_run_that_a_crash_cut_keeps_its_placeholders(
    mode: Callable[[str], None], runtime: Runtime, owner: Account, vendor: StubServer
) -> None:
    mode("mask")
    steps = [
        ask("first", prompt="eve@example.org"),
        ask("second", f"{CLAUDE}-hang", f"{CANARY} and {{{{steps.first.output}}}}"),
    ]
    person = get_account(runtime, owner.id)
    made = create_pipeline(runtime, person, {"name": "Cut", "version": 1, "steps": steps})
    started = start_run(runtime, person, made.id, {})
    for turn in (1, 2):
        engine = Engine(runtime, f"serve:{turn}")
        advancing = asyncio.create_task(engine.advance(started.id))
        while len(vendor.stub.requests) < 1 + turn:
            await asyncio.sleep(0.02)
        engine.active[started.id].lose() if turn == 1 else engine.cancel(started.id)
        await asyncio.gather(advancing, return_exceptions=True)
        engine.close()
        with runtime.database.write() as session:
            session.execute(update(RunRow).values(lease_owner=None, lease_until=None))
    await runtime.providers.aclose()
    cut, again = (json.dumps(seen.body["messages"]) for seen in vendor.stub.requests[1:3])
    assert cut == again and "[EMAIL_2] and" in cut and "canary" not in cut


async def test_a_long_prompt_lets_the_loop_go_on(run: Execute, mode: Callable[[str], None], vendor: StubServer) -> None:
    mode("warn")
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            await asyncio.sleep(0.005)
            ticks += 1

    from core.execution.screening import Screen
    from core.providers.domain import ModelRequest
    from core.shared.personal_data import Placeholders

    ticking = asyncio.create_task(tick())
    text = f"a word 12 and more, {CANARY}; " * 20_000
    screened = await Screen("warn", Placeholders()).look(ModelRequest("m", text))
    ticking.cancel()
    assert screened.counts == {"EMAIL": 20_000}
    assert ticks > 10, "a window at a time, never all of it: 40 to 60 of them"


async def test_nothing_is_looked_at_for_the_demo_model(run: Execute, mode: Callable[[str], None]) -> None:
    mode("block")
    done = await run([ask(model="demo")])
    assert done.status == "completed" and done.steps[0].personal_data == {}


async def test_flows_say_what_was_kept_back(
    run: Execute, mode: Callable[[str], None], runtime: Runtime, owner: Account
) -> None:
    mode("mask")
    await run([ask()])
    mode("off")
    await run([ask()])
    found = flows(runtime, owner.id)
    assert {(flow.recipient, flow.masked, flow.categories, flow.unseen) for flow in found} == {
        ("anthropic", (EMAIL,), (), 0),
        ("anthropic", (), (), 1),
    }
