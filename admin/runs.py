"""Runs of everybody, by what the machine knows of them: never a name, an input or an output."""

from __future__ import annotations

from datetime import datetime
from html import escape

import streamlit as st

from admin.run_rows import facts_table
from core.accounts.plans import PLANS
from core.bootstrap import get_runtime
from core.execution.oversight import STATUSES, TRIGGERS, RunFacts, list_all_runs, stuck_runs
from core.execution.stuck import SAYS
from pages.ui.address import address
from pages.ui.badges import look_of
from pages.ui.filters import AFTER, choose, clear_button, link_html, pager_html, write
from pages.ui.session import require_role
from pages.ui.words import ago, count, trigger, vendor

A_PAGE, STUCK_SHOWN = 50, 5
FILTERS = ("status", "trigger", "plan", "provider", "owner", "code")


def runs_page() -> None:
    """Those that are stuck on top, then filters and pages."""
    runtime = get_runtime()
    require_role(runtime, "admin")
    now = runtime.clock.now()
    st.html(
        '<h1 class="sq-title">Runs of everybody</h1><p class="sq-facts">What the machine knows: no names of pipelines, '
        "no inputs, no outputs. To read what is in a run, open its person and write why.</p>"
    )
    query = address()
    if query.get("stuck"):
        _draw_stuck(stuck_runs(runtime), now)
        return
    if not query.keys() & {*FILTERS, AFTER}:
        stuck = stuck_runs(runtime)
        if stuck:
            reasons = "".join(
                f"<li>{escape(SAYS[why])}</li>" for why in dict.fromkeys(run.stuck for run in stuck) if why is not None
            )
            shown, rest = stuck[:STUCK_SHOWN], ""
            if len(stuck) > STUCK_SHOWN:
                whole = link_html("admin-runs", {"stuck": "all"}, "all of them")
                rest = f'<p class="sq-facts">The {STUCK_SHOWN} that are stuck longest; {whole}.</p>'
            st.html(
                f'<h2 class="sq-id">{count(len(stuck), "run")} stuck</h2><ul class="sq-plain-list">{reasons}</ul>'
                f"{facts_table(shown, now, with_person=True)}{rest}<h2 class='sq-id'>Newest</h2>"
            )
    with st.container(horizontal=True, vertical_alignment="bottom", key="run-filters"):
        words = {name: look_of(name).word.capitalize() for name in STATUSES}
        choose("Status", "status", {"": "Any status", **words}, width=130)
        choose("Trigger", "trigger", {"": "Any trigger", **{name: trigger(name) for name in TRIGGERS}}, width=130)
        choose("Plan", "plan", {"": "Any plan", **{name: plan.title for name, plan in PLANS.items()}}, width=130)
        providers = {name: vendor(name) for name in runtime.catalogue.providers()}
        choose("Provider", "provider", {"": "Any provider", **providers}, width=150)
        write("Person", "owner", width=180, placeholder="Account id")
        write("Error code", "code", width=130)
        clear_button(FILTERS)
    page = list_all_runs(
        runtime, status=query.get("status"), trigger=query.get("trigger"), plan=query.get("plan"),
        owner_id=query.get("owner"), provider=query.get("provider"), error_code=query.get("code"), limit=A_PAGE,
        cursor=query.get(AFTER),
    )  # fmt: skip
    if page.items:
        st.html(facts_table(page.items, now, with_person=True))
    elif page.next_cursor is None:
        st.html(
            '<div class="sq-blank"><b>No run fits.</b> Clear the filters to see every run.</div>'
            if query
            else '<div class="sq-blank"><b>Nothing has run yet.</b> Runs are listed here as they start.</div>'
        )
    older = "Older"
    if len(page.items) < A_PAGE and page.next_cursor and page.seen_back_to:
        older = "Look further back"
        st.html(
            f'<p class="sq-facts">{page.looked_through:,} runs looked through, back to '
            f"{escape(ago(page.seen_back_to, now))}.</p>"
        )
    st.html(pager_html("admin-runs", page.next_cursor, older) or "<span></span>")


def _draw_stuck(stuck: tuple[RunFacts, ...], now: datetime) -> None:
    """All that are stuck, up to what a look finds, and nothing else."""
    back = link_html("admin-runs", {}, "Runs of everybody")
    st.html(
        f'<p class="sq-facts">{back}</p><h2 class="sq-id">{count(len(stuck), "run")} stuck</h2>'
        f"{facts_table(stuck, now, with_person=True)}"
    )


if __name__ == "__main__":
    runs_page()
