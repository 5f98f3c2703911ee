"""How an attempt of a step begins, as the journal is told it."""

from core.execution.changes import StepKey, StepStarted
from core.execution.frames import Frame
from core.execution.kinds.port import Prepared
from core.execution.run_masks import RunMasker
from core.pipelines.definition import Step


def step_started(
    frame: Frame,
    step: Step,
    key: StepKey,
    row_id: str,
    number: int,
    prepared: Prepared,
    masker: RunMasker,
    *,
    resumed: bool = False,
) -> StepStarted:
    """The beginning of an attempt, its secrets masked. `resumed`: its row exists, from a process that died."""
    return StepStarted(
        key,
        row_id,
        frame.plan.index[step.id],
        step.type,
        number,
        prepared.model,
        prepared.provider,
        prepared.fingerprint,
        prepared.held_micros,
        step.id in frame.reusable and prepared.fingerprint is not None,
        resumed,
        masker.content(prepared.content),
        prepared.leaving.first if prepared.leaving is not None else None,
    )
