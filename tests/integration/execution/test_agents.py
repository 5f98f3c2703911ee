"""Agents: turns, tools, limits, money and secrets, with a stand-in vendor, a real peer and both databases."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest
from sqlalchemy import select

from core.accounts.commands import create_account
from core.accounts.domain import Account
from core.accounts.queries import get_operator
from core.credits.commands import set_credits
from core.credits.queries import balance, verify_ledger
from core.execution.commands import cancel_run, run_cells, start_run
from core.execution.domain import RunView
from core.execution.engine import Engine, run_to_end
from core.execution.models import RunEventRow, RunRow, StepRunRow
from core.execution.notebook import notebook
from core.execution.queries import events_after, get_run
from core.execution.tools import RESULT_BYTES
from core.pipelines.commands import create_pipeline, validate_source
from core.pipelines.queries import get_pipeline
from core.platform.runtime import Runtime
from tests.conftest import PASSWORD
from tests.support.http_peer import HttpPeer
from tests.support.vendor_stub import StubServer, vendor_settings

pytestmark = pytest.mark.slow_on_postgres

CLAUDE, GPT, LLAMA = "claude-sonnet-4-5-tools", "gpt-4o-mini-2024-07-18.ft-tools", "stub-tools"
CANARY = "canary-7f3a9c/with+signs&more"
TOOLS = ["http_request", "extract_json", "template_render", "curl"]
Begin = Callable[..., RunView]
Execute = Callable[..., Any]


@pytest.fixture(scope="module")
def server() -> Iterator[StubServer]:
    with StubServer() as running:
        yield running


@pytest.fixture
def vendor(server: StubServer) -> StubServer:
    server.stub.requests.clear()
    return server


@pytest.fixture
def runtime(runtime_with: Callable[..., Runtime], database_settings: dict[str, str], vendor: StubServer) -> Runtime:
    models = [LLAMA, f"{LLAMA}-dear"]
    partner = {
        "name": "stub",
        "base_url": f"{vendor.url}/v1",
        "api_key": "sk-p",
        "models": models,
        "prices": {name: {"input": 0.1, "output": 0.3} for name in models},
        "region": "EU",
        "terms_url": "https://terms.example",
    }
    return runtime_with(
        **database_settings,
        **vendor_settings(vendor),
        llama_partners=(partner,),
        outbound_allowlist="127.0.0.1",
    )


@pytest.fixture
def person(runtime: Runtime) -> Account:
    return create_account(runtime, email="ada@example.org", password=PASSWORD, plan="starter")


@pytest.fixture
async def peer() -> AsyncIterator[HttpPeer]:
    async with HttpPeer() as running:
        yield running


@pytest.fixture
def execute(runtime: Runtime, person: Account, engine: Engine) -> Execute:
    async def run(step: dict[str, Any], *, owner: Account = person, **top: Any) -> RunView:
        started = begin(runtime, owner, step, **top)
        await run_to_end(engine, started.id)
        assert verify_ledger(runtime).problems == ()
        assert balance(runtime, person).held_micros == 0
        return get_run(runtime, owner.id, started.id)

    return run


def begin(runtime: Runtime, owner: Account, step: dict[str, Any], **top: Any) -> RunView:
    pipeline = create_pipeline(runtime, owner, {"name": "Agents", "version": 1, **top, "steps": [step]})
    return start_run(runtime, owner, pipeline.id, {})


def agent(prompt: str, *, model: str = CLAUDE, tools: list[str] = TOOLS, **limits: Any) -> dict[str, Any]:
    more = {name: limits.pop(name) for name in list(limits) if name in ("output_schema", "timeout_seconds", "retry")}
    return {
        "id": "look", "model": model, "prompt": prompt, "max_tokens": 400, **more, "agent": {"tools": tools, **limits},
    }  # fmt: skip


def call(tool: str, **arguments: Any) -> str:
    """How a prompt makes the stand-in ask for a tool."""
    return f"{tool} {json.dumps(arguments)} "


def get(peer: HttpPeer, path: str = "/", **more: Any) -> str:
    return call("http_request", url=f"http://127.0.0.1:{peer.port}{path}", **more)


def told_to_model(vendor: StubServer) -> list[str]:
    """What the tools gave, as the last request to the vendor holds it."""
    messages = vendor.stub.requests[-1].body["messages"]
    parts = [part for message in messages if isinstance(message["content"], list) for part in message["content"]]
    return [part["content"] for part in parts if part["type"] == "tool_result"]


def traced(run: RunView, event: str) -> list[dict[str, Any]]:
    return [facts for facts in run.steps[0].trace if facts["event"] == event]  # type: ignore[index,call-overload,misc]


# -- work -------------------------------------------------------------------


@pytest.mark.parametrize("model", [CLAUDE, GPT, LLAMA])
async def test_an_agent_works_in_turns(
    runtime: Runtime, execute: Execute, peer: HttpPeer, model: str, vendor: StubServer
) -> None:
    peer.answers["/page"] = (200, {"Content-Type": "application/json"}, b'{"price": 12}')
    prompt = get(peer, "/page", method="POST", headers={"X-A": "1"}, body='{"q": 1}') + call(
        "extract_json", text='so: {"a": [1, 2]}', expression="a[1]"
    )
    run = await execute(agent(prompt, model=model))
    assert run.status == "completed", run.error
    assert run.output_data == 'RESULTS | status: 200\ncontent-type: application/json\n\n{"price": 12} | 2'
    (seen,) = peer.requests
    assert (seen.method, seen.body, seen.headers["x-a"]) == ("POST", b'{"q": 1}', "1")
    assert seen.headers["content-type"] == "application/json"
    assert seen.headers["x-stepiq-delivery"] == f"{run.id}:look:1:1"

    (step,) = run.steps
    assert [facts["event"] for facts in step.trace] == [  # type: ignore[index,call-overload]
        "turn", "tool_call", "tool_result", "turn", "tool_call", "tool_result", "turn",
    ]  # fmt: skip
    first, second, last = traced(run, "turn")
    assert (first["n"], first["status"], first["text"]) == (1, "tool_use", "Let me look.")
    assert last["status"] == "end" == step.stop_reason
    asked, _ = traced(run, "tool_call")
    assert (asked["n"], asked["turn"], asked["tool"], asked["arguments"]["method"]) == (1, 1, "http_request", "POST")
    got, _ = traced(run, "tool_result")
    assert (got["n"], got["status"], got["http_status"]) == (1, "ok", 200) and got["ms"] >= 0
    turns = [facts["tokens"] for facts in (first, second, last)]
    assert step.input_tokens == sum(tokens["input"] for tokens in turns)
    assert step.output_tokens == sum(tokens["output"] for tokens in turns)
    assert 0 < run.credit_micros <= run.quote.max_micros

    events = [event.data for event in events_after(runtime, run.id, 0) if event.kind == "trace_event"]
    assert events == list(step.trace), "told while it was under way, and stored"
    keys = [seen.headers["idempotency-key"] for seen in vendor.stub.requests]
    assert keys[0] == f"{run.id}:look:1" and len(set(keys)) == 3


async def test_several_tools_in_one_turn_act_in_order(execute: Execute, peer: HttpPeer) -> None:
    prompt = get(peer, "/a") + call("curl", command=f"curl -s http://127.0.0.1:{peer.port}/b -d x=1")
    run = await execute(agent(prompt, model=f"{CLAUDE}-together"))
    assert run.status == "completed", run.error
    assert [(seen.method, seen.path) for seen in peer.requests] == [("GET", "/a"), ("POST", "/b")]
    deliveries = [seen.headers["x-stepiq-delivery"] for seen in peer.requests]
    assert deliveries == [f"{run.id}:look:1:1", f"{run.id}:look:1:2"]
    assert len(traced(run, "turn")) == 2


async def test_what_the_model_gets_wrong_is_told_to_it(execute: Execute, peer: HttpPeer, vendor: StubServer) -> None:
    prompt = (
        call("http_request", url="http://169.254.169.254/latest/meta-data")
        + call("curl", command="curl -o x http://127.0.0.1")
        + call("template_render", template="{{#each xs}}{{this}}", values={})
    ).replace("{{", "\\{{")
    run = await execute(agent(prompt, model=f"{CLAUDE}-unknown"))
    assert run.status == "completed", run.error
    unknown, refused, unsupported, template = told_to_model(vendor)
    assert "There is no tool no_such_tool" in unknown
    assert "never reached" in refused and "-o is not supported" in unsupported and "never closed" in template
    assert [facts["status"] for facts in traced(run, "tool_result")] == ["error"] * 4
    assert traced(run, "tool_result")[1]["code"] == "OUTBOUND_REFUSED"


async def test_malformed_arguments_are_told_to_the_model(execute: Execute, peer: HttpPeer) -> None:
    run = await execute(agent(get(peer, "/page"), model=f"{CLAUDE}-malformed"))
    assert run.status == "completed", run.error
    assert [facts["status"] for facts in traced(run, "tool_result")] == ["error", "ok"]
    assert len(peer.requests) == 1


async def test_only_hosts_on_the_list_are_reached(execute: Execute, peer: HttpPeer, vendor: StubServer) -> None:
    peer.redirect("/away", f"http://localhost:{peer.port}/there")
    run = await execute(agent(get(peer, "/away"), network_allowlist=["api.example.org", "127.0.0.1"]))
    assert run.status == "completed"
    assert "not on this step's network_allowlist" in told_to_model(vendor)[0]
    assert [seen.path for seen in peer.requests] == ["/away"]
    run = await execute(agent(get(peer, "/page"), network_allowlist=["*.example.org"]))
    assert "not on this step's network_allowlist" in told_to_model(vendor)[0]
    assert len(peer.requests) == 1


async def test_answers_are_cut_and_binary_is_not_shown(execute: Execute, peer: HttpPeer, vendor: StubServer) -> None:
    peer.answers["/long"] = (200, {"Content-Type": "text/plain"}, b"lorem " * 50_000)
    peer.answers["/picture"] = (200, {"Content-Type": "image/png"}, b"\x89PNG\x00\x01")
    peer.answers["/latin"] = (404, {"Content-Type": "text/html; charset=iso-8859-1"}, "é".encode("latin-1"))
    run = await execute(agent(get(peer, "/long") + get(peer, "/picture") + get(peer, "/latin")))
    assert run.status == "completed", run.error
    long, picture, latin = told_to_model(vendor)
    assert len(long.encode()) <= RESULT_BYTES and "bytes are shown]" in long
    assert "[6 bytes that are no text]" in picture
    assert latin == "status: 404\ncontent-type: text/html; charset=iso-8859-1\n\né"


async def test_the_answer_is_held_to_its_schema(execute: Execute, peer: HttpPeer, vendor: StubServer) -> None:
    schema = {"type": "object", "properties": {"price": {"type": "integer"}}, "required": ["price"]}
    closed = {**schema, "additionalProperties": False}
    run = await execute(agent(get(peer), output_schema=closed))
    assert run.status == "completed" and run.output_data == {"price": 1}
    run = await execute(agent(get(peer), output_schema=closed, model=LLAMA))  # which enforces none beside tools
    assert run.status == "failed" and run.error is not None and run.error["code"] == "OUTPUT_MISMATCH"
    (repair,) = traced(run, "repair")
    assert repair["first_answer"] == run.steps[0].raw_output
    assert len(traced(run, "turn")) == 3
    *_, answer, asked = vendor.stub.requests[-1].body["messages"]
    assert answer["role"] == "assistant" and "could not be used" in asked["content"], "one conversation"
    assert run.credit_micros > 0


async def test_the_demo_model_answers_at_once(runtime: Runtime, execute: Execute, person: Account) -> None:
    step = agent("Summarise: Bees make honey. Hives hold bees. Honey keeps.", model="demo")
    run = await execute(step)
    assert run.status == "completed" and "honey" in str(run.output_data)
    assert len(traced(run, "turn")) == 1 and run.credit_micros == 0
    checked = validate_source(runtime, person, {"name": "x", "version": 1, "steps": [step]})
    assert [(issue.code, issue.severity) for issue in checked.warnings] == [("NO_TOOLS", "warning")]


async def test_a_stored_output_never_stands_in(
    runtime: Runtime, person: Account, engine: Engine, vendor: StubServer
) -> None:
    text = json.dumps({"name": "Agents", "version": 1, "steps": [agent(call("extract_json", text="{}"))]})
    pipeline = create_pipeline(runtime, person, text)
    for times in (2, 4):
        run = run_cells(runtime, person, pipeline.id, text=text, input_data={}, mode="stale")
        await run_to_end(engine, run.id)
        assert len(vendor.stub.requests) == times
    written = get_pipeline(runtime, person.id, pipeline.id).text
    assert notebook(runtime, person, pipeline.id, text=written, input_data={}).cells[0].state == "stale"


# -- limits -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("limits", "said", "acts"),
    [
        ({"max_turns": 3}, "max_turns (3)", 2),
        ({"max_tool_calls": 2}, "max_tool_calls is 2", 2),
        ({"max_turns": 1}, "max_turns (1)", 0),
        ({"max_tool_calls": 0}, "max_tool_calls is 0", 0),
    ],
)
async def test_counts_are_limits(
    execute: Execute, peer: HttpPeer, limits: dict[str, int], said: str, acts: int
) -> None:
    run = await execute(agent(get(peer), model=f"{CLAUDE}-endless", **limits))
    assert run.status == "failed" and run.error is not None
    assert run.error["code"] == "AGENT_LIMIT" and said in str(run.error["message"])
    assert len(peer.requests) == acts
    (step,) = run.steps
    assert step.raw_output == "Let me look." and len(traced(run, "turn")) == acts + 1
    assert 0 < run.credit_micros <= run.quote.max_micros


async def test_time_is_a_limit(execute: Execute, peer: HttpPeer) -> None:
    run = await execute(agent(get(peer), model=f"{CLAUDE}-late", max_duration_seconds=1))
    assert run.error is not None and run.error["code"] == "AGENT_LIMIT"
    assert "max_duration_seconds (1 s)" in str(run.error["message"])
    assert len(traced(run, "turn")) == 1 and run.credit_micros > 0, "the first turn is paid for"


async def test_a_tool_does_not_outlast_the_agent(execute: Execute, peer: HttpPeer) -> None:
    run = await execute(agent(get(peer, "/silent"), max_duration_seconds=1))
    assert run.error is not None and run.error["code"] == "AGENT_LIMIT"
    await asyncio.wait_for(peer.closed.wait(), 5)


async def test_a_written_timeout_is_the_steps_own(execute: Execute, peer: HttpPeer) -> None:
    run = await execute(agent(get(peer), model=f"{CLAUDE}-late", timeout_seconds=1))
    assert run.error is not None and run.error["code"] == "TIMEOUT"
    assert "timeout_seconds" in str(run.error["message"])
    assert len(traced(run, "tool_result")) == 1


async def test_a_turn_that_could_pass_what_is_held_is_not_begun(
    execute: Execute, peer: HttpPeer, vendor: StubServer
) -> None:
    run = await execute(agent(get(peer), model=f"{LLAMA}-dear", max_turns=5))
    assert run.error is not None and run.error["code"] == "AGENT_LIMIT"
    assert "held for the agent" in str(run.error["message"])
    assert len(vendor.stub.requests) == 1
    assert 0 < run.credit_micros <= run.quote.max_micros, "never charged above what was held"


async def test_the_quoted_maximum_is_enough_to_hold(
    runtime: Runtime, engine: Engine, person: Account, peer: HttpPeer
) -> None:
    step = agent(get(peer), max_turns=4, max_tool_calls=3)
    run = begin(runtime, person, step)
    assert run.quote.low_micros <= run.quote.likely_micros < run.quote.max_micros
    assert (
        run.quote.max_micros < begin(runtime, person, agent(get(peer), max_turns=8, max_tool_calls=3)).quote.max_micros
    )
    set_credits(runtime, person, micros=run.quote.max_micros)
    await run_to_end(engine, run.id)
    after = get_run(runtime, person.id, run.id)
    assert after.status == "completed", after.error
    assert balance(runtime, person).available_micros == run.quote.max_micros - after.credit_micros


async def test_a_failure_of_the_vendor_keeps_what_was_used_and_the_next_attempt_begins_anew(
    execute: Execute, peer: HttpPeer
) -> None:
    step = agent(get(peer), model=f"{CLAUDE}-busy", retry={"max_attempts": 2, "backoff_ms": 1})
    run = await execute(step)
    assert run.error is not None and run.error["code"] == "OVERLOADED"
    assert len(traced(run, "turn")) == 1 and len(traced(run, "tool_result")) == 1
    assert [seen.headers["x-stepiq-delivery"] for seen in peer.requests] == [f"{run.id}:look:1:1", f"{run.id}:look:2:1"]
    assert [attempt.status for attempt in run.steps[0].attempts] == ["failed", "failed"]
    once = await execute({**step, "retry": {"max_attempts": 1}})
    assert run.credit_micros == 2 * once.credit_micros > 0, "each attempt pays for its first turn"


# -- interruptions ----------------------------------------------------------


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.01)


async def test_cancelled_in_a_turn_it_pays_for_what_it_used(
    runtime: Runtime, person: Account, engine: Engine, peer: HttpPeer, vendor: StubServer
) -> None:
    peer.answers["/"] = (200, {}, b"word " * 200)
    run = begin(runtime, person, agent(get(peer), model=f"{CLAUDE}-slow"))
    work = asyncio.create_task(engine.advance(run.id))
    await until(lambda: len(vendor.stub.requests) == 2)
    heard: list[str] = []

    def streaming() -> bool:
        heard.extend(text for _, _, text in engine.active[run.id].take_tokens())
        return "RESULTS" in "".join(heard)

    await until(streaming)
    cancel_run(runtime, person.id, run.id)
    engine.cancel(run.id)
    await work
    after = get_run(runtime, person.id, run.id)
    assert after.status == "cancelled"
    (step,) = after.steps
    (turn,) = traced(after, "turn")
    assert step.input_tokens > turn["tokens"]["input"] and step.output_tokens > turn["tokens"]["output"]
    assert step.raw_output is not None and step.raw_output.startswith("RESULTS")
    assert after.credit_micros > 0 and balance(runtime, person).held_micros == 0
    assert verify_ledger(runtime).problems == ()


async def test_a_crash_repeats_the_step_under_the_same_ids(
    runtime: Runtime, person: Account, engine: Engine, peer: HttpPeer, vendor: StubServer
) -> None:
    run = begin(runtime, person, agent(get(peer, "/first") + get(peer, "/silent")))
    work = asyncio.create_task(engine.advance(run.id))
    await until(lambda: len(peer.requests) == 2)
    work.cancel()  # as a process that dies: nothing of the step's end is written
    with suppress(asyncio.CancelledError):
        await work
    assert get_run(runtime, person.id, run.id).steps[0].status == "running"
    assert balance(runtime, person).held_micros > 0
    peer.answers["/silent"] = (200, {}, b"now")
    await run_to_end(engine, run.id)
    after = get_run(runtime, person.id, run.id)
    assert after.status == "completed", after.error
    assert after.steps[0].retry_count == 0
    ids = [(seen.path, seen.headers["x-stepiq-delivery"]) for seen in peer.requests]
    assert ids == [("/first", f"{run.id}:look:1:1"), ("/silent", f"{run.id}:look:1:2")] * 2
    keys = [seen.headers["idempotency-key"] for seen in vendor.stub.requests]
    assert keys == [*keys[:2], *keys[:2], keys[-1]], "the same conversation under the same key"
    assert balance(runtime, person).held_micros == 0 and verify_ledger(runtime).problems == ()


# -- secrets ----------------------------------------------------------------


def everything_stored(runtime: Runtime, owner_id: str) -> str:
    """Every sealed value of the journal, opened."""
    opened: list[Any] = []
    with runtime.database.read() as session:
        for step in session.scalars(select(StepRunRow).where(StepRunRow.owner_id == owner_id)):
            opened.append(runtime.vault.open_json(owner_id, f"step_runs.content:{step.id}", step.content))
        for run in session.scalars(select(RunRow).where(RunRow.owner_id == owner_id)):
            opened.append(runtime.vault.open_json(owner_id, f"runs.request:{run.id}", run.request))
            opened.append(runtime.vault.open_json(owner_id, f"runs.result:{run.id}", run.result))
            for event in session.scalars(select(RunEventRow).where(RunEventRow.run_id == run.id)):
                where = f"run_events.data:{run.id}/{event.seq}"
                opened.append(runtime.vault.open_json(owner_id, where, event.data))
    return json.dumps(opened)


async def test_a_secret_goes_to_its_host_and_nowhere_else(
    runtime: Runtime, execute: Execute, peer: HttpPeer, vendor: StubServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SITE_KEY", CANARY)
    import base64
    from urllib.parse import quote

    echoes = f"{CANARY} {quote(CANARY, safe='')} {base64.b64encode(CANARY.encode()).decode()} end"
    peer.answers["/echo"] = (200, {"Content-Type": "text/plain"}, echoes.encode())
    peer.answers[f"/q?k={quote(CANARY, safe='')}"] = (200, {"Content-Type": "text/plain"}, b"fine")
    prompt = (
        get(peer, "/echo", headers={"Authorization": "Bearer {{env.SITE_KEY}}"}, body='{"k": "{{env.SITE_KEY}}"}')
        + get(peer, "/q?k={{env.SITE_KEY}}")
        + call("curl", command=f"curl -u me:{{{{env.SITE_KEY}}}} http://127.0.0.1:{peer.port}/basic")
    )
    operator = get_operator(runtime)
    run = await execute(agent(prompt, network_allowlist=["127.0.0.1"]), owner=operator)
    assert run.status == "completed", run.error
    first, second, third = peer.requests
    assert first.headers["authorization"] == f"Bearer {CANARY}" and json.loads(first.body) == {"k": CANARY}
    assert second.path == f"/q?k={quote(CANARY, safe='')}"
    assert base64.b64decode(third.headers["authorization"].removeprefix("Basic ")).decode() == f"me:{CANARY}"

    sent = json.dumps([seen.body for seen in vendor.stub.requests])
    assert "{{env.SITE_KEY}}" in sent and "[secret SITE_KEY]" in sent
    stored = everything_stored(runtime, operator.id)
    assert "[secret SITE_KEY]" in stored
    for form in (CANARY, quote(CANARY, safe=""), base64.b64encode(CANARY.encode()).decode()):
        assert form not in sent, "the vendor saw it"
        assert form not in stored and form not in str(run.output_data)


async def test_a_secret_that_the_prompt_does_not_name_is_not_to_be_had(
    runtime: Runtime, execute: Execute, peer: HttpPeer, vendor: StubServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SITE_KEY", CANARY)
    monkeypatch.setenv("OTHER_KEY", "other-canary-8812")
    theirs = call("http_request", url=f"http://127.0.0.1:{peer.port}/", headers={"A": "{{env.OTHER_KEY}}"})
    injected = theirs.replace("{{", "\\{{")  # as a page would put it there: text, not a reference
    other = {"id": "use", "type": "webhook", "method": "GET", "url": "http://127.0.0.1:1/{{env.OTHER_KEY}}"}
    step = agent("Key: {{env.SITE_KEY}} " + injected, network_allowlist=["127.0.0.1"])
    source = {"name": "x", "version": 1, "steps": [step, other]}
    operator = get_operator(runtime)
    started = start_run(runtime, operator, create_pipeline(runtime, operator, source).id, {})
    engine = Engine(runtime, "serve:other")
    await run_to_end(engine, started.id)
    engine.close()
    assert peer.requests == []
    assert "the prompt of this step does not name it" in told_to_model(vendor)[0]


async def test_a_secret_needs_a_list_of_hosts(runtime: Runtime, person: Account) -> None:
    source = {"name": "x", "version": 1, "steps": [agent("Use {{env.SITE_KEY}}")]}
    (error,) = validate_source(runtime, person, source).errors
    assert error.code == "NO_EFFECT" and "network_allowlist" in error.message
