"""The top of the notebook: title, badges, view switch, the one button, its quote, and the line of facts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from html import escape

import streamlit as st

from core.credits.domain import Balance, Quote
from core.execution.domain import NotebookView
from core.pipelines.domain import PipelineView
from core.shared.money import format_credits
from pages.ui.badges import state_badge, text_badge
from pages.ui.words import count, credits_range, duration, time_html

VIEWS = {"cells": "Cells", "yaml": "YAML", "graph": "Graph"}
MENU = {
    "run_all": "Run all",
    "save_version": "Save version",
    "settings": "Pipeline settings",
    "versions": "Versions",
    "export": "Export YAML",
    "duplicate": "Duplicate",
    "archive": "Archive",
    "keys": "Keyboard shortcuts",
}
_ICONS = {
    "run_all": "play_arrow",
    "save_version": "save",
    "settings": "tune",
    "versions": "history",
    "export": "download",
    "duplicate": "content_copy",
    "archive": "archive",
    "keys": "keyboard",
}


@dataclass(frozen=True)
class HeaderActions:
    """What the header can start. `run` takes the mode: `all` or `stale`."""

    run: Callable[[str], None]
    cancel: Callable[[], None]
    choose: Callable[[str], None]
    view: Callable[[str], None]


@dataclass(frozen=True)
class RunOffer:
    """What the primary button will do."""

    label: str
    mode: str
    quote: Quote


def offer_of(view: NotebookView) -> RunOffer:
    """Run what is stale when something is fresh, otherwise everything."""
    if 0 < view.stale_count < len(view.cells):
        return RunOffer(f"Run {view.stale_count} stale", "stale", view.stale_quote)
    return RunOffer("Run all", "all", view.quote)


def draw_header(
    pipeline: PipelineView, notebook: NotebookView, actions: HeaderActions, *, view: str, editable: bool
) -> None:
    """Draws title, switch, button and menu."""
    with st.container(key="notebook-header", horizontal=True, vertical_alignment="center"):
        st.html(_title(pipeline))
        if notebook.active_run_id is not None:
            # Left of everything, so that nothing under the pointer moves when it comes and goes.
            st.button("Cancel run", key="cancel-run", icon=":material/stop_circle:", on_click=actions.cancel)
        key = f"view-{view}"
        st.segmented_control(
            "View",
            list(VIEWS),
            default=view,
            required=True,
            key=key,
            format_func=lambda name: VIEWS[name],
            label_visibility="collapsed",
            on_change=lambda: actions.view(str(st.session_state[key])),
        )
        _draw_button(notebook, actions, editable=editable)
        st.menu_button(
            "More actions",
            list(MENU),
            key="notebook-menu",
            icon=":material/more_horiz:",
            format_func=lambda name: f":material/{_ICONS[name]}: {MENU[name]}",
            on_click=lambda: _choose(actions),
        )


def draw_facts(
    notebook: NotebookView, balance: Balance, *, payer: str, cells: int, now: datetime, editable: bool
) -> None:
    """One line of facts, and on the right what the button may cost."""
    facts = []
    last = notebook.last_run
    if last is not None:
        facts.append(f"<span>{state_badge(last.status, run=True)}</span>")
        if last.duration_ms is not None or last.status == "cancelled":
            facts.append(f"<span>{time_html(last.created_at, now)}</span>")
        if last.duration_ms is not None:
            facts.append(f"<span>{duration(last.duration_ms)}</span><span>{format_credits(last.credits_micros)}</span>")
    left = "unlimited credits" if balance.unlimited else f"{format_credits(balance.available_micros)} left"
    # A phone has no room for what the sidebar and the cells themselves say.
    facts += [f'<span class="sq-hide-narrow">{fact}</span>' for fact in (count(cells, "cell"), left)]
    right = ""
    if editable and notebook.active_run_id is None:
        quote = offer_of(notebook).quote
        likely = f"likely {credits_range(quote.low_micros, quote.likely_micros)}, " if quote.max_micros else ""
        who = f" · {escape(payer)}" if payer else ""
        right = f"<span>{likely}<b>max {format_credits(quote.max_micros)}</b>{who}</span>"
    st.html(f'<div class="sq-row sq-facts sq-apart"><span class="sq-line">{"".join(facts)}</span>{right}</div>')


def _title(pipeline: PipelineView) -> str:
    draft = pipeline.draft is not None and pipeline.draft.text != pipeline.text
    badge = (
        text_badge(f"draft of v{pipeline.version}", "amber", "Changes that are kept but not saved as a version")
        if draft
        else text_badge(f"v{pipeline.version}", "gray", "The newest version, unchanged")
    )
    return f'<div class="sq-row"><h1 class="sq-title">{escape(pipeline.name)}</h1>{badge}</div>'


def _draw_button(notebook: NotebookView, actions: HeaderActions, *, editable: bool) -> None:
    offer = offer_of(notebook)
    active = notebook.active_run_id is not None
    st.button(
        ("Waiting…" if _waits(notebook) else "Running…") if active else offer.label,
        key="run-primary",
        type="primary",
        icon=":material/play_arrow:",
        disabled=active or not editable,
        help=_why(offer, notebook, editable=editable),
        on_click=actions.run,
        args=(offer.mode,),
    )


def _waits(notebook: NotebookView) -> bool:
    return notebook.last_run is not None and notebook.last_run.status == "waiting"


def _why(offer: RunOffer, notebook: NotebookView, *, editable: bool) -> str:
    if _waits(notebook):
        return "A run waits. Decide, cancel it, or let it go on from its run page."
    if notebook.active_run_id is not None:
        return "A run is going on. You can leave the page: it goes on."
    return f"Costs at most {format_credits(offer.quote.max_micros)}" if editable else "Fix the errors first"


def _choose(actions: HeaderActions) -> None:
    choice = st.session_state.get("notebook-menu")
    if choice in MENU:
        actions.choose(choice)
