"""The graph of a pipeline: its cells as boxes coloured by state, drawn as SVG, each a link to its cell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise

import streamlit as st

from pages.ui.badges import look_of
from pages.ui.theme import asset

BOX_WIDTH, BOX_HEIGHT = 204, 56
GAP_X, GAP_Y = 30, 46
PASSAGE_WIDTH = 8
"""Room for an edge that passes between the boxes of a row."""
MARGIN = 12
LEAST_SCALE = 0.62

_component = st.components.v2.component(
    "stepiq.dag", html='<div class="dag"></div>', css=asset("dag.css"), js=asset("dag.js")
)


@dataclass(frozen=True)
class Node:
    """One box: a step, what it is, its state and where a click leads."""

    id: str
    detail: str
    state: str
    href: str
    current: bool = False


def draw_dag(nodes: Sequence[Node], needs: Mapping[str, Sequence[str]], *, key: str) -> None:
    """Draws the graph; `needs` lists for each step the steps it waits for."""
    _component(key=key, data={"svg": dag_svg(nodes, needs)})


def layers_of(ids: Sequence[str], needs: Mapping[str, Sequence[str]]) -> list[list[str]]:
    """Steps by their longest way from the start; a step in a cycle stays where it was first met."""
    depth: dict[str, int] = {}
    known = set(ids)

    def measure(step: str, seen: frozenset[str]) -> int:
        if step in depth:
            return depth[step]
        above = [measure(other, seen | {step}) for other in needs.get(step, ()) if other in known and other not in seen]
        return 1 + max(above, default=-1)

    for step in ids:
        depth[step] = measure(step, frozenset({step}))
    layers: list[list[str]] = [[] for _ in range(max(depth.values(), default=-1) + 1)]
    for step in ids:
        layers[depth[step]].append(step)
    return layers


def dag_svg(nodes: Sequence[Node], needs: Mapping[str, Sequence[str]]) -> str:
    """The SVG: every text in it is escaped here. It shrinks with the page, down to what can still be read."""
    by_id = {node.id: node for node in nodes}
    rows, ways = _routed(layers_of(list(by_id), needs), needs)
    width = max((_row_width(row) for row in rows), default=0) + 2 * MARGIN
    height = len(rows) * BOX_HEIGHT + (len(rows) - 1) * GAP_Y + 2 * MARGIN
    places = _places(rows, width)
    edges = "".join(_edge([places[point] for point in way]) for way in ways)
    boxes = "".join(_box(by_id[point], *places[point]) for row in rows for point in row if isinstance(point, str))
    return (
        f'<svg role="group" aria-label="Graph of {len(nodes)} steps" viewBox="0 0 {width} {height}" '
        f'style="width:100%;max-width:{width}px;min-width:{width * LEAST_SCALE:.0f}px">{edges}{boxes}</svg>'
    )


# A point of the drawing: a step's id, or the place where a long edge passes a row (its two ends, and the row).
Point = str | tuple[str, str, int]


def _routed(layers: list[list[str]], needs: Mapping[str, Sequence[str]]) -> tuple[list[list[Point]], list[list[Point]]]:
    """The rows with a place kept for every edge that passes through, and each edge as the points on its way."""
    depth = {step: row for row, layer in enumerate(layers) for step in layer}
    rows: list[list[Point]] = [list(layer) for layer in layers]
    ways: list[list[Point]] = []
    for step in depth:
        for other in needs.get(step, ()):
            if other not in depth or depth[other] >= depth[step]:
                continue
            passed: list[Point] = [(other, step, row) for row in range(depth[other] + 1, depth[step])]
            for row, point in enumerate(passed, depth[other] + 1):
                rows[row].append(point)
            ways.append([other, *passed, step])
    above: dict[Point, list[Point]] = {}
    for way in ways:
        for upper, lower in pairwise(way):
            above.setdefault(lower, []).append(upper)
    for before, row in pairwise(rows):
        at = {point: place for place, point in enumerate(before)}
        # Under what they come from, so that few edges cross; sorting keeps the written order otherwise.
        row.sort(key=lambda point: _mean([at[upper] for upper in above.get(point, ()) if upper in at]))
    return rows, ways


def _mean(places: list[int]) -> float:
    return sum(places) / len(places) if places else 0.0


def _width(point: Point) -> int:
    return BOX_WIDTH if isinstance(point, str) else PASSAGE_WIDTH


def _row_width(row: list[Point]) -> int:
    return sum(map(_width, row)) + (len(row) - 1) * GAP_X


def _places(rows: list[list[Point]], width: int) -> dict[Point, tuple[float, float]]:
    """The upper left corner of every point."""
    places: dict[Point, tuple[float, float]] = {}
    for number, row in enumerate(rows):
        x = (width - _row_width(row)) / 2
        for point in row:
            places[point] = (x, MARGIN + number * (BOX_HEIGHT + GAP_Y))
            x += _width(point) + GAP_X
    return places


def _edge(way: list[tuple[float, float]]) -> str:
    """A line from the lower side of the first box, past the places kept for it, to the upper side of the last."""
    x, y = way[0][0] + BOX_WIDTH / 2, way[0][1] + BOX_HEIGHT
    path = f"M{x:.0f} {y:.0f}"
    for left, top in way[1:-1]:
        path += _curve(x, y, left + PASSAGE_WIDTH / 2, top) + f" v{BOX_HEIGHT}"
        x, y = left + PASSAGE_WIDTH / 2, top + BOX_HEIGHT
    end_x, end_y = way[-1][0] + BOX_WIDTH / 2, way[-1][1] - 7
    path += _curve(x, y, end_x, end_y)
    head = f'<path class="head" d="M{end_x - 4.5:.0f} {end_y - 1:.0f} h9 l-4.5 7 z"/>'
    return f'<path class="edge" d="{path}"/>{head}'


def _curve(x1: float, y1: float, x2: float, y2: float) -> str:
    bend = (y2 - y1) / 2
    return f" C{x1:.0f} {y1 + bend:.0f} {x2:.0f} {y2 - bend:.0f} {x2:.0f} {y2:.0f}"


def _box(node: Node, x: float, y: float) -> str:
    look = look_of(node.state)
    word = look.word.lower()
    name, detail = _cut(node.id, 25), _cut(node.detail, 28 - len(word))
    current = ' aria-current="true"' if node.current else ""
    label = escape(f"{node.id}, {node.detail}, {word}. Open this cell.")
    return (
        f'<a href="{escape(node.href)}" target="_self" aria-label="{label}"{current}>'
        f"<title>{escape(node.id)}: {escape(node.detail)}, {escape(word)}</title>"
        f'<rect class="box" x="{x:.0f}" y="{y:.0f}" width="{BOX_WIDTH}" height="{BOX_HEIGHT}" rx="8"/>'
        f'<rect class="{look.colour}" x="{x:.0f}" y="{y + 8:.0f}" width="4" height="{BOX_HEIGHT - 16}" rx="2"/>'
        f'<text class="name" x="{x + 15:.0f}" y="{y + 23:.0f}">{escape(name)}</text>'
        f'<text class="state {look.colour}" x="{x + 15:.0f}" y="{y + 42:.0f}">{escape(word)}'
        f'<tspan class="muted"> · {escape(detail)}</tspan></text></a>'
    )


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"
