"""Runs as a table of links: exact times on hover, two lines a run on a phone."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from html import escape

from core.execution.domain import RunSummary
from core.shared.money import format_credits
from pages.ui.badges import state_badge
from pages.ui.navigator import base_path
from pages.ui.words import duration, time_html, trigger

_HEAD = (
    '<th>Status</th><th>Pipeline</th><th>Trigger</th><th>Started</th><th class="sq-num">Duration</th>'
    '<th class="sq-num">Credits</th>'
)


def run_table(runs: Sequence[RunSummary], now: datetime) -> str:
    """The table as HTML."""
    rows = "".join(_row(run, now) for run in runs)
    return f'<table class="sq-table sq-runs"><thead><tr>{_HEAD}</tr></thead><tbody>{rows}</tbody></table>'


def _row(run: RunSummary, now: datetime) -> str:
    href = f"{base_path()}run?run={run.id}"
    version = f"v{run.pipeline_version}" if run.pipeline_version else "draft"
    return (
        f'<tr><td class="sq-cell-status">{state_badge(run.status, run=True)}</td>'
        f'<td class="sq-cell-name"><a href="{href}" target="_self">{escape(run.pipeline_name)}</a>'
        f' <span class="sq-facts">{version}</span></td>'
        f'<td class="sq-cell-trigger">{escape(trigger(run.trigger_type))}</td>'
        f'<td class="sq-cell-time">{time_html(run.started_at or run.created_at, now)}</td>'
        f'<td class="sq-num sq-cell-long">{duration(run.duration_ms)}</td>'
        f'<td class="sq-num sq-cell-cost">{format_credits(run.credits_micros)}</td></tr>'
    )
