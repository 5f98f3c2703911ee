"""What waits for what: references and `needs` make a directed acyclic graph."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from core.pipelines.definition import Definition, LlmStep, TransformStep
from core.pipelines.references import find_references, step_named, value_template
from core.pipelines.source import Path


def step_fields(step: LlmStep | TransformStep) -> Iterator[tuple[Path, str]]:
    """The fields of a step that are templates: path within the step, and text as written.

    A `from` (see `is_value_field`) may also be a bare step id: `value_template` makes a template of it.
    """
    if isinstance(step, LlmStep):
        yield ("prompt",), step.prompt
        if step.system_prompt is not None:
            yield ("system_prompt",), step.system_prompt
        return
    if step.prompt is not None:
        yield ("prompt",), step.prompt
    if step.template is not None:
        yield ("template",), step.template
    if step.from_ is not None:
        yield ("from",), step.from_
    if step.regex is not None and step.regex.from_ is not None:
        yield ("regex", "from"), step.regex.from_


def is_value_field(path: Path) -> bool:
    """Whether a field names a value (`from`) instead of holding a text."""
    return path[-1] == "from"


def referenced_steps(template: str, step_ids: tuple[str, ...]) -> frozenset[str]:
    """The ids of the steps a template reads; `steps.1` counts from 1."""
    found = set()
    for reference in find_references(template):
        name = reference.step
        if name is not None:
            found.add(step_named(name, step_ids) or name)
    return frozenset(found)


def dependencies(definition: Definition) -> dict[str, frozenset[str]]:
    """For each step, in written order, the steps it waits for. Unknown names are left out."""
    ids = definition.step_ids
    known = frozenset(ids)
    waits: dict[str, frozenset[str]] = {}
    for step in definition.steps:
        found = set(step.needs)
        for path, text in step_fields(step):
            template = value_template(text) if is_value_field(path) else text
            found |= referenced_steps(template or "", ids)
        # An id written twice is an error, but its circles are reported too.
        waits[step.id] = waits.get(step.id, frozenset()) | (found & known)
    return waits


def ancestors(definition: Definition, step_id: str) -> frozenset[str]:
    """Every step that must be done before this one."""
    return _reachable(dependencies(definition), step_id)


def descendants(definition: Definition, step_id: str) -> frozenset[str]:
    """Every step that waits, directly or not, for this one."""
    waits = dependencies(definition)
    return _reachable({step: frozenset(s for s in waits if step in waits[s]) for step in waits}, step_id)


def _reachable(edges: Mapping[str, frozenset[str]], start: str) -> frozenset[str]:
    found: set[str] = set()
    queue = list(edges.get(start, ()))
    while queue:
        step = queue.pop()
        if step not in found:
            found.add(step)
            queue.extend(edges.get(step, ()))
    return frozenset(found)


def order(waits: Mapping[str, frozenset[str]]) -> tuple[str, ...]:
    """The steps so that each comes after what it waits for, else in written order. Cycles are left out."""
    done: list[str] = []
    remaining = dict(waits)
    while remaining:
        ready = next((step for step, needed in remaining.items() if not needed - set(done)), None)
        if ready is None:
            break
        done.append(ready)
        del remaining[ready]
    return tuple(done)


def cycles(waits: Mapping[str, frozenset[str]]) -> tuple[tuple[str, ...], ...]:
    """The circles of steps that wait for each other, each as `(a, b, a)`; every step in at most one."""
    remaining = {step: needed for step, needed in waits.items() if step not in order(waits)}
    found: list[tuple[str, ...]] = []
    seen: set[str] = set()
    for start in remaining:
        path: list[str] = []
        step = start
        # Everything left waits for something left, so walking on either closes a circle or meets a known one.
        while step not in path and step not in seen:
            path.append(step)
            step = next((name for name in remaining if name in remaining[step]), step)
        if step in path:
            circle = path[path.index(step) :]
            if len(circle) > 1 or step in waits[step]:
                found.append((*circle, step))
        seen.update(path)
    return tuple(found)
