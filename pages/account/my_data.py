"""What is held about a person, their six rights, and where their requests stand."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

import streamlit as st

from core.accounts.domain import SessionView
from core.accounts.standing import standing_of
from core.bootstrap import get_runtime
from core.privacy.holdings import Holding, elsewhere, holdings
from core.privacy.queries import list_requests, restrictions_of
from pages.account import my_data_actions as actions
from pages.account.my_requests import draw_requests
from pages.account.my_rights import draw_dialog, draw_rights
from pages.ui.looks import draw_looks
from pages.ui.memory import take_dialog
from pages.ui.notices import draw_notices
from pages.ui.session import current_session
from pages.ui.words import count, time_html

if TYPE_CHECKING:
    from core.platform.runtime import Runtime

SHOWN = 20
LABELS = 4


def my_data_page() -> None:
    """How one stands, what is held, the rights, the requests."""
    runtime = get_runtime()
    session = current_session(runtime)
    st.html(
        '<h1 class="sq-title">My data</h1><p class="sq-facts">What is held about you, what you can ask for, and where '
        'your requests stand. <a class="sq-link" href="/app/data-flow" target="_self">Where my data went</a> · '
        '<a class="sq-link" href="/app/preferences" target="_self">My choices</a> · '
        '<a class="sq-link" href="/privacy" target="_self">Privacy policy</a></p>'
    )
    draw_notices()
    _draw_standing(runtime, session)
    found = list_requests(runtime, session.account.id, SHOWN).items
    waiting = tuple(view for view in found if view.is_open)
    if waiting:
        draw_requests(runtime, session, "Your open requests", waiting)
    draw_rights(runtime, session, frozenset(view.right for view in waiting))
    draw_looks(runtime, session.account)
    _draw_holdings(runtime, session)
    answered = tuple(view for view in found if not view.is_open)
    if answered:
        draw_requests(runtime, session, "Answered", answered)
    dialog, _ = take_dialog()
    if dialog:
        draw_dialog(session, dialog)


def _draw_standing(runtime: Runtime, session: SessionView) -> None:
    standing, now = standing_of(runtime, session.account.id), runtime.clock.now()
    if standing.restricted_at is not None:
        ends = next((each.lift_at for each in restrictions_of(runtime, session.account.id) if each.lift_at), None)
        announced = f" It was announced to end on {ends.day} {ends:%B %Y, %H:%M} UTC." if ends else ""
        with st.container(border=True, key="my-data-restricted"):
            st.html(
                f'<div class="sq-row"><b>The use of your data is restricted</b><span class="sq-facts">since '
                f"{time_html(standing.restricted_at, now)}. No runs, schedules, analytics or news, and nothing is "
                f"deleted for its age. Reading, your copy and deletion go on.{announced}</span></div>"
            )
            st.button("End the restriction", key="restriction-end", on_click=actions.end_restriction)
    if standing.objected_at is not None:
        with st.container(border=True, key="my-data-objected"):
            st.html(
                f'<div class="sq-row"><b>Analytics and news are stopped</b><span class="sq-facts">since '
                f"{time_html(standing.objected_at, now)}, as you objected.</span></div>"
            )
            st.button("Take the objection back", key="objection-end", on_click=actions.end_objection)


def _draw_holdings(runtime: Runtime, session: SessionView) -> None:
    held = holdings(runtime, session.account)
    rows = "".join(_row(each) for each in held)
    places = "".join(
        f"<li><b>{escape(place.title)}</b>{' (outside)' if place.is_outside else ''}: "
        f"{escape(', '.join(place.labels))}. {escape(place.where[:1].upper() + place.where[1:])}.</li>"
        for place in elsewhere(runtime)
    )
    with st.container(border=True, key="my-data-held"):
        st.html(
            '<h2 class="sq-id">What is held about you</h2><p class="sq-facts">Counted now, from the same list that '
            "copies and deletions are made of. Content and names are encrypted with a key of your own.</p>"
            '<table class="sq-table sq-top sq-held"><thead><tr><th>What</th><th class="sq-num">Records</th><th>What for'
            f"</th><th>Until when</th></tr></thead><tbody>{rows}</tbody></table>"
        )
        with st.expander("Outside the database", key="my-data-elsewhere"):
            st.html(f'<ul class="sq-plain-list">{places}</ul>')


def _row(held: Holding) -> str:
    first, rest = held.labels[:LABELS], held.labels[LABELS:]
    labels = escape(", ".join(first))
    if rest:
        labels += f"<details><summary>and {len(rest)} more</summary>{escape(', '.join(rest))}</details>"
    return (
        f'<tr><td class="sq-cell-name"><b>{escape(held.title)}</b><div class="sq-facts">{labels}</div></td>'
        f'<td class="sq-num sq-cell-cost" title="{escape(count(held.records, "row"))}">{held.records:,}</td>'
        f'<td class="sq-cell-why">{escape(", ".join(held.purposes))}</td>'
        f'<td class="sq-cell-until">{escape(held.until)}</td></tr>'
    )
