"""A definition as the graph view draws it: boxes with the steps inside them, what waits for what, and jumps."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from core.pipelines.definition import Definition
from core.pipelines.graph import dependencies, reachable
from core.pipelines.kinds.base import END, BaseStep
from core.pipelines.kinds.condition import ConditionStep
from core.pipelines.kinds.map import MapStep
from pages.ui.cell import CellFace
from pages.ui.dag import Graph, JumpEdge, Node
from pages.ui.kinds import kind_of
from pages.ui.steps import distinct_steps


def graph_of(definition: Definition, face: Callable[[BaseStep], CellFace], current: str | None) -> Graph:
    """The graph of a definition. `face` gives the state and the address of a step."""
    steps = distinct_steps(definition)
    nodes = tuple(_node(step, face, current) for step in steps)
    waits = dependencies(definition)
    data = dependencies(definition, barriers=False)
    needs = {
        step.id: tuple(
            other.id
            for other in steps
            if other.id in waits[step.id] and (other.id in data[step.id] or not _is_implied(waits, step.id, other.id))
        )
        for step in steps
    }
    return Graph(nodes, needs, tuple(jump for step in steps for jump in _jumps(step)))


def _node(step: BaseStep, face: Callable[[BaseStep], CellFace], current: str | None, *, repeated: bool = False) -> Node:
    shown = face(step)
    inside = repeated or isinstance(step, MapStep)
    rows = tuple(_node(inner, face, current, repeated=inside) for inner in step.inner)
    # The items of a map have states, its steps have none.
    state = "" if repeated else shown.state
    return Node(step.id, shown.model or kind_of(step), state, shown.href, step.id == current, rows, step.is_barrier)


def _is_implied(waits: Mapping[str, frozenset[str]], step_id: str, other: str) -> bool:
    """Whether a step waits for another one through a third one anyway."""
    return any(other in reachable(waits, between) for between in waits[step_id] if between != other)


def _jumps(step: BaseStep) -> Iterator[JumpEdge]:
    for jump in step.jumps():
        label = str(jump.path[0]) if isinstance(step, ConditionStep) and jump.path[0] in ("then", "else") else "goto"
        if jump.max_loops:
            label += f", at most {jump.max_loops}×"
        yield JumpEdge(step.id, None if jump.target == END else jump.target, label)
