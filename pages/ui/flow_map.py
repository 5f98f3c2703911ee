"""Where data went, as a picture with a table beside it: you, your pipelines, and who got something from each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from html import escape
from math import log2

import streamlit as st

from core.execution.egress_queries import Flow
from core.providers.domain import ProviderTerms
from core.shared.personal_data.kinds import BY_CATEGORY
from pages.ui.provider_terms import where
from pages.ui.theme import asset
from pages.ui.words import count, time_html, vendor

WIDTH, ROW, BOX, GAP = 860, 62, 46, 12
LEFT, MIDDLE, RIGHT = (0, 92), (208, 236), (568, 292)
"""Where each column begins and how wide it is."""
LETTER = 7.1
MOST_PIPELINES, MOST_RECIPIENTS = 8, 12
KINDS = {
    "model": "Model calls", "webhook": "Web requests", "tool": "Agent requests", "delivery": "Deliveries",
    "mail": "Mail", "file": "Files",
}  # fmt: skip
PURPOSES = {
    "prompt": "prompts", "repair": "corrected answers", "turn": "turns of agents", "step": "steps", "result": "results",
    "notice": "notices", "http_request": "requests", "curl": "requests",
}  # fmt: skip
SIDES = {
    True: ("in", "inside the EEA"),
    False: ("out", "outside the EEA"),
    None: ("unsure", "place not known"),
}


_component = st.components.v2.component(
    "stepiq.flow", html='<div class="flow" tabindex="0"></div>', css=asset("flow.css"), js=asset("flow.js")
)


@dataclass(frozen=True, slots=True)
class Recipient:
    """Who got something, as it is shown. `in_eea` None: nobody here knows."""

    name: str
    place: str
    in_eea: bool | None


def recipient_of(flow: Flow, terms: Mapping[str, ProviderTerms]) -> Recipient:
    """A recipient in words. What a person named by its host lies where they know."""
    known = terms.get(flow.recipient)
    if flow.kind == "model" and known is not None:
        return Recipient(vendor(flow.recipient), where(known).partition(",")[0], known.terms.in_eea)
    if flow.kind == "file":
        return Recipient("Your files", "This installation", True)
    if flow.kind == "model":
        return Recipient(flow.recipient, "Your own address for models", None)
    return Recipient(flow.recipient, "A host that you named", None)


def draw_flow_map(
    flows: Sequence[Flow], names: Mapping[str, str], terms: Mapping[str, ProviderTerms], now: datetime
) -> None:
    """Picture, key and table. `names`: of pipelines by id; `terms`: of providers by name."""
    _component(key="flow-map", data={"svg": flow_svg(flows, names, terms)})
    keys = "".join(f'<span><i class="sq-{mark}"></i>{said}</span>' for mark, said in SIDES.values())
    st.html(f'<div class="sq-facts sq-flow-key">{keys}<span>The thicker a line, the more often.</span></div>')
    st.html(f'<div class="sq-scroll">{flow_table(flows, names, terms, now)}</div>')


def data_words(flow: Flow) -> str:
    """The personal data in what was sent, in words."""
    said = [", ".join(_many(category) for category in flow.categories)] if flow.categories else []
    if flow.masked:
        said.append(f"{', '.join(_many(category) for category in flow.masked)} kept back")
    if flow.unseen:
        said.append("not looked at" if flow.unseen == flow.times else f"not looked at in {flow.unseen:,}")
    return "; ".join(said) or "none found"


def _many(category: str) -> str:
    kind = BY_CATEGORY.get(category)
    return kind.many if kind is not None else category


# -- the picture --------------------------------------------------------------


def flow_svg(flows: Sequence[Flow], names: Mapping[str, str], terms: Mapping[str, ProviderTerms]) -> str:
    """You, the pipelines and the recipients, with what it shows in words."""
    pipelines = _ranked([(pipeline_name(flow, names), flow.times) for flow in flows], MOST_PIPELINES)
    shown = {_key(flow): recipient_of(flow, terms) for flow in flows}
    recipients = _ranked([(_key(flow), flow.times) for flow in flows], MOST_RECIPIENTS)
    rows = max(len(pipelines), len(recipients))
    height = rows * ROW - GAP + 4
    at_left, at_right = _centres(pipelines, rows), _centres(recipients, rows)
    links: dict[tuple[str, str], int] = {}
    for flow in flows:
        source = pipeline_name(flow, names)
        pair = (source if source in at_left else OTHERS, _key(flow) if _key(flow) in at_right else OTHERS)
        links[pair] = links.get(pair, 0) + flow.times
    total = sum(flow.times for flow in flows)
    parts = [_curve(LEFT[0] + LEFT[1], height / 2, MIDDLE[0], at_left[name], times, "") for name, times in pipelines]
    for (source, target), times in links.items():
        side = SIDES[shown[target].in_eea][0] if target in shown else "unsure"
        parts.append(_curve(MIDDLE[0] + MIDDLE[1], at_left[source], RIGHT[0], at_right[target], times, side))
    parts.append(_box(LEFT, height / 2, "You", f"{total:,} ×", ""))
    for name, times in pipelines:
        parts.append(_box(MIDDLE, at_left[name], name, count(times, "time"), ""))
    for key, times in recipients:
        found = shown.get(key)
        title, place = (found.name, found.place) if found else ("Others", "see the table")
        parts.append(
            _box(RIGHT, at_right[key], title, f"{place} · {times:,} ×", SIDES[found.in_eea][0] if found else "")
        )
    said = "; ".join(
        f"{pipeline_name(flow, names)} to {recipient_of(flow, terms).name}, {count(flow.times, 'time')}"
        for flow in flows[:20]
    )
    return (
        f'<svg viewBox="0 0 {WIDTH} {height}" role="img" '
        f'aria-label="Where data went: {escape(said)}">{"".join(parts)}</svg>'
    )


OTHERS = "\0others"


def pipeline_name(flow: Flow, names: Mapping[str, str]) -> str:
    """The pipeline of a flow by its name."""
    if flow.pipeline_id is None:
        return "From a file"
    return names.get(flow.pipeline_id, "Deleted pipeline")


def _key(flow: Flow) -> str:
    return f"{'model' if flow.kind == 'model' else 'file' if flow.kind == 'file' else 'host'}:{flow.recipient}"


def _ranked(counted: Sequence[tuple[str, int]], most: int) -> list[tuple[str, int]]:
    """The most frequent, and the rest as one."""
    sums: dict[str, int] = {}
    for name, times in counted:
        sums[name] = sums.get(name, 0) + times
    ranked = sorted(sums.items(), key=lambda each: -each[1])
    if len(ranked) <= most:
        return ranked
    rest = sum(times for _, times in ranked[most - 1 :])
    return [*ranked[: most - 1], (OTHERS, rest)]


def _centres(names: Sequence[tuple[str, int]], rows: int) -> dict[str, float]:
    """The middle of each box, the column centred among `rows` rows."""
    above = (rows - len(names)) * ROW / 2
    return {name: above + place * ROW + BOX / 2 + 2 for place, (name, _) in enumerate(names)}


def _curve(x1: float, y1: float, x2: float, y2: float, times: int, side: str) -> str:
    middle, width = (x1 + x2) / 2, 1.5 + min(log2(times + 1), 10) * 0.7
    return (
        f'<path class="{side}" d="M{x1:g} {y1:g}C{middle:g} {y1:g} {middle:g} {y2:g} {x2:g} {y2:g}" '
        f'stroke-width="{width:.1f}"/>'
    )


def _box(column: tuple[int, int], centre: float, title: str, detail: str, side: str) -> str:
    x, width = column
    top = centre - BOX / 2
    edge = f'<rect class="edge {side}" x="{x}" y="{top:g}" width="4" height="{BOX}" rx="2"/>' if side else ""
    name = "Others" if title == OTHERS else title
    return (
        f"<g><title>{escape(name)}: {escape(detail)}</title>"
        f'<rect class="box" x="{x + 0.5}" y="{top + 0.5:g}" width="{width - 1}" height="{BOX - 1}" rx="8"/>{edge}'
        f'<text class="name" x="{x + 14}" y="{top + 19:g}">{escape(_fit(name, width))}</text>'
        f'<text class="detail" x="{x + 14}" y="{top + 36:g}">{escape(_fit(detail, width + 20))}</text></g>'
    )


def _fit(text: str, width: int) -> str:
    most = int((width - 24) / LETTER)
    return text if len(text) <= most else f"{text[: most - 1]}…"


# -- the table ----------------------------------------------------------------


def flow_table(
    flows: Sequence[Flow], names: Mapping[str, str], terms: Mapping[str, ProviderTerms], now: datetime
) -> str:
    """Every flow in a row, the most frequent first."""
    rows = "".join(_row(flow, names, recipient_of(flow, terms), now) for flow in flows)
    heads = ("Recipient", "Where", "From", "What for", "Times", "Personal data in it", "Last")
    head = "".join(f'<th scope="col"{_numeric(name)}>{name}</th>' for name in heads)
    return (
        '<table class="sq-table sq-flows"><caption class="sq-unseen">Who got what from which pipeline</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
    )


def _row(flow: Flow, names: Mapping[str, str], recipient: Recipient, now: datetime) -> str:
    purposes = ", ".join(dict.fromkeys(PURPOSES.get(purpose, purpose) for purpose in flow.purposes))
    key = "your key" if flow.fundings == ("own_key",) else ""
    what = f"{KINDS.get(flow.kind, flow.kind)}: {purposes}{f', {key}' if key else ''}"
    unsure = f' <span class="sq-facts">({flow.unsure:,} unsure)</span>' if flow.unsure else ""
    side = SIDES[recipient.in_eea][1]
    place = recipient.place if flow.kind == "file" or recipient.in_eea is None else f"{recipient.place}, {side}"
    return (
        f'<tr><td class="sq-cell-name"><b>{escape(recipient.name)}</b></td><td>{escape(place)}</td>'
        f"<td>{escape(pipeline_name(flow, names))}</td><td>{escape(what)}</td>"
        f'<td class="sq-num">{flow.times:,}{unsure}</td><td>{escape(data_words(flow))}</td>'
        f"<td>{time_html(flow.last_at, now)}</td></tr>"
    )


def _numeric(name: str) -> str:
    return ' class="sq-num"' if name == "Times" else ""
