"""How a run ends: its status and output, the steps that will not go on, and what is sent to whom."""

from dataclasses import replace

from core.execution.changes import Claim, RunEnded, StepEnded
from core.execution.drafts import draft_deliveries
from core.execution.failures import Stop
from core.execution.frames import Frame
from core.execution.run_masks import RunMasker
from core.execution.secrets import RunSecrets
from core.pipelines.outputs import run_output
from core.shared.errors import InvalidInput
from core.shared.types import JsonValue

INTERRUPTED: dict[str, JsonValue] = {
    "code": "INTERRUPTED",
    "message": "The server stopped during this step, and the run ended before it was repeated. It cost nothing.",
}
INTERNAL: dict[str, JsonValue] = {
    "code": "INTERNAL",
    "message": "Something broke on our side; it was logged. Run it again.",
    "step_id": None,
}


def close_cut_steps(claim: Claim, error: dict[str, JsonValue]) -> list[StepEnded]:
    """Ends of steps that will not go on: calls that a crash cut, and questions that nobody needs to answer."""
    return [
        StepEnded(
            key, cut.row_id, cut.attempt, "failed", {"error": error["message"]}, str(error["code"]),
            held_micros=cut.held_micros,
        )
        for key, cut in claim.attempts.items()
        if cut.status in ("running", "waiting")
    ]  # fmt: skip


def end_run(claim: Claim, root: Frame, stopped: Stop | None, masker: RunMasker, secrets: RunSecrets) -> RunEnded:
    """The end of a run whose outermost steps came as far as they could."""
    steps: dict[str, JsonValue] = {name: {"output": output} for name, output in root.outputs.items()}
    scope = {**root.base, "steps": steps}
    ended = _end(claim, root, stopped, masker, scope)
    # What was entered may hold a secret: the steps may use it, but it is told to nobody else.
    drafts = draft_deliveries(claim, ended.status, masker.content(scope), secrets)
    return replace(ended, deliveries=drafts) if drafts else ended


def _end(claim: Claim, root: Frame, stopped: Stop | None, masker: RunMasker, scope: dict[str, JsonValue]) -> RunEnded:
    if stopped is not None:
        return RunEnded(stopped.status, None, stopped.of_run)
    if root.failure is not None:
        return RunEnded("failed", None, root.failure)
    selected = claim.selection.steps
    if selected is not None:  # a run of some cells answers with the last of them
        done = [step_id for step_id in root.plan.steps if step_id in selected and step_id in root.outputs]
        return RunEnded("completed", root.outputs[done[-1]] if done else None)
    try:
        return RunEnded("completed", masker.value(run_output(claim.definition, scope, root.outputs)))
    except InvalidInput as error:
        return RunEnded("failed", None, {"code": error.code, "message": masker.text(error.message), "step_id": None})
