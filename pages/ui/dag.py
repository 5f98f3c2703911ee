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
ROW_HEIGHT = 22
"""Of a step inside a box."""
GAP_X, GAP_Y = 30, 46
PASSAGE_WIDTH = 8
"""Room for an edge that passes between the boxes of a row."""
LANE = 14
"""Between two jumps that run beside the boxes."""
END_WIDTH, END_HEIGHT = 64, 26
LETTER = 6.6
MARGIN = 12
LEAST_SCALE = 0.62

_component = st.components.v2.component(
    "stepiq.dag", html='<div class="dag"></div>', css=asset("dag.css"), js=asset("dag.js")
)


@dataclass(frozen=True)
class Node:
    """One box: a step, what it is, its state and where a click leads; the steps inside it as rows.

    `is_barrier`: it waits for everything above, and everything below waits for it.
    """

    id: str
    detail: str
    state: str
    href: str
    current: bool = False
    rows: tuple[Node, ...] = ()
    is_barrier: bool = False


@dataclass(frozen=True)
class JumpEdge:
    """Where control may go from a step, and when. `target` None: the end."""

    source: str
    target: str | None
    label: str


@dataclass(frozen=True)
class Graph:
    """What is drawn. `needs` lists for each step the steps it waits for."""

    nodes: tuple[Node, ...]
    needs: Mapping[str, Sequence[str]]
    jumps: tuple[JumpEdge, ...] = ()


def draw_dag(graph: Graph, *, key: str) -> None:
    """Draws the graph, and what its signs mean where it has any."""
    _component(key=key, data={"svg": dag_svg(graph)})
    signs = []
    if any(node.is_barrier for node in graph.nodes):
        signs.append('<span><span class="sq-key sq-bar-key"></span>waits for everything above it</span>')
    if graph.jumps:
        signs.append('<span><span class="sq-key"></span>may go on there</span>')
    if signs:
        st.html(f'<div class="sq-facts sq-line sq-centred">{"".join(signs)}</div>')


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


def dag_svg(graph: Graph) -> str:
    """The SVG: every text in it is escaped here. It shrinks with the page, down to what can still be read."""
    by_id = {node.id: node for node in graph.nodes}
    rows, ways = _routed(layers_of(list(by_id), graph.needs), graph.needs)
    width = max((_row_width(row) for row in rows), default=0) + 2 * MARGIN
    places = _places(rows, by_id, width)
    bottom = max((place.bottom for place in places.values()), default=MARGIN)
    jumps, right, end = _jumps(graph, places, width, bottom)
    height = (bottom if not end else bottom + GAP_Y + END_HEIGHT) + MARGIN
    edges = "".join(_edge([places[point] for point in way]) for way in ways)
    boxes = "".join(_box(by_id[point], places[point]) for row in rows for point in row if isinstance(point, str))
    return (
        f'<svg role="group" aria-label="Graph of {len(by_id)} steps" viewBox="0 0 {right} {height:.0f}" '
        f'style="width:100%;max-width:{right}px;min-width:{right * LEAST_SCALE:.0f}px">{edges}{boxes}{jumps}{end}</svg>'
    )


@dataclass(frozen=True)
class Spot:
    """Where a point is drawn: its upper left corner and its size."""

    x: float
    y: float
    width: float
    height: float

    @property
    def bottom(self) -> float:
        """The lower edge."""
        return self.y + self.height

    @property
    def middle(self) -> float:
        """Half its width."""
        return self.x + self.width / 2


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
    for before, below in pairwise(rows):
        at = {point: place for place, point in enumerate(before)}
        # Under what they come from, so that few edges cross; sorting keeps the written order otherwise.
        below.sort(key=lambda point: _mean([at[upper] for upper in above.get(point, ()) if upper in at]))
    return rows, ways


def _mean(places: list[int]) -> float:
    return sum(places) / len(places) if places else 0.0


def _width(point: Point) -> int:
    return BOX_WIDTH if isinstance(point, str) else PASSAGE_WIDTH


def _row_width(row: list[Point]) -> int:
    return sum(map(_width, row)) + (len(row) - 1) * GAP_X


def _node_height(node: Node) -> int:
    inside = _flat(node.rows)
    return BOX_HEIGHT + (len(inside) * ROW_HEIGHT + 8 if inside else 0)


def _flat(rows: tuple[Node, ...], depth: int = 0) -> list[tuple[int, Node]]:
    """The steps inside a box, each with how deep it stands."""
    return [pair for row in rows for pair in ((depth, row), *_flat(row.rows, depth + 1))]


def _places(rows: list[list[Point]], nodes: Mapping[str, Node], width: int) -> dict[Point, Spot]:
    """Where every point is drawn."""
    places: dict[Point, Spot] = {}
    y = float(MARGIN)
    for row in rows:
        tallest = max((_node_height(nodes[point]) for point in row if isinstance(point, str)), default=BOX_HEIGHT)
        x = (width - _row_width(row)) / 2
        for point in row:
            height = _node_height(nodes[point]) if isinstance(point, str) else tallest
            places[point] = Spot(x, y, _width(point), height)
            x += _width(point) + GAP_X
        y += tallest + GAP_Y
    return places


def _edge(way: list[Spot]) -> str:
    """A line from the lower side of the first box, past the places kept for it, to the upper side of the last."""
    x, y = way[0].middle, way[0].bottom
    path = f"M{x:.0f} {y:.0f}"
    for passed in way[1:-1]:
        path += _curve(x, y, passed.middle, passed.y) + f" v{passed.height:.0f}"
        x, y = passed.middle, passed.bottom
    end_x, end_y = way[-1].middle, way[-1].y - 7
    path += _curve(x, y, end_x, end_y)
    return f'<path class="edge" d="{path}"/>{_head(end_x, end_y)}'


def _head(x: float, y: float, kind: str = "head") -> str:
    return f'<path class="{kind}" d="M{x - 4.5:.0f} {y - 1:.0f} h9 l-4.5 7 z"/>'


def _jumps(graph: Graph, places: Mapping[Point, Spot], width: int, bottom: float) -> tuple[str, int, str]:
    """The jumps as dashed lines beside the boxes, how wide the drawing is with them, and the end if one leads there."""
    known = [jump for jump in graph.jumps if jump.source in places and (jump.target is None or jump.target in places)]
    if not known:
        return "", width, ""
    first = max(width, *(places[jump.source].x + BOX_WIDTH + LETTER * len(jump.label) + 22 for jump in known))
    end = Spot((width - END_WIDTH) / 2, bottom + GAP_Y, END_WIDTH, END_HEIGHT)
    drawn, started = [], dict.fromkeys(places, 0)
    for number, jump in enumerate(known):
        source, lane = places[jump.source], first + number * LANE
        y = source.y + 20 + 22 * started[jump.source]
        started[jump.source] += 1
        path = f"M{source.x + BOX_WIDTH:.0f} {y:.0f} H{lane:.0f}"
        if jump.target is None:
            path += f" V{end.y + END_HEIGHT / 2:.0f} H{end.x + END_WIDTH + 7:.0f}"
            x, at = end.x + END_WIDTH + 1, end.y + END_HEIGHT / 2
            head = f'<path class="jump-head" d="M{x + 7:.0f} {at - 4.5:.0f} v9 l-7 -4.5 z"/>'
        else:
            target = places[jump.target]
            x = target.x + BOX_WIDTH - 26
            path += f" V{target.y - 16 - 6 * (number % 4):.0f} H{x:.0f} V{target.y - 7:.0f}"
            head = _head(x, target.y - 7, "jump-head")
        label = f'<text class="label" x="{source.x + BOX_WIDTH + 8:.0f}" y="{y - 5:.0f}">{escape(jump.label)}</text>'
        says = escape(f"{jump.source} to {jump.target or 'the end'}: {jump.label}")
        drawn.append(f'<g><title>{says}</title><path class="jump" d="{path}"/>{head}{label}</g>')
    pill = ""
    if any(jump.target is None for jump in known):
        pill = (
            f'<rect class="box" x="{end.x:.0f}" y="{end.y:.0f}" width="{END_WIDTH}" height="{END_HEIGHT}" rx="13"/>'
            f'<text class="label" text-anchor="middle" x="{end.middle:.0f}" y="{end.y + 17:.0f}">end</text>'
        )
    return "".join(drawn), round(first + len(known) * LANE + MARGIN), pill


def _curve(x1: float, y1: float, x2: float, y2: float) -> str:
    bend = (y2 - y1) / 2
    return f" C{x1:.0f} {y1 + bend:.0f} {x2:.0f} {y2 - bend:.0f} {x2:.0f} {y2:.0f}"


def _box(node: Node, spot: Spot) -> str:
    look = look_of(node.state)
    word = look.word.lower()
    x, y = spot.x, spot.y
    name, detail = _cut(node.id, 25), _cut(node.detail, 28 - len(word))
    current = ' aria-current="true"' if node.current else ""
    label = escape(f"{node.id}, {node.detail}, {word}. Open this cell.")
    barrier = ""
    if node.is_barrier:
        barrier = f'<rect class="barrier" x="{x + 8:.0f}" y="{y - 2:.0f}" width="{BOX_WIDTH - 16}" height="4" rx="2"/>'
    rows = "".join(
        _row(inner, depth, x, y + BOX_HEIGHT + number * ROW_HEIGHT)
        for number, (depth, inner) in enumerate(_flat(node.rows))
    )
    return (
        f'<a href="{escape(node.href)}" target="_self" aria-label="{label}"{current}>'
        f"<title>{escape(node.id)}: {escape(node.detail)}, {escape(word)}</title>"
        f'<rect class="box" x="{x:.0f}" y="{y:.0f}" width="{BOX_WIDTH}" height="{spot.height:.0f}" rx="8"/>'
        f'<rect class="{look.colour}" x="{x:.0f}" y="{y + 8:.0f}" width="4" height="{spot.height - 16:.0f}" rx="2"/>'
        f'{barrier}<text class="name" x="{x + 15:.0f}" y="{y + 23:.0f}">{escape(name)}</text>'
        f'<text class="state {look.colour}" x="{x + 15:.0f}" y="{y + 42:.0f}">{escape(word)}'
        f'<tspan class="muted"> · {escape(detail)}</tspan></text></a>{rows}'
    )


def _row(node: Node, depth: int, x: float, y: float) -> str:
    """A step inside a box: a dot in the colour of its state, and its id."""
    look = look_of(node.state) if node.state else None
    word = f", {look.word.lower()}" if look else ""
    left = x + 22 + 14 * depth
    dot = f'<circle class="{look.colour if look else "none"}" cx="{left:.0f}" cy="{y + 9:.0f}" r="3.5"/>'
    current = ' aria-current="true"' if node.current else ""
    return (
        f'<a href="{escape(node.href)}" target="_self" aria-label="{escape(f"{node.id}, {node.detail}{word}")}. '
        f'Open this cell."{current}><title>{escape(f"{node.id}: {node.detail}{word}")}</title>'
        f'<rect class="row" x="{x + 10:.0f}" y="{y - 2:.0f}" width="{BOX_WIDTH - 20}" height="{ROW_HEIGHT}" rx="5"/>'
        f'{dot}<text class="inner" x="{left + 11:.0f}" y="{y + 14:.0f}">{escape(_cut(node.id, 15))}'
        f'<tspan class="muted"> {escape(_cut(node.detail, 13))}</tspan></text></a>'
    )


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"
