"""What a step can name from where it stands, and how each language writes it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from core.pipelines.definition import BaseStep, Definition, LlmStep, Step, walk_steps
from core.pipelines.kinds.parallel import ParallelStep
from core.pipelines.kinds.sql import SqlStep
from core.pipelines.reference_checks import FIELDS
from core.pipelines.source import Path
from pages.ui.editor import Language, Suggestion


@dataclass(frozen=True)
class Named:
    """One value: its path from `input`, `vars`, `steps` or the name of an item, and what it is."""

    path: tuple[str, ...]
    detail: str


@dataclass(frozen=True)
class Place:
    """Where a step stands: the steps of its list before and after it, and the step around the list."""

    path: Path
    before: tuple[str, ...]
    after: tuple[str, ...]
    around: Step | None

    @property
    def is_together(self) -> bool:
        """Whether the list runs side by side, so that nothing in it can jump."""
        return isinstance(self.around, ParallelStep)


def place_of(definition: Definition, step_id: str) -> Place:
    """Where a step stands. A step that is not there stands at the end."""
    path = next((path for path, step in walk_steps(definition.steps) if step.id == step_id), None)
    if path is None:
        return Place((), definition.step_ids, (), None)
    around: Step | None = None
    steps: tuple[Step, ...] = definition.steps
    for index in path[1:-1:2]:
        around = steps[int(index)]
        steps = around.inner
    ids = [step.id for step in steps]
    here = int(path[-1])
    return Place(path, tuple(ids[:here]), tuple(ids[here + 1 :]), around)


def visible(definition: Definition, step_id: str) -> tuple[Named, ...]:
    """Everything a step can name: inputs, variables, items around it, and the outputs of steps before it."""
    inputs = [Named(("input", name), field.type) for name, field in definition.input.fields.items()]
    variables = [Named(("vars", name), "variable") for name in definition.variables]
    items: list[Named] = []
    steps: list[Named] = []
    listed: tuple[Step, ...] = definition.steps
    path = place_of(definition, step_id).path
    for index in path[1::2]:
        for step in listed[: int(index)]:
            steps += _outputs(step)
        current = listed[int(index)]
        items += [Named((name,), "item") for name in current.local_names if current.id != step_id]
        listed = current.inner
    if not path:
        steps = [named for step in definition.steps for named in _outputs(step)]
    return (*items, *inputs, *variables, *steps)


def suggestions(named: tuple[Named, ...], language: Language = "template") -> tuple[Suggestion, ...]:
    """The names as a language writes them."""
    return tuple(Suggestion(_written(one.path, language), one.detail) for one in named)


def tables(definition: Definition, step_id: str) -> tuple[str, ...]:
    """What a query can read: outputs of steps before it, and inputs that are files."""
    files = [name for name, field in definition.input.fields.items() if field.file]
    steps = [one.path[1] for one in visible(definition, step_id) if one.path[0] == "steps" and len(one.path) == 3]
    return (*steps, *files)


def _written(path: tuple[str, ...], language: Language) -> str:
    if language != "python" or len(path) == 1:
        return ".".join(path)
    return path[0] + "".join(f'["{part}"]' for part in path[1:])


def _outputs(step: Step) -> Iterator[Named]:
    yield Named(("steps", step.id, "output"), _kind_of_output(step))
    schema = step.output_schema if isinstance(step, LlmStep) else None
    for name, field in ((schema or {}).get("properties") or {}).items():
        detail = str(field.get("type", "")) if isinstance(field, dict) else ""
        yield Named(("steps", step.id, "output", str(name)), detail)
    for name in FIELDS.get(type(step), ()):
        yield Named(("steps", step.id, "output", name), "")
    if isinstance(step, ParallelStep):
        for inner in step.steps:
            yield from _outputs(inner)


def _kind_of_output(step: BaseStep) -> str:
    if isinstance(step, SqlStep):
        return "rows"
    return "JSON" if isinstance(step, LlmStep) and step.wants_json else "output"
