"""What the steps of a pipeline used lately: what a quote takes for likely."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median_low

from sqlalchemy import bindparam, select

from core.execution.journal_rows import STEPS
from core.pipelines.definition import Definition
from core.platform.runtime import Runtime
from core.providers.domain import DEMO_PROVIDER

LOOKED_AT = 20
"""Attempts of a step that are looked at, whatever became of them: so many reads a step, and no more."""
LAST = (
    select(STEPS.c.status, STEPS.c.provider, STEPS.c.input_tokens, STEPS.c.output_tokens)
    .where(
        STEPS.c.owner_id == bindparam("b_owner"),
        STEPS.c.pipeline_id == bindparam("b_pipeline"),
        STEPS.c.step_id == bindparam("b_step"),
    )
    .order_by(STEPS.c.id.desc())
    .limit(LOOKED_AT)
)


@dataclass(frozen=True, slots=True)
class Usual:
    """Tokens of a step, in the middle of what its last attempts used."""

    input_tokens: int
    output_tokens: int


def usual_of(attempts: Sequence[tuple[str, str | None, int, int]]) -> Usual | None:
    """The middle of the completed ones among attempts: status, provider, input and output tokens of each.

    The demo model says nothing about what another would write. Pure.
    """
    used = [
        (read, written)
        for status, provider, read, written in attempts
        if status == "completed" and provider not in (None, DEMO_PROVIDER) and written
    ]
    if not used:
        return None
    return Usual(median_low([read for read, _ in used]), median_low([written for _, written in used]))


def usual_of_steps(
    runtime: Runtime, owner_id: str, pipeline_id: str | None, definition: Definition, funding: Mapping[str, str]
) -> dict[str, Usual]:
    """By model step of a definition: what it usually used. Not asked where nothing would cost credits."""
    if pipeline_id is None or "platform" not in funding.values():
        return {}
    return usual_tokens(runtime, owner_id, pipeline_id, [step.id for step in definition.llm_steps])


def usual_tokens(runtime: Runtime, owner_id: str, pipeline_id: str, step_ids: Iterable[str]) -> dict[str, Usual]:
    """By step: what its last attempts in this pipeline used. Steps that never ran are left out."""
    found: dict[str, Usual] = {}
    with runtime.database.connect() as connection:
        for step_id in step_ids:  # a look at the end of the index each: one statement for all takes longer to build
            asked = {"b_owner": owner_id, "b_pipeline": pipeline_id, "b_step": step_id}
            usual = usual_of(connection.execute(LAST, asked).tuples().all())
            if usual is not None:
                found[step_id] = usual
    return found
