"""Starting, cancelling and repeating runs."""

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Any, cast

from sqlalchemy import and_, func, insert, or_, select, update
from sqlalchemy.engine import CursorResult
from sqlalchemy.orm import Session

from core.accounts.domain import Account
from core.accounts.plans import PLANS, check_runs, check_steps
from core.accounts.postings import note_secrets_used
from core.accounts.queries import own_key_hosts
from core.accounts.standing import check_may_start
from core.credits.commands import grant_month
from core.credits.domain import too_few_credits
from core.credits.models import CreditAccount
from core.credits.postings import lock_account
from core.execution import errors, journal, leases
from core.execution.attachments import read_inputs, use_attachments
from core.execution.called import called_definitions
from core.execution.caps import lock_caller_cap, reserve
from core.execution.domain import ACTIVE, WITH_OUTPUT, BulkRetry, Mode, RunView, Selection, Starter
from core.execution.funding import as_json, funding_mode, funding_of
from core.execution.models import RunRow, StepRunRow
from core.execution.queries import get_run
from core.execution.quotes import quote
from core.execution.secrets import check_secrets
from core.execution.selection import select_steps
from core.execution.usual import usual_of_steps
from core.pipelines.commands import accept
from core.pipelines.definition import Definition, read_definition, to_dict, walk_steps
from core.pipelines.graph import descendants
from core.pipelines.inputs import check_input
from core.pipelines.personal_data import screening_of
from core.pipelines.queries import get_pipeline, runnable_version
from core.platform.idempotency import Once, answer_once
from core.platform.runtime import Runtime
from core.shared.errors import AppError, Conflict, InvalidInput
from core.shared.types import JsonValue

ADD_RUN = insert(journal.RUNS)


def start_run(
    runtime: Runtime,
    owner: Account,
    pipeline_id: str,
    input_data: dict[str, Any],
    *,
    trigger: str = "api",
    version: int | None = None,
    idempotency_key: str | None = None,
    once: Once | None = None,
    starter: Starter | None = None,
) -> RunView:
    """Run a saved version, everything in it. A repeated idempotency key answers the first run.

    `idempotency_key` is the run's own: kept with it for good, for callers of ours that name the occasion. `once` is
    a client's: kept for a day, counted for its route, and refused when it comes with another request. `starter` is the
    key or the schedule that asks, where no person does: its cap and the switch of its owner hold for the run.
    """
    saved = runnable_version(runtime, owner.id, pipeline_id, version)
    definition = read_definition(saved.definition)
    run_id = _create(
        runtime,
        owner,
        definition,
        input_data,
        pipeline_id=pipeline_id,
        version=saved.number,
        trigger=trigger,
        key=idempotency_key,
        once=once,
        starter=starter,
    )
    return get_run(runtime, owner.id, run_id)


def run_cells(
    runtime: Runtime,
    owner: Account,
    pipeline_id: str,
    *,
    text: str,
    input_data: dict[str, Any],
    mode: Mode,
    step_id: str | None = None,
) -> RunView:
    """Run the notebook's text: all of it, what is stale, one cell with the stale cells it needs, or from a cell on."""
    pipeline = get_pipeline(runtime, owner.id, pipeline_id)
    definition, _ = accept(runtime, owner, text)
    if mode in ("cell", "from_here") and (step_id is None or definition.step(step_id) is None):
        raise InvalidInput("UNKNOWN_STEP", "This cell no longer exists. Reload the page.")
    version = pipeline.version if text == pipeline.text else None
    selection = select_steps(definition, mode, step_id)
    run_id = _create(
        runtime,
        owner,
        definition,
        input_data,
        pipeline_id=pipeline_id,
        version=version,
        trigger="manual",
        selection=selection,
    )
    return get_run(runtime, owner.id, run_id)


def fork_run(
    runtime: Runtime,
    owner: Account,
    pipeline_id: str,
    from_run: str,
    from_step: str | None = None,
    *,
    text: str | None = None,
    version: int | None = None,
    input_data: dict[str, Any] | None = None,
    pinned: dict[str, JsonValue] | None = None,
    trigger: str = "api",
    once: Once | None = None,
    starter: Starter | None = None,
) -> RunView:
    """Run again with the outputs of an earlier run wherever they still hold.

    What stands before `from_step` and would do just what it did in `from_run` is reused; the rest is executed, and
    so is everything that acts outside. `pinned` outputs stand in for their steps as they are. `text` is an edited
    definition; `input_data` None means the earlier run's.
    """
    before = get_run(runtime, owner.id, from_run)
    number: int | None = None
    if text is not None:
        definition, _ = accept(runtime, owner, text)
    else:
        saved = runnable_version(runtime, owner.id, pipeline_id, version)
        definition, number = read_definition(saved.definition), saved.number
    fixed = pinned or {}
    for name in (*fixed, *([from_step] if from_step is not None else [])):
        if name not in definition.step_ids:
            raise InvalidInput("UNKNOWN_STEP", f"There is no step {name} to begin from or to pin.", field="from_step")
    again: frozenset[str] = frozenset()
    if from_step is not None:
        again = frozenset(definition.step_ids[definition.step_ids.index(from_step) :])
    new_id = _create(
        runtime,
        owner,
        definition,
        before.input_data if input_data is None else input_data,
        pipeline_id=pipeline_id,
        version=number,
        trigger=trigger,
        selection=Selection(None, frozenset(definition.step_ids) - again - fixed.keys(), from_run),
        once=once,
        pinned=fixed,
        starter=starter,
    )
    return get_run(runtime, owner.id, new_id)


def run_definition(
    runtime: Runtime, owner: Account, definition: Definition, input_data: dict[str, Any], *, lease: str
) -> str:
    """Make a run that belongs to no stored pipeline, leased to its caller from birth; returns its id."""
    return _create(
        runtime, owner, definition, input_data, pipeline_id=None, version=None, trigger="manual", lease=lease
    )


def cancel_run(runtime: Runtime, owner_id: str, run_id: str) -> RunView:
    """Ask a run to stop. A run that has ended stays as it is."""
    mine = (RunRow.id == run_id, RunRow.owner_id == owner_id)
    with runtime.database.write() as session:
        status = session.scalar(select(RunRow.status).where(*mine))
        if status is None:
            raise errors.run_not_found()
        if status in ACTIVE:
            asked = update(RunRow).where(*mine, RunRow.cancel_requested_at.is_(None))
            session.execute(asked.values(cancel_requested_at=runtime.clock.now()))
            # One that waits for a person is taken up once more, to be closed.
            session.execute(update(RunRow).where(*mine, RunRow.status == "waiting").values(status="pending"))
            runtime.dispatcher.enqueue(session, run_id)
    runtime.dispatcher.cancel(run_id)
    runtime.events.used("run.cancelled", owner_id)
    return get_run(runtime, owner_id, run_id)


def lift_budget(runtime: Runtime, owner_id: str, run_id: str, *, key_id: str | None = None) -> RunView:
    """Let a run go on that its budget paused. Raises Conflict when it is not paused.

    `key_id`: the API key that asks. With a cap it may lift the budget of its own runs only, which reserved their part
    of that cap; for another's it raises Forbidden KEY_CAP.
    """
    mine = (RunRow.id == run_id, RunRow.owner_id == owner_id)
    paused = (RunRow.status == "waiting", RunRow.error_code == "BUDGET_PAUSED")
    freed = {"status": "pending", "error_code": None, "budget_lifted_at": runtime.clock.now()}
    with runtime.database.write() as session:
        found = session.execute(select(RunRow.started_by, RunRow.reserved_micros).where(*mine)).one_or_none()
        if found is None:
            raise errors.run_not_found()
        cap = lock_caller_cap(session, owner_id, key_id)
        if cap is not None and (found.started_by != key_id or found.reserved_micros is None):
            raise errors.beyond_key_cap(cap, "this run would not count for it")
        if cast(CursorResult[Any], session.execute(update(RunRow).where(*mine, *paused).values(freed))).rowcount != 1:
            raise Conflict("NOT_PAUSED", "This run is not paused by its budget.")
        runtime.dispatcher.enqueue(session, run_id)
    runtime.dispatcher.submit(run_id)
    return get_run(runtime, owner_id, run_id)


def retry_run(
    runtime: Runtime,
    owner: Account,
    run_id: str,
    from_step: str | None = None,
    *,
    once: Once | None = None,
    starter: Starter | None = None,
) -> RunView:
    """Run again from the failed step (or another one), with the stored outputs of what came before."""
    before = get_run(runtime, owner.id, run_id)
    if before.status in ACTIVE:
        raise Conflict("RUN_ACTIVE", "This run has not ended. Cancel it first, or wait.")
    definition = read_definition(before.definition)
    if from_step is not None and definition.step(from_step) is None:
        raise InvalidInput("UNKNOWN_STEP", f"This run has no step {from_step}.")
    again: frozenset[str] = frozenset() if from_step is None else descendants(definition, from_step) | {from_step}
    kept = [step.id for step in definition.steps if step.id not in again]
    new_id = _create(
        runtime,
        owner,
        definition,
        before.input_data,
        pipeline_id=before.pipeline_id,
        version=before.pipeline_version,
        trigger="retry",
        kept=(run_id, kept),
        once=once,
        starter=starter,
    )
    runtime.events.used("run.retried", owner.id)
    return get_run(runtime, owner.id, new_id)


def retry_runs(runtime: Runtime, owner: Account, run_ids: Sequence[str]) -> BulkRetry:
    """Retry several ended runs, each from its failed step. One that is refused does not stop the others."""
    started, refused = [], []
    for run_id in run_ids:
        try:
            started.append(retry_run(runtime, owner, run_id).id)
        except AppError as error:
            refused.append((run_id, error.message))
    return BulkRetry(tuple(started), tuple(refused))


def _create(
    runtime: Runtime,
    owner: Account,
    definition: Definition,
    input_data: dict[str, Any],
    *,
    pipeline_id: str | None,
    version: int | None,
    trigger: str,
    selection: Selection | None = None,
    key: str | None = None,
    lease: str | None = None,
    kept: tuple[str, list[str]] | None = None,
    pinned: dict[str, JsonValue] | None = None,
    once: Once | None = None,
    starter: Starter | None = None,
) -> str:
    checked = check_input(definition, input_data)
    called_ids: set[str] = set()
    called = called_definitions(runtime, owner.id, definition, pipeline_id, ids=called_ids)
    if not owner.is_operator:
        for each in (definition, *called.values()):  # saved on a larger plan
            check_steps(owner.plan, sum(1 for _ in walk_steps(each.steps)))
    secret_names = check_secrets(runtime, owner, pipeline_id, (definition, *called.values()))
    funding = funding_of(runtime, owner, definition, called.values())
    grant_month(runtime, owner)
    selected = selection or Selection()
    files, values = read_inputs(runtime, owner.id, definition, checked)
    book = runtime.prices.current(runtime)
    usual = usual_of_steps(runtime, owner.id, pipeline_id, definition, funding)
    quoted = quote(
        runtime, owner, definition, values, files=files, funding=funding, called=called, only=selected.steps,
        rates=book.rates(owner.plan), usual=usual,
    )  # fmt: skip
    hashed = runtime.vault.keyed_hash(owner.id, "idempotency")(key.encode()).hex() if key else None
    run_id, now = runtime.ids.new(), runtime.clock.now()
    request: dict[str, JsonValue] = {
        "definition": to_dict(definition),
        "input": checked,
        "funding": as_json(funding),
        "selection": journal.seal_selection(selected),
        "personal_data": screening_of(runtime, owner, pipeline_id, called_ids),
        "quoted": {step_id: [*three] for step_id, three in quoted.steps.items() if three[2]},
    }
    if "own_key" in funding.values() and (hosts := own_key_hosts(runtime, owner.id)):
        request["addresses"] = {**hosts}
    if called:
        request["pipelines"] = {name: to_dict(each) for name, each in called.items()}
    if kept is not None or pinned:
        request["kept"] = True
    row = {
        "id": run_id,
        "owner_id": owner.id,
        "pipeline_id": pipeline_id,
        "pipeline_version": version,
        "idempotency_key": hashed,
        "trigger_type": trigger,
        "started_by": starter.id if starter else None,
        "status": "pending",
        "plan": owner.plan,
        "price_version": book.version,
        "funding_mode": funding_mode(funding),
        "request": runtime.vault.seal_json(owner.id, f"runs.request:{run_id}", request),
        "quote_low": quoted.low_micros,
        "quote_likely": quoted.likely_micros,
        "quote_max": quoted.max_micros,
        "fence": 0,
        "last_seq": 0,
        "lease_owner": lease,
        "lease_until": now + leases.LEASE if lease else None,
        "created_at": now,
    }
    with runtime.database.write() as session:
        # One run of a person at a time gets past here, so neither a key nor a limit is passed twice.
        lock_account(session, owner.id)
        check_may_start(session, owner.id)
        answer_id = answer_once(runtime, session, owner.id, once, run_id)
        if answer_id != run_id:
            return answer_id
        if hashed is not None:
            same = (RunRow.owner_id == owner.id, RunRow.idempotency_key == hashed)
            known = session.scalar(select(RunRow.id).where(*same))
            if known is not None:
                return known
        _check_day(session, owner, now)
        first = quoted.steps.get(next(iter(definition.step_ids)), (0, 0, 0))[2]
        _check_first_step(session, owner, first)
        row["reserved_micros"] = reserve(session, owner.id, starter, quoted, first, now) if starter else None
        use_attachments(session, owner.id, files, now=now)
        note_secrets_used(runtime, session, owner.id, pipeline_id, secret_names)
        session.connection().execute(ADD_RUN, row)
        if kept is not None:
            _keep_outputs(runtime, session, session.get_one(RunRow, run_id), *kept)
        for step_id, output in (pinned or {}).items():
            _pin_output(runtime, session, session.get_one(RunRow, run_id), definition, step_id, output)
        if lease is None:
            runtime.dispatcher.enqueue(session, run_id)
    if lease is None:
        runtime.dispatcher.submit(run_id)
    return run_id


def _check_day(session: Session, owner: Account, now: datetime) -> None:
    if owner.is_operator:
        return
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    today = (RunRow.owner_id == owner.id, RunRow.created_at >= midnight)
    check_runs(owner.plan, session.scalar(select(func.count()).where(*today)) or 0)


def _check_first_step(session: Session, owner: Account, needed: int) -> None:
    """Refuse a run whose first step cannot be held: nothing would come of it."""
    if needed == 0 or PLANS[owner.plan].monthly_credits is None:
        return
    left = session.scalar(select(CreditAccount.available_micros).where(CreditAccount.owner_id == owner.id)) or 0
    if left < needed:
        raise too_few_credits("The first step", needed, left)


def _keep_outputs(runtime: Runtime, session: Session, run: RunRow, source_id: str, step_ids: list[str]) -> None:
    """Copy what is done of some outermost steps: their outputs, and those of the steps and items inside them."""
    mine = (StepRunRow.run_id == source_id, StepRunRow.owner_id == run.owner_id)
    done = StepRunRow.status.in_((*WITH_OUTPUT, "skipped"))
    kept = (done, StepRunRow.step_id.in_(step_ids), StepRunRow.frame == "")
    inside = (or_(done, StepRunRow.error_code == "ITEM_FAILED"), StepRunRow.frame != "")
    rows = session.scalars(select(StepRunRow).where(*mine, or_(and_(*kept), and_(*inside)))).all()
    for row in rows:
        if row.frame and re.split(r"[@\[/]", row.frame)[0] not in step_ids:
            continue
        content = journal.open_content(runtime, row)
        content["saved_micros"] = row.credit_micros or content.get("saved_micros") or 0
        names = (
            "frame", "step_id", "visit", "step_index", "type", "model", "provider", "fingerprint", "stop_reason",
            "error_code",
        )  # fmt: skip
        status = "reused" if row.status in WITH_OUTPUT else row.status
        _add_done(runtime, session, run, status, content, {name: getattr(row, name) for name in names})


def _pin_output(
    runtime: Runtime, session: Session, run: RunRow, definition: Definition, step_id: str, output: JsonValue
) -> None:
    """Let a given output stand for a step."""
    step = definition.step(step_id)
    assert step is not None
    facts = {"frame": "", "step_id": step_id, "visit": 1, "step_index": definition.step_ids.index(step_id)}
    _add_done(runtime, session, run, "reused", {"parsed": output, "pinned": True}, {**facts, "type": step.type})


def _add_done(
    runtime: Runtime,
    session: Session,
    run: RunRow,
    status: str,
    content: dict[str, JsonValue],
    facts: dict[str, Any],
) -> None:
    """A step that is done before its run begins, and costs nothing."""
    new_id = runtime.ids.new()
    session.add(
        StepRunRow(
            id=new_id,
            run_id=run.id,
            owner_id=run.owner_id,
            pipeline_id=run.pipeline_id,
            attempt=1,
            status=status,
            content=runtime.vault.seal_json(run.owner_id, f"step_runs.content:{new_id}", content),
            input_tokens=0,
            output_tokens=0,
            held_micros=0,
            credit_micros=0,
            cost_micro_cents=0,
            started_at=run.created_at,
            completed_at=run.created_at,
            **facts,
        )
    )
