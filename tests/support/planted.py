"""A person with something of theirs in every place where this project keeps anything: to be found, then to be gone."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from core.accounts.api_keys import create_api_key
from core.accounts.authentication import sign_in
from core.accounts.commands import create_account, save_own_key, set_secret
from core.accounts.domain import Account
from core.accounts.invitations import invite
from core.accounts.passwords import forget_password
from core.accounts.queries import find_session
from core.accounts.registration import request_code
from core.execution.commands import start_run
from core.execution.domain import ACTIVE
from core.execution.queries import get_run
from core.execution.reviews import decide_review
from core.execution.schedules import create_schedule
from core.pipelines.commands import create_pipeline, save_draft
from core.platform.files.commands import store_file
from core.platform.idempotency import Once
from core.platform.runtime import Runtime
from tests.conftest import PASSWORD
from tests.support.letters import letters_to

ADDRESS, NAME = "Canary.Ada+77@planted.example", "Canary Ada Zyxwoman"
DRAFT = "name: Draft\nsteps:\n  - {id: one, type: transform, template: canary-draft-2201}\n"
WORDS = {
    "pipeline name": "Canary pipeline 1101",
    "prompt": "canary-prompt-1102 says hello",
    "system prompt": "canary-system-1103",
    "input": "canary-input-1104",
    "comment": "canary comment 1105 with “quotes”",
    "secret": "canary-secret-value-1106",
    "secret name": "CANARY_SECRET_1107",
    "api key name": "canary api key 1108",
    "own key": "canary-own-key-1109-abcdef",
    "schedule name": "canary schedule 1110",
    "schedule input": "canary-schedule-input-1111",
    "file name": "canary file 1112.txt",
    "file content": "canary file content 1113 Ärger",
    "device": "CanaryBrowser/1114",
    "draft": "canary-draft-2201",
    "webhook input": "canary-webhook-1115",
    "step id": "canary_step_1116",
}


@dataclass
class Planted:
    """The person, and every value by what it is."""

    account: Account
    values: dict[str, str] = field(default_factory=dict)


def wait_for(runtime: Runtime, owner_id: str, run_id: str, *status: str) -> None:
    """Until a run is in one of these states."""
    end = time.monotonic() + 60
    while get_run(runtime, owner_id, run_id).status not in status:
        assert time.monotonic() < end, get_run(runtime, owner_id, run_id).status
        time.sleep(0.02)


def plant(runtime: Runtime, admin: Account) -> Planted:
    """Use every write path for one person, with runs carried out by the dispatcher of the runtime."""
    made = create_account(runtime, email=ADDRESS, password=PASSWORD, name=NAME)
    signed_in = sign_in(runtime, email=ADDRESS, password=PASSWORD, device=WORDS["device"])
    definition = {
        "name": WORDS["pipeline name"],
        "version": 1,
        "input": {"schema": {"text": {"type": "string"}}},
        "steps": [
            {
                "id": WORDS["step id"], "model": "demo", "prompt": WORDS["prompt"],
                "system_prompt": WORDS["system prompt"],
            },
            {"id": "said", "model": "demo", "prompt": "{{input.text}} {{env." + WORDS["secret name"] + "}}"},
            {"id": "look", "type": "human_review", "message": "{{input.text}}", "editable": True},
        ],
        "output": {"from": "{{input.text}}", "deliver": [{"type": "email", "to": ADDRESS, "subject": "canary"}]},
    }  # fmt: skip
    set_secret(runtime, made.id, WORDS["secret name"], WORDS["secret"])
    save_own_key(runtime, made.id, "anthropic", WORDS["own key"])
    create_api_key(runtime, made, WORDS["api key name"], ("pipelines:read",))
    pipeline = create_pipeline(runtime, made, definition)
    save_draft(runtime, made.id, create_pipeline(runtime, made, {**definition, "name": "x"}).id, DRAFT)
    store_file(runtime, made.id, WORDS["file name"], WORDS["file content"].encode())
    create_schedule(
        runtime, made, pipeline.id, name=WORDS["schedule name"], cron_expression="0 5 * * *",
        input_data={"text": WORDS["schedule input"]},
    )  # fmt: skip
    run = start_run(runtime, made, pipeline.id, {"text": WORDS["input"]}, once=Once("POST /x", "key", b"x"))
    wait_for(runtime, made.id, run.id, "waiting")
    decide_review(runtime, made, run.id, "look", "approve", comment=WORDS["comment"])
    wait_for(runtime, made.id, run.id, "completed", "failed")
    hook = start_run(runtime, made, pipeline.id, {"text": WORDS["webhook input"]}, trigger="webhook")
    wait_for(runtime, made.id, hook.id, "waiting")  # and stays so: a run under way
    forget_password(runtime, email=ADDRESS)
    request_code(runtime, email=ADDRESS)
    session = find_session(runtime, sign_in(runtime, email=admin.email, password=PASSWORD).token)
    assert session is not None and signed_in.account.id == made.id
    invite(runtime, session, email=ADDRESS)
    letters_to(runtime, ADDRESS)
    assert get_run(runtime, made.id, hook.id).status in ACTIVE
    return Planted(made, {"address": ADDRESS, "name": NAME, **WORDS})
