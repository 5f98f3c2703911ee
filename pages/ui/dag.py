"""The graph of a pipeline: its cells as boxes coloured by state, drawn as SVG, each a link to its cell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

import streamlit as st

from pages.ui.badges import look_of
from pages.ui.theme import asset

BOX_WIDTH, BOX_HEIGHT = 190, 54
GAP_X, GAP_Y = 34, 58
MARGIN = 12

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
    """The SVG: every text in it is escaped here."""
    by_id = {node.id: node for node in nodes}
    layers = layers_of(list(by_id), needs)
    widest = max((len(layer) for layer in layers), default=1)
    width = widest * BOX_WIDTH + (widest - 1) * GAP_X + 2 * MARGIN
    height = len(layers) * BOX_HEIGHT + (len(layers) - 1) * GAP_Y + 2 * MARGIN
    places = _places(layers, width)
    edges = "".join(
        _edge(places[other], places[step]) for step in by_id for other in needs.get(step, ()) if other in places
    )
    boxes = "".join(_box(by_id[step], *places[step]) for layer in layers for step in layer)
    return (
        f'<svg role="group" aria-label="Graph of {len(nodes)} steps" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}">{edges}{boxes}</svg>'
    )


def _places(layers: list[list[str]], width: int) -> dict[str, tuple[float, float]]:
    places: dict[str, tuple[float, float]] = {}
    for row, layer in enumerate(layers):
        used = len(layer) * BOX_WIDTH + (len(layer) - 1) * GAP_X
        for column, step in enumerate(layer):
            places[step] = ((width - used) / 2 + column * (BOX_WIDTH + GAP_X), MARGIN + row * (BOX_HEIGHT + GAP_Y))
    return places


def _edge(start: tuple[float, float], end: tuple[float, float]) -> str:
    x1, y1 = start[0] + BOX_WIDTH / 2, start[1] + BOX_HEIGHT
    x2, y2 = end[0] + BOX_WIDTH / 2, end[1] - 7
    bend = max((y2 - y1) / 2, 16)
    return (
        f'<path class="edge" d="M{x1:.0f} {y1:.0f} C{x1:.0f} {y1 + bend:.0f} '
        f'{x2:.0f} {y2 - bend:.0f} {x2:.0f} {y2:.0f}"/>'
        f'<path class="head" d="M{x2 - 4.5:.0f} {y2 - 1:.0f} h9 l-4.5 7 z"/>'
    )


def _box(node: Node, x: float, y: float) -> str:
    look = look_of(node.state)
    name = node.id if len(node.id) <= 21 else node.id[:20] + "…"
    detail = node.detail if len(node.detail) <= 18 else node.detail[:17] + "…"
    current = ' aria-current="true"' if node.current else ""
    label = escape(f"{node.id}, {node.detail}, {look.word}. Open this cell.")
    return (
        f'<a href="{escape(node.href)}" target="_self" aria-label="{label}"{current}>'
        f"<title>{escape(node.id)}: {escape(node.detail)}, {escape(look.word)}</title>"
        f'<rect class="box" x="{x:.0f}" y="{y:.0f}" width="{BOX_WIDTH}" height="{BOX_HEIGHT}" rx="8"/>'
        f'<rect class="{look.colour}" x="{x:.0f}" y="{y + 8:.0f}" width="4" height="{BOX_HEIGHT - 16}" rx="2"/>'
        f'<text class="name" x="{x + 15:.0f}" y="{y + 22:.0f}">{escape(name)}</text>'
        f'<text class="state" x="{x + 15:.0f}" y="{y + 41:.0f}"><tspan class="muted">{escape(detail)}</tspan></text>'
        f'<text class="state {look.colour}" x="{x + BOX_WIDTH - 12:.0f}" y="{y + 22:.0f}" text-anchor="end">'
        f"{escape(look.word.lower())}</text></a>"
    )
