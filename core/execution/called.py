"""Pipelines that a pipeline calls: found when a run is made, and kept with it."""

from core.execution.kinds.pipeline import name_of
from core.pipelines.definition import Definition, walk_steps
from core.pipelines.kinds.pipeline import MAX_NESTING, PipelineStep
from core.pipelines.queries import find_pipeline
from core.platform.runtime import Runtime
from core.shared.errors import InvalidInput


def called_definitions(
    runtime: Runtime,
    owner_id: str,
    definition: Definition,
    pipeline_id: str | None = None,
    *,
    ids: set[str] | None = None,
) -> dict[str, Definition]:
    """Every pipeline a definition calls, directly or not, by the name its step uses. `pipeline_id`: its own.

    Their ids are added to `ids`.

    Raises InvalidInput UNKNOWN_PIPELINE, PIPELINE_CYCLE, PIPELINES_TOO_DEEP.
    """
    found: dict[str, Definition] = {}
    _collect(runtime, owner_id, definition, (pipeline_id or "",), found, set() if ids is None else ids)
    return found


def _collect(
    runtime: Runtime,
    owner_id: str,
    definition: Definition,
    above: tuple[str, ...],
    found: dict[str, Definition],
    ids: set[str],
) -> None:
    for _, step in walk_steps(definition.steps):
        if not isinstance(step, PipelineStep):
            continue
        view = find_pipeline(runtime, owner_id, step.pipeline, step.version)
        if view is None:
            version = f" with version {step.version}" if step.version else ""
            raise InvalidInput(
                "UNKNOWN_PIPELINE", f"Step {step.id}: you have no pipeline {step.pipeline!r}{version}. Check its name."
            )
        pipeline_id, called = view
        if pipeline_id in above:
            raise InvalidInput(
                "PIPELINE_CYCLE", f"Step {step.id}: {step.pipeline!r} would call itself. Remove the step."
            )
        if len(above) > MAX_NESTING:
            raise InvalidInput(
                "PIPELINES_TOO_DEEP", f"Step {step.id}: pipelines may call each other {MAX_NESTING} deep. Merge some."
            )
        found[name_of(step)] = called
        ids.add(pipeline_id)
        _collect(runtime, owner_id, called, (*above, pipeline_id), found, ids)
