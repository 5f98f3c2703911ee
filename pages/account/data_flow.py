"""Where my data went: a picture and a table of who got something from which pipeline, from the ledger of what left."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from html import escape
from urllib.parse import urlencode

import streamlit as st

from core.accounts.domain import Account
from core.accounts.provider_notices import note_terms_seen
from core.bootstrap import get_runtime
from core.execution.egress_queries import flows, has_egress
from core.execution.first_use import unseen_terms
from core.pipelines.queries import active_names, pipeline_names
from core.privacy.recipients import standing_recipients
from core.providers.domain import ProviderTerms
from pages.ui.address import go
from pages.ui.flow_map import draw_flow_map
from pages.ui.memory import widget_text
from pages.ui.navigator import base_path
from pages.ui.notices import attempt, draw_notices, say
from pages.ui.personal_data import LIMITS
from pages.ui.provider_terms import first_note, terms_html
from pages.ui.session import current_session, guarded
from pages.ui.words import count

PERIODS = {"7": "7 days", "30": "30 days", "90": "90 days", "all": "All that is kept"}
ALL = ""
_PERIOD, _PIPELINE = "flow-period", "flow-pipeline"


def data_flow_page() -> None:
    """The period and pipeline in the address, and what left in it."""
    runtime = get_runtime()
    account = current_session(runtime).account
    period = st.query_params.get("period", "30")
    period = period if period in PERIODS else "30"
    names = {pipeline_id: name for name, pipeline_id in active_names(runtime, account.id).items()}
    pipeline = st.query_params.get("pipeline", ALL)
    pipeline = pipeline if pipeline in names else ALL
    since = _since(period, runtime.clock.now())
    with st.container(horizontal=True, vertical_alignment="center", key="flow-header"):
        st.html(
            '<h1 class="sq-title">Where my data went</h1><p class="sq-facts">Every call of a model, web request and '
            "delivery has a line here, written before it left. What was said is in none.</p>"
        )
        st.link_button(
            "CSV", _download(since, pipeline), icon=":material/download:", help="Every line, for a spreadsheet"
        )
    draw_notices()
    if not has_egress(runtime, account.id):
        _draw_nothing()
    else:
        _draw_filters(period, pipeline, names)
        _draw_flows(account, since, pipeline)
    _draw_standing()


def _draw_filters(period: str, pipeline: str, names: dict[str, str]) -> None:
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.segmented_control(
            "Period", list(PERIODS), default=period, required=True, key=_PERIOD, format_func=PERIODS.__getitem__,
            on_change=_choose, label_visibility="collapsed",
        )  # fmt: skip
        options = [ALL, *sorted(names, key=lambda each: names[each].casefold())]
        st.selectbox(
            "Pipeline", options, index=options.index(pipeline), key=_PIPELINE, width=280, on_change=_choose,
            format_func=lambda each: names.get(each, "Every pipeline"), label_visibility="collapsed",
        )  # fmt: skip


@guarded
def _choose() -> None:
    pipeline = widget_text(_PIPELINE)
    query = {"period": widget_text(_PERIOD) or "30"}
    go(query | ({"pipeline": pipeline} if pipeline else {}))


def _draw_flows(account: Account, since: datetime | None, pipeline: str) -> None:
    runtime = get_runtime()
    found = flows(runtime, account.id, since=since, pipeline_id=pipeline or None)
    if not found:
        st.html('<div class="sq-blank"><b>Nothing left in this time.</b> Choose a longer one, or every pipeline.</div>')
        return
    providers = {flow.recipient for flow in found if flow.kind == "model"}
    known = [each for each in map(runtime.catalogue.provider_terms, sorted(providers)) if each is not None]
    names = pipeline_names(runtime, account.id, {flow.pipeline_id for flow in found if flow.pipeline_id})
    draw_flow_map(found, names, {each.provider: each for each in known}, runtime.clock.now())
    st.html(f'<p class="sq-facts">{LIMITS}</p>')
    unseen = unseen_terms(runtime, account.id, providers)
    _draw_unseen(unseen)
    known = [each for each in known if each not in unseen]
    if known:
        st.html('<h2 class="sq-label">What these providers do with it</h2>')
        for each in known:
            st.html(terms_html(each))


def _draw_unseen(unseen: tuple[ProviderTerms, ...]) -> None:
    """Terms of providers that runs of the API or a schedule used without anybody having been shown them."""
    if not unseen:
        return
    with st.container(border=True, key="flow-unseen"):
        st.html(
            f"<b>{count(len(unseen), 'provider')} got something before you were shown the terms.</b> "
            '<span class="sq-facts">Runs of the API and of schedules do not ask.</span>'
        )
        for each in unseen:
            st.html(terms_html(each, first_note(each, known=True)))
        st.button("I have read this", key="flow-seen", on_click=_saw, args=(unseen,))


@guarded
def _saw(unseen: tuple[ProviderTerms, ...]) -> None:
    runtime = get_runtime()
    owner_id = current_session(runtime).account.id
    shown = [(each.provider, each.terms.checked_at) for each in unseen]
    if attempt(lambda: note_terms_seen(runtime, owner_id, shown)):
        say("Noted. You are shown them again when they change.")


def _draw_standing() -> None:
    """Who gets something whatever a run does."""
    found = standing_recipients(get_runtime())
    if not found:
        return
    rows = "".join(
        f'<tr><td class="sq-cell-name"><b>{escape(each.name)}</b> '
        f'<span class="sq-facts">{escape(each.host)}</span></td>'
        f"<td>{escape(each.purpose)}</td></tr>"
        for each in found
    )
    st.html(
        '<h2 class="sq-label">Used by this installation whatever you run</h2><div class="sq-scroll">'
        '<table class="sq-table"><thead><tr><th scope="col">Recipient</th><th scope="col">What for</th></tr></thead>'
        f"<tbody>{rows}</tbody></table></div>"
    )


def _draw_nothing() -> None:
    st.html(
        '<div class="sq-blank"><b>Nothing of yours has left yet.</b> The demo model runs inside this server. Once a '
        "pipeline calls a provider, sends a web request or delivers a result, who got it is drawn here, with the "
        "region and the kinds of personal data that were in it.<br>"
        f'<a class="sq-link" href="{base_path()}pipelines" target="_self">Open a pipeline</a></div>'
    )


def _since(period: str, now: datetime) -> datetime | None:
    if period == "all":
        return None
    first: date = now.date() - timedelta(days=int(period) - 1)
    return datetime.combine(first, time.min, UTC)


def _download(since: datetime | None, pipeline: str) -> str:
    query = {"from": since.date().isoformat()} if since is not None else {}
    return f"/api/user/egress/export?{urlencode(query | ({'pipeline_id': pipeline} if pipeline else {}))}"
