"""Pipelines and runs: by commands, over HTTP, by a webhook; reviews in the app, over HTTP and through a mailed link."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

from core.accounts.commands import save_own_key, set_secret
from core.accounts.domain import Account
from core.accounts.profile import update_profile
from core.accounts.queries import get_account
from core.execution.commands import fork_run, start_run
from core.execution.models import RunRow
from core.execution.run_retention import delete_runs
from core.execution.schedules import create_schedule
from core.pipelines.commands import create_pipeline, save_draft
from core.platform.files.commands import store_file
from tests.support.letters import letters_to
from tests.support.planting.stage import Stage
from tests.support.planting.words import Words

OWN, OWN_AGENT, PLATFORM = "claude-sonnet-4-5", "claude-sonnet-4-5-tools", "gpt-4.1-mini"


def plant_runs(stage: Stage, owner: Account, token: str, words: Words) -> None:
    """Everything that a pipeline can hold, take in, send out and be told; one run of it is left under way."""
    runtime, peer = stage.runtime, stage.outside.peer
    _forgotten(stage, owner, words)
    stage.outside.vendor.stub.says = words.keep("model output")
    peer.answers["/tool"] = (200, {}, words.keep("tool answer").encode())
    peer.answers["/hook"] = (200, {"X-Told": words.keep("answered header")}, words.keep("answered body").encode())
    gateway = words.keep("own base address")
    save_own_key(
        runtime, owner.id, "anthropic", words.keep("own key"), f"{stage.outside.vendor.url}/gateways/{gateway}"
    )
    words.kept["secret name"] = words.tag.upper() + "_SECRET"
    set_secret(runtime, owner.id, words.kept["secret name"], words.keep("secret"))
    set_secret(runtime, owner.id, "SIGNING", words.keep("signing secret"))
    rows = _upload(stage, token, words)
    source = _definition(words, f"http://127.0.0.1:{peer.port}", owner.email)
    made = stage.ask("POST", "/pipelines", token=token, json={"definition": source})["id"]
    set_secret(runtime, owner.id, "LOCAL", words.keep("secret of a pipeline"), pipeline_id=made)
    run = _by_http(stage, owner, token, made, rows, words)
    _pinned(stage, owner, run, words)
    _by_webhook(stage, owner, token, words)
    _masked(stage, owner, words)
    _failing(stage, owner, words)
    _put_off(stage, owner, words)
    _kept_ready(stage, owner, token, made, words)


def _definition(words: Words, peer: str, address: str) -> dict[str, Any]:
    half, rest = words.halves("code output")
    first, second = words.halves("sql output")
    call = json.dumps({"url": f"{peer}/tool", "method": "POST", "body": words.keep("tool argument")})
    name = words.kept["secret name"]
    target = {"type": "webhook", "url": f"{peer}/deliver", "signing_secret_name": "SIGNING"}
    return {
        "name": words.keep("pipeline name"),
        "description": words.keep("description"),
        "version": 1,
        "tags": [words.keep("tag")],
        "variables": {"said": words.keep("variable")},
        "budget": {"max_credits": 50},
        "input": {
            "schema": {
                "text": {"type": "string", "default": words.keep("default of an input")},
                "rows": {"type": "string", "file": True},
            }
        },
        "steps": [
            {"id": words.show("step id"), "name": words.keep("step name"), "model": OWN, "max_tokens": 200,
             "prompt": words.keep("prompt"), "system_prompt": words.keep("system prompt")},
            {"id": words.show("paid step"), "model": PLATFORM, "max_tokens": 50, "prompt": "{{input.text}}"},
            {"id": "hidden", "type": "transform", "template": "{{vars.said}}"},
            {"id": "made", "type": "code", "language": "python", "source": f'output = "{half}" + "{rest}"'},
            {"id": "asked", "type": "sql", "query": f"SELECT '{first}' || '{second}' AS said, * FROM rows"},
            {"id": words.show("map step"), "type": "map", "foreach": "{{input.rows}}", "as": "row",
             "steps": [{"id": words.show("inner step"), "type": "transform", "template": "{{row.name}}"}]},
            {"id": "agent", "model": OWN_AGENT, "max_tokens": 200, "prompt": f"http_request {call}",
             "agent": {"tools": ["http_request"], "max_turns": 3}},
            {"id": "call", "type": "webhook", "url": f"{peer}/hook", "headers": {"X-Said": words.keep("sent header")},
             "body": {"said": words.keep("sent body"), "key": "{{env." + name + "}} {{env.LOCAL}}"}},
            {"id": words.show("review"), "type": "human_review", "message": words.keep("question"), "editable": True},
        ],
        "output": {
            "from": "{{input.text}}",
            "deliver": [
                {"type": "email", "to": address, "subject": words.keep("subject of a mail")},
                {"type": "file", "path": words.keep("name of a made file", "{tag}.txt")},
                target,
            ],
        },
        "notifications": {"on_success": [{"type": "email", "to": words.keep("told address", "{tag}@planted.example")}]},
    }  # fmt: skip


def _upload(stage: Stage, token: str, words: Words) -> str:
    """A file over HTTP; its id."""
    content = f"name,age\n{words.keep('row of a file')},36\n"
    sent = {"file": (words.keep("name of an upload", "{tag}.csv"), content.encode(), "text/csv")}
    once = {"Idempotency-Key": words.hide("key of an upload")}
    made: str = stage.ask("POST", "/files", token=token, files=sent, headers=once)["id"]
    return made


def _by_http(stage: Stage, owner: Account, token: str, pipeline_id: str, rows: str, words: Words) -> str:
    """A run asked for over HTTP, followed, and reviewed there; its id."""
    once = {"Idempotency-Key": words.hide("key of a run")}
    given = {"input_data": {"text": words.keep("input over HTTP"), "rows": rows}}
    run: str = stage.ask("POST", f"/pipelines/{pipeline_id}/run", token=token, json=given, headers=once)["id"]
    waiting = stage.wait_for(owner.id, run, "waiting", "failed")
    assert waiting.status == "waiting", waiting.error
    decided = {"decision": "approve", "comment": words.keep("comment over HTTP"), "output": words.keep("edited output")}
    stage.ask("POST", f"/runs/{run}/reviews/{words.kept['review']}", token=token, json=decided)
    stage.wait_for(owner.id, run, "completed")
    assert stage.client.get(f"/api/runs/{run}/stream", headers={"Authorization": f"Bearer {token}"}).status_code == 200
    stage.wait(lambda: any(seen.path == "/deliver" for seen in list(stage.outside.peer.requests)), "it was delivered")
    return run


def _pinned(stage: Stage, owner: Account, run_id: str, words: Words) -> None:
    run = stage.wait_for(owner.id, run_id, "completed")
    assert run.pipeline_id is not None
    pinned = {"made": words.keep("pinned output")}
    again = fork_run(stage.runtime, owner, run.pipeline_id, run_id, words.kept["review"], pinned=pinned)
    stage.wait_for(owner.id, again.id, "waiting")  # and stays so: a run under way


def _by_webhook(stage: Stage, owner: Account, token: str, words: Words) -> None:
    """A run that another program starts, and whose question is answered on the page of the mailed link."""
    asked = {"name": words.keep("name of an API key"), "scopes": ["webhooks:trigger"]}
    key = stage.ask("POST", "/user/api-keys", token=token, json=asked)["key"]
    source = {"name": "Asks", "version": 1, "steps": [
        {"id": "draft", "type": "transform", "template": "{{input.text}}"},
        {"id": "look", "type": "human_review", "message": "{{input.text}}", "editable": True},
    ], "input": {"schema": {"text": {"type": "string"}}}}  # fmt: skip
    pipeline_id = stage.ask("POST", "/pipelines", token=token, json={"definition": source})["id"]
    body = {"text": words.keep("input by webhook"), "more": words.keep("rest of a webhook")}
    headers = {"X-GitHub-Delivery": words.hide("id of a delivery")}
    run = stage.ask("POST", f"/webhooks/{pipeline_id}?api_key={key}", json=body, headers=headers)["run_id"]
    stage.wait_for(owner.id, run, "waiting")
    (letter,) = (each for each in letters_to(stage.runtime, owner.email) if words.kept["input by webhook"] in each.text)
    path = "/review/" + letter.text.partition("/review/")[2].split()[0]
    assert words.kept["input by webhook"] in stage.client.get(path).text
    form = {
        "decision": "approve",
        "output": words.keep("output edited by link"),
        "comment": words.keep("comment by link"),
    }
    assert stage.client.post(path, data=form).status_code == 200
    stage.wait_for(owner.id, run, "completed")


def _masked(stage: Stage, owner: Account, words: Words) -> None:
    """A prompt whose personal data is kept back from the vendor and put back into the answer."""
    update_profile(stage.runtime, owner.id, personal_data="mask")
    person = get_account(stage.runtime, owner.id)
    prompt = f"Write to {words.keep('masked address', '{tag}@planted.example')}"
    source = {"name": "Masks", "version": 1, "steps": [
        {"id": "ask", "model": f"{OWN}-echo", "prompt": prompt, "max_tokens": 400},
    ]}  # fmt: skip
    run = start_run(stage.runtime, person, create_pipeline(stage.runtime, person, source).id, {})
    stage.wait_for(owner.id, run.id, "completed")
    seen = json.dumps([request.body for request in stage.outside.vendor.stub.requests])
    assert words.kept["masked address"] not in seen
    update_profile(stage.runtime, owner.id, personal_data="off")


def _failing(stage: Stage, owner: Account, words: Words) -> None:
    """What goes wrong, close to words of the person's: their host, the vendor that repeats them, their mail."""
    told = [{"type": "email", "to": words.keep("warned address", "{tag}@planted.example")}]
    steps: dict[str, dict[str, Any]] = {
        "host": {"type": "webhook", "url": f"http://{words.show('host')}.example/a?b=c"},
        "vendor": {"model": f"{OWN}-error-400", "prompt": words.keep("repeated prompt"), "max_tokens": 50},
        "code": {"type": "code", "language": "python", "source": f'raise ValueError("{words.keep("error text")}")'},
    }
    for step in steps.values():
        source = {"name": "Fails", "version": 1, "steps": [{"id": "go", **step}], "notifications": {"on_failure": told}}
        run = start_run(stage.runtime, owner, create_pipeline(stage.runtime, owner, source).id, {})
        assert stage.wait_for(owner.id, run.id, "failed", "completed").status == "failed"


def _put_off(stage: Stage, owner: Account, words: Words) -> None:
    """A try that failed, and the next one minutes away: with a queue, a job waits in it."""
    step = {"id": "again", "type": "webhook", "url": f"http://127.0.0.1:{stage.outside.peer.port}/echo/503",
            "body": words.keep("body sent again"), "retry": {"max_attempts": 2, "backoff_ms": 60_000}}  # fmt: skip
    source = {"name": "Later", "version": 1, "steps": [step]}
    run = start_run(stage.runtime, owner, create_pipeline(stage.runtime, owner, source).id, {})
    stage.wait(lambda: _is_put_off(stage, run.id), "the next try is planned")


def _is_put_off(stage: Stage, run_id: str) -> bool:
    with stage.runtime.database.read() as session:
        return session.get_one(RunRow, run_id).wake_at is not None


def _kept_ready(stage: Stage, owner: Account, token: str, pipeline_id: str, words: Words) -> None:
    """What waits to be used: a draft, a file, a schedule, a version that calls another pipeline."""
    draft = f"name: Draft\nsteps:\n  - {{id: one, type: transform, template: {words.keep('draft')}}}\n"
    save_draft(stage.runtime, owner.id, pipeline_id, draft)
    store_file(
        stage.runtime, owner.id, words.keep("file name", "{tag} 1.txt"), words.keep("file content", "{tag} Ä").encode()
    )
    given = {"text": words.keep("input of a schedule")}
    stage.ask("POST", f"/pipelines/{pipeline_id}/schedules", token=token, json={
        "name": words.keep("schedule name", "{tag} nightly"), "cron_expression": "0 5 * * *", "input_data": given,
    })  # fmt: skip
    create_schedule(
        stage.runtime, owner, pipeline_id, name=words.keep("other schedule"), cron_expression="0 5 * * *",
        input_data=given,
    )  # fmt: skip


def _forgotten(stage: Stage, owner: Account, words: Words) -> None:
    """A run whose time is over goes, the first of all; its sum goes on."""
    runtime = stage.runtime
    source = {"name": "Old", "version": 1, "steps": [{"id": "a", "type": "transform", "template": "{{input.left}}"}],
              "input": {"schema": {"left": {"type": "string"}}}}  # fmt: skip
    old = start_run(runtime, owner, create_pipeline(runtime, owner, source).id, {"left": words.hide("deleted input")})
    stage.wait_for(owner.id, old.id, "completed")
    before = runtime.clock.now() + timedelta(minutes=1)
    assert delete_runs(runtime, owner.id, before=before, guard=lambda _session: True)["runs"] == 1
