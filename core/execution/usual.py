"""What the steps of a pipeline used lately: what a quote takes for likely."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median_low

from sqlalchemy import select, union_all

from core.execution.journal_rows import STEPS
from core.platform.runtime import Runtime
from core.providers.domain import DEMO_PROVIDER

LOOKED_AT = 20
"""Attempts of a step that are looked at, whatever became of them: so many reads a step, and no more."""


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


def usual_tokens(runtime: Runtime, owner_id: str, pipeline_id: str | None, step_ids: Iterable[str]) -> dict[str, Usual]:
    """By step: what its last attempts in this pipeline used. Steps that never ran are left out."""
    looks = [
        select(STEPS.c.step_id, STEPS.c.status, STEPS.c.provider, STEPS.c.input_tokens, STEPS.c.output_tokens)
        .where(STEPS.c.owner_id == owner_id, STEPS.c.pipeline_id == pipeline_id, STEPS.c.step_id == step_id)
        .order_by(STEPS.c.id.desc())
        .limit(LOOKED_AT)
        .subquery()
        for step_id in step_ids
    ]
    if not looks or pipeline_id is None:
        return {}
    with runtime.database.connect() as connection:
        rows = connection.execute(union_all(*(select(look) for look in looks))).all()
    attempts: dict[str, list[tuple[str, str | None, int, int]]] = {}
    for step_id, *used in rows:
        attempts.setdefault(step_id, []).append((used[0], used[1], used[2], used[3]))
    found = {step_id: usual_of(each) for step_id, each in attempts.items()}
    return {step_id: usual for step_id, usual in found.items() if usual is not None}
