"""What is sent when a run has ended: signed webhooks, mails and files, each attempt recorded, nothing twice."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import select

from core.accounts.commands import create_account, set_secret
from core.accounts.domain import Account
from core.execution.commands import run_cells, start_run
from core.execution.deliveries import deliver_due, next_delivery_at
from core.execution.domain import RunView
from core.execution.engine import Engine
from core.execution.models import DeliveryAttemptRow, DeliveryRow
from core.execution.queries import get_run
from core.pipelines.commands import create_pipeline
from core.pipelines.dump import dump_definition
from core.platform.files.queries import file_text, list_files
from core.platform.mail.models import MailRow
from core.platform.runtime import Runtime
from core.platform.signatures import verify
from core.shared.errors import InvalidInput
from tests.conftest import PASSWORD
from tests.support.clock import FixedClock
from tests.support.http_peer import HttpPeer


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(datetime.now(UTC))


@pytest.fixture
def runtime(runtime_with: Callable[..., Runtime], database_settings: dict[str, str], clock: FixedClock) -> Runtime:
    return runtime_with(clock=clock, **database_settings, outbound_allowlist="127.0.0.1")


@pytest.fixture
def owner(runtime: Runtime) -> Account:
    made = create_account(runtime, email="ada@example.org", password=PASSWORD)
    set_secret(runtime, made.id, "SIGNING_KEY", "a shared secret")
    return made


def hook(peer: HttpPeer, path: str = "/") -> dict[str, Any]:
    return {"type": "webhook", "url": f"http://127.0.0.1:{peer.port}{path}", "signing_secret_name": "SIGNING_KEY"}


def definition(template: str = "Hello", **top: Any) -> dict[str, Any]:
    return {"name": "Told", "version": 1, "steps": [{"id": "a", "type": "transform", "template": template}], **top}


async def ended(runtime: Runtime, owner: Account, engine: Engine, source: dict[str, Any]) -> RunView:
    run = start_run(runtime, owner, create_pipeline(runtime, owner, source).id, {})
    await engine.advance(run.id)
    return get_run(runtime, owner.id, run.id)


def rows(runtime: Runtime) -> list[DeliveryRow]:
    with runtime.database.read() as session:
        return list(session.scalars(select(DeliveryRow).order_by(DeliveryRow.target)))


async def test_a_signed_webhook_is_delivered_once(
    runtime: Runtime, owner: Account, engine: Engine, clock: FixedClock
) -> None:
    async with HttpPeer() as peer:
        run = await ended(runtime, owner, engine, definition(output={"deliver": [hook(peer)]}))
        assert await deliver_due(runtime) == 1 and await deliver_due(runtime) == 0
        (seen,) = peer.requests
        assert verify("a shared secret", seen.headers, seen.body, now=int(clock.now().timestamp()))
        assert seen.headers["x-stepiq-event"] == "pipeline.run.completed"
        assert seen.headers["x-stepiq-delivery"] == f"{run.id}:deliver.0"
        body = json.loads(seen.body)
        assert body["output"] == "Hello" and body["run"]["id"] == run.id and body["meta"]["attempt"] == 1
        assert body["pipeline"] == {"id": run.pipeline_id, "version": 1, "name": "Told"}
        assert [row.status for row in rows(runtime)] == ["sent"]


async def test_a_broken_receiver_is_tried_four_times_under_one_id(
    runtime: Runtime, owner: Account, engine: Engine, clock: FixedClock
) -> None:
    async with HttpPeer() as peer:
        peer.answers["/"] = (503, {}, b"")
        await ended(runtime, owner, engine, definition(output={"deliver": [hook(peer)]}))
        for wait in (0, 1, 2, 4, 60):
            clock.advance(seconds=wait)
            await deliver_due(runtime)
        assert len(peer.requests) == 4
        assert len({seen.headers["x-stepiq-delivery"] for seen in peer.requests}) == 1
        (row,) = rows(runtime)
        assert (row.status, row.attempts, row.error_code) == ("failed", 4, "HTTP_STATUS")
        with runtime.database.read() as session:
            tried = session.scalars(select(DeliveryAttemptRow).order_by(DeliveryAttemptRow.number)).all()
        assert [(each.number, each.http_status) for each in tried] == [(n, 503) for n in range(1, 5)]


async def test_a_receiver_that_says_no_is_not_asked_again(
    runtime: Runtime, owner: Account, engine: Engine, clock: FixedClock
) -> None:
    async with HttpPeer() as peer:
        peer.answers["/"] = (400, {}, b"")
        await ended(runtime, owner, engine, definition(output={"deliver": [hook(peer)]}))
        await deliver_due(runtime)
        clock.advance(seconds=60)
        await deliver_due(runtime)
        assert len(peer.requests) == 1 and rows(runtime)[0].status == "failed"


async def test_a_crash_between_sending_and_recording_repeats_under_the_same_id(
    runtime: Runtime, owner: Account, engine: Engine, clock: FixedClock
) -> None:
    from core.execution import deliveries

    async with HttpPeer() as peer:
        await ended(runtime, owner, engine, definition(output={"deliver": [hook(peer)]}))
        (due,) = deliveries._claim(runtime)
        await deliveries._send(runtime, due)  # and the process dies here
        assert await deliver_due(runtime) == 0, "it is somebody's for half a minute"
        clock.advance(seconds=31)
        assert await deliver_due(runtime) == 1
        first, second = peer.requests
        assert first.headers["x-stepiq-delivery"] == second.headers["x-stepiq-delivery"]
        assert next_delivery_at(runtime) is None


async def test_success_and_failure_tell_different_people(runtime: Runtime, owner: Account, engine: Engine) -> None:
    told = {
        "on_success": [{"type": "email", "to": "well@example.org", "subject": "It worked"}],
        "on_failure": [{"type": "email", "to": ["ill@example.org", "too@example.org"]}],
    }
    await ended(runtime, owner, engine, definition(notifications=told))
    await deliver_due(runtime)
    failing = definition("{{steps.b.output}}", notifications=told)
    failing["steps"].append({"id": "b", "type": "transform", "extract": "x", "from": "{{vars.v}}"})
    failing["variables"] = {"v": "no json"}
    assert (await ended(runtime, owner, engine, failing)).status == "failed"
    await deliver_due(runtime)
    await deliver_due(runtime)
    with runtime.database.read() as session:
        mails = session.scalars(select(MailRow).where(MailRow.kind == "delivery")).all()
    assert len(mails) == 3, "one for success, one for each who hears of failure, none twice"
    assert sorted(row.target for row in rows(runtime)) == ["on_failure.0", "on_success.0"]


async def test_a_file_is_kept_encrypted_for_its_owner(runtime: Runtime, owner: Account, engine: Engine) -> None:
    target = {"type": "file", "path": "report-{{steps.a.output}}.txt"}
    await ended(runtime, owner, engine, definition(output={"deliver": [target]}))
    await deliver_due(runtime)
    (file,) = list_files(runtime, owner.id).items
    assert file.name == "report-Hello.txt" and file_text(runtime, owner.id, file.id) == "Hello"


async def test_running_cells_tells_nobody_and_a_missing_secret_refuses_the_run(
    runtime: Runtime, owner: Account, engine: Engine
) -> None:
    async with HttpPeer() as peer:
        source = definition(output={"deliver": [hook(peer)]})
        pipeline = create_pipeline(runtime, owner, source)
        run = run_cells(
            runtime, owner, pipeline.id, text=dump_definition(source), input_data={}, mode="cell", step_id="a"
        )
        await engine.advance(run.id)
        assert await deliver_due(runtime) == 0 and rows(runtime) == []
        source["output"]["deliver"][0]["signing_secret_name"] = "NOT_THERE"
        with pytest.raises(InvalidInput) as refused:
            start_run(runtime, owner, create_pipeline(runtime, owner, source).id, {})
        assert refused.value.code == "MISSING_SECRET"
