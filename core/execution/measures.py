"""What is counted of runs and steps, once the journal has them: kinds, sizes and how they ended, no content."""

from collections.abc import Sequence
from datetime import timedelta

from core.execution.changes import Change, Claim, RunEnded, StepEnded, StepStarted
from core.platform.runtime import Runtime

MILLISECOND = timedelta(milliseconds=1)
MILLICREDIT = 1_000  # micro-credits


def measure(runtime: Runtime, claim: Claim, changes: Sequence[Change]) -> None:
    """Tell the events of changes that were written."""
    for change in changes:
        if isinstance(change, StepStarted):
            claim.begun[change.row_id] = runtime.clock.now(), change
        elif isinstance(change, StepEnded):
            _step(runtime, claim, change)
        elif isinstance(change, RunEnded):
            _run(runtime, claim, change)


def _step(runtime: Runtime, claim: Claim, ended: StepEnded) -> None:
    now = runtime.clock.now()
    began, started = claim.begun.pop(ended.row_id, (now, ended.started))
    if started is None:
        return  # cut by a crash: how long it took is not known, and what became of it is told by its run
    runtime.events.emit(
        "step.ended",
        claim.owner_id,
        step_type=started.type,
        provider=started.provider,
        model=started.model,
        status=ended.status,
        duration_ms=(now - began) / MILLISECOND,
        tokens=ended.input_tokens + ended.output_tokens,
        retries=ended.attempt - 1,
        error=ended.error_code,
    )


def _run(runtime: Runtime, claim: Claim, ended: RunEnded) -> None:
    worked = (runtime.clock.now() - claim.working_since) / MILLISECOND + claim.worked_ms
    funding = set(claim.funding.values())
    runtime.events.emit(
        "run.ended",
        claim.owner_id,
        status=ended.status,
        trigger=claim.trigger,
        funding=next((each for each in ("platform", "own_key", "free") if each in funding), "free"),
        steps=len(claim.definition.steps),
        duration_ms=worked,
        millicredits=claim.spent_micros / MILLICREDIT,
        error=str(ended.error["code"]) if ended.error else None,
    )
