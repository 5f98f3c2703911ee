"""What waits for what: references, `needs` and barriers make a directed acyclic graph of each list of steps."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from core.pipelines.definition import Definition, Step
from core.pipelines.expression_tokens import take_apart
from core.pipelines.kinds.base import Written
from core.pipelines.kinds.parallel import ParallelStep
from core.pipelines.references import find_references, step_named, value_template

Edges = dict[str, frozenset[str]]

NAMED_IN_CODE = re.compile(r"""\bsteps\s*(?:\.\s*([a-z0-9_]+)|\[\s*["']([a-z0-9_]+)["']\s*\])""")
SQL_TEXT = re.compile(r"'(?:[^']|'')*'|--[^\n]*|/\*.*?\*/", re.DOTALL)
SQL_WORD = re.compile(r'"([^"]+)"|\b([A-Za-z0-9_]+)\b')


def referenced_steps(template: str, step_ids: Sequence[str]) -> frozenset[str]:
    """The ids of the steps a template reads; `steps.1` counts from 1."""
    found = set()
    for reference in find_references(template):
        name = reference.step
        if name is not None:
            found.add(step_named(name, step_ids) or name)
    return frozenset(found)


def steps_read(written: Written, numbered: Sequence[str], known: Sequence[str]) -> frozenset[str]:
    """The ids that one field reads. `numbered` are those that numbers count; `known` those a query may name."""
    if written.reading == "cel":
        return frozenset(each.step for each in take_apart(written.text).references if each.step is not None)
    if written.reading == "code":
        return frozenset(first or second for first, second in NAMED_IN_CODE.findall(written.text))
    if written.reading == "sql":
        words = SQL_WORD.findall(SQL_TEXT.sub(" ", written.text))
        return frozenset(known) & frozenset(quoted or plain for quoted, plain in words)
    template = value_template(written.text) if written.reading == "reference" else written.text
    return referenced_steps(template or "", numbered)


def owners(steps: Sequence[Step]) -> dict[str, str]:
    """Who makes the output of an id, seen from one list: the step itself, or the `parallel` step it stands in."""
    found: dict[str, str] = {}
    for step in steps:
        found[step.id] = step.id
        if isinstance(step, ParallelStep):
            found |= dict.fromkeys(owners(step.steps), step.id)
    return found


def dependencies(definition: Definition, *, barriers: bool = True) -> Edges:
    """For each outermost step, in written order, the steps it waits for. Unknown names are left out.

    `barriers` False leaves out who waits only because of the written order.
    """
    return list_dependencies(definition.steps, definition.step_ids, barriers=barriers)


def list_dependencies(steps: Sequence[Step], numbered: Sequence[str], *, barriers: bool = True) -> Edges:
    """The same for any list of steps of a definition. `numbered`: the ids that `steps.1` counts."""
    owner = owners(steps)
    place = {step.id: index for index, step in enumerate(steps)}
    spans = tuple(_loops(steps, place))
    waits: Edges = {}
    for index, step in enumerate(steps):
        found = {owner[name] for name in _names(step, numbered, tuple(owner)) if name in owner}
        if step.inner:
            # A step inside this one may name its siblings; that is no reason to wait for oneself.
            found.discard(step.id)
        # What comes later in a loop is its feedback: null the first time.
        found = {name for name in found if not _is_feedback(index, place[name], spans)}
        if barriers:
            found |= {
                other.id for other in steps[:index] if other.id != step.id and (step.is_barrier or other.is_barrier)
            }
        # An id written twice is an error, but its circles are reported too.
        waits[step.id] = waits.get(step.id, frozenset()) | found
    return waits


def together_dependencies(steps: Sequence[Step], numbered: Sequence[str]) -> Edges:
    """The edges inside a `parallel` step: only what names say."""
    return list_dependencies(steps, numbered, barriers=False)


def feedback_ids(steps: Sequence[Step]) -> frozenset[str]:
    """Steps inside a loop: before they have run, their output is null instead of missing."""
    place = {step.id: index for index, step in enumerate(steps)}
    return frozenset(step.id for start, end in _loops(steps, place) for step in steps[start : end + 1])


def _is_feedback(reader: int, read: int, spans: tuple[tuple[int, int], ...]) -> bool:
    return read > reader and any(start <= reader and read <= end for start, end in spans)


def _loops(steps: Sequence[Step], place: Mapping[str, int]) -> Iterator[tuple[int, int]]:
    """The stretches that a jump backwards repeats: first and last place."""
    for index, step in enumerate(steps):
        for jump in step.jumps():
            target = place.get(jump.target)
            if target is not None and target <= index:
                yield target, index


def _names(step: Step, numbered: Sequence[str], known: tuple[str, ...]) -> frozenset[str]:
    """Every id that a step, or one inside it, reads or needs."""
    own = frozenset(step.needs)
    for written in step.written():
        # Where control goes after a step is decided by what it made itself, too.
        itself = {step.id} if written.path[0] == "on_condition" else frozenset()
        own |= steps_read(written, numbered, known) - itself
    return own.union(*(_names(inner, numbered, known) for inner in step.inner))


def ancestors(definition: Definition, step_id: str) -> frozenset[str]:
    """Every step whose output this one needs, directly or not."""
    return reachable(dependencies(definition, barriers=False), step_id)


def descendants(definition: Definition, step_id: str) -> frozenset[str]:
    """Every step that needs this one's output, directly or not."""
    waits = dependencies(definition, barriers=False)
    return reachable({step: frozenset(s for s in waits if step in waits[s]) for step in waits}, step_id)


def reachable(edges: Mapping[str, frozenset[str]], start: str) -> frozenset[str]:
    """Everything that can be reached from a step along the edges."""
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
