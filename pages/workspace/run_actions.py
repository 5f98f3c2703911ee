"""What a person does with a run, each handed to one command."""

from __future__ import annotations

from core.bootstrap import get_runtime
from core.execution.commands import cancel_run, fork_run, lift_budget, retry_run
from core.execution.domain import RunView
from core.pipelines.definition import Definition
from core.pipelines.dump import dump_definition
from core.pipelines.parsing import parse
from core.pipelines.queries import get_pipeline
from core.shared.errors import NotFound
from core.shared.types import JsonValue
from pages.ui.address import go
from pages.ui.fork import AS_IT_IS, AS_IT_RAN, ForkRequest, pin, pins_of, unpin
from pages.ui.memory import widget_text
from pages.ui.notices import attempt, say
from pages.ui.session import current_session, guarded


def definitions_of(run: RunView) -> dict[str, Definition]:
    """The steps as they ran, and as the notebook has them now where that is something else."""
    found = {AS_IT_RAN: Definition.model_validate(run.definition)}
    now = parse(_text_now(run)).definition
    if now is not None and now.steps != found[AS_IT_RAN].steps:
        found[AS_IT_IS] = now
    return found


@guarded
def compare(run_id: str) -> None:
    """Lays another run beside this one."""
    other = widget_text("run-compare-with")
    if other:
        go({"run": run_id, "compare": other})


@guarded
def cancel(run_id: str) -> None:
    """Asks the run to stop."""
    runtime = get_runtime()
    attempt(lambda: cancel_run(runtime, current_session(runtime).account.id, run_id))


@guarded
def retry(run_id: str) -> None:
    """Goes on from what failed, in a new run."""
    runtime = get_runtime()
    owner = current_session(runtime).account

    def again() -> None:
        go({"run": retry_run(runtime, owner, run_id).id})

    attempt(again)


@guarded
def continue_anyway(run_id: str) -> None:
    """Lets a run go on past its budget."""
    runtime = get_runtime()
    if attempt(lambda: lift_budget(runtime, current_session(runtime).account.id, run_id)):
        say("It goes on. Its budget does not hold any more.")


@guarded
def fork(run: RunView, request: ForkRequest) -> None:
    """Runs a run again, and shows the new one."""
    runtime = get_runtime()
    owner = current_session(runtime).account
    as_it_ran = request.definition == AS_IT_RAN
    text = (
        None if as_it_ran and run.pipeline_version else dump_definition(run.definition) if as_it_ran else _text_now(run)
    )

    def again() -> None:
        assert run.pipeline_id is not None
        made = fork_run(
            runtime, owner, run.pipeline_id, run.id, request.from_step, text=text,
            version=run.pipeline_version if text is None else None, input_data=request.input_data,
            pinned=pins_of(run.id), trigger="manual",
        )  # fmt: skip
        go({"run": made.id})

    attempt(again)


@guarded
def pin_output(run_id: str, step_id: str, output: JsonValue) -> None:
    """Fixes an output for the next time this run is run again."""
    pin(run_id, step_id, output)
    say(f"Pinned the output of {step_id}. Press Run again to use it.")


@guarded
def unpin_output(run_id: str, step_id: str) -> None:
    """Lets go of a fixed output."""
    unpin(run_id, step_id)


def _text_now(run: RunView) -> str:
    if run.pipeline_id is None:
        return ""
    try:
        pipeline = get_pipeline(get_runtime(), run.owner_id, run.pipeline_id)
    except NotFound:
        return ""
    return pipeline.draft.text if pipeline.draft else pipeline.text
