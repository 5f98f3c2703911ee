"""Two runs beside each other, step by step: only what differs is shown."""

from __future__ import annotations

import json
from datetime import datetime
from html import escape
from itertools import zip_longest

from core.execution.domain import RunView, StepRunView
from core.shared.money import format_credits
from core.shared.types import JsonValue
from pages.ui.badges import state_badge, step_state
from pages.ui.words import count, duration, joined, time_html

PREVIEW_CHARACTERS = 4_000


def comparison_html(run: RunView, other: RunView, *, now: datetime, back: str) -> str:
    """The table of differences. `back` leads to the run alone."""
    rows = [_row("input", run.input_data, other.input_data, "", "")] if run.input_data != other.input_data else []
    theirs = {step.step_id: step for step in other.steps}
    ids = list(dict.fromkeys([*(step.step_id for step in run.steps), *theirs]))
    ours = {step.step_id: step for step in run.steps}
    same = 0
    for step_id in ids:
        left, right = ours.get(step_id), theirs.get(step_id)
        if left and right and _essence(left) == _essence(right):
            same += 1
            continue
        rows.append(_row(step_id, _output(left), _output(right), _facts(left), _facts(right)))
    alike = f"{count(same, 'step')} made the same and {'is' if same == 1 else 'are'} not shown." if same else ""
    head = f"<th>Step</th><th>This run, {time_html(run.created_at, now)}</th>"
    head += f"<th>The other, {time_html(other.created_at, now)}</th>"
    table = (
        f'<div class="sq-scroll" tabindex="0"><table class="sq-table sq-top sq-compare"><thead><tr>{head}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>"
        if rows
        else '<div class="sq-empty">Nothing differs.</div>'
    )
    return (
        f'<div class="sq-row sq-facts sq-apart"><span>{alike}</span>'
        f'<a class="sq-link" href="{escape(back)}" target="_self">Back to this run alone</a></div>{table}'
    )


def _essence(step: StepRunView) -> tuple[object, ...]:
    """What counts as a difference; how long it took and what it cost do not."""
    return step_state(step.status, step.error) in ("completed", "reused"), step.model, step.parsed_output, step.error


def _output(step: StepRunView | None) -> JsonValue:
    return None if step is None else step.parsed_output if step.error is None else str(step.error.get("message"))


def _facts(step: StepRunView | None) -> str:
    if step is None:
        return '<span class="sq-facts">not in this run</span>'
    facts = joined(step.model, duration(step.duration_ms), format_credits(step.credit_micros))
    return f'{state_badge(step_state(step.status, step.error))} <span class="sq-facts">{escape(facts)}</span>'


def _row(name: str, left: JsonValue, right: JsonValue, left_facts: str, right_facts: str) -> str:
    first, second = _marked(_text(left), _text(right))
    return (
        f'<tr><td><span class="sq-id">{escape(name)}</span></td>'
        f"<td>{left_facts}{first}</td><td>{right_facts}{second}</td></tr>"
    )


def _text(value: JsonValue) -> str:
    if value is None:
        return ""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=2)
    return text if len(text) <= PREVIEW_CHARACTERS else text[:PREVIEW_CHARACTERS] + "…"


def _marked(left: str, right: str) -> tuple[str, str]:
    """Both texts, with the lines that are not the same set off."""
    sides: tuple[list[str], list[str]] = ([], [])
    for pair in zip_longest(left.splitlines(), right.splitlines()):
        for side, line in zip(sides, pair, strict=True):
            if line is not None:
                text = escape(line) or " "
                side.append(f"<span>{text}\n</span>" if pair[0] == pair[1] else f"<mark>{text}\n</mark>")
    first, second = (f'<pre class="sq-plaintext sq-short">{"".join(side)}</pre>' if side else "" for side in sides)
    return first, second
