"""Where data goes, of everybody together: providers, regions and safeguards, in counts that no person is told from."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

import streamlit as st

from core.bootstrap import get_runtime
from core.execution.egress_kept import PERIODS, Totals, count_totals, totals_of
from core.execution.egress_totals import FEWEST_PEOPLE, TotalFlow
from core.privacy.recipients import StandingRecipient, standing_recipients
from core.privacy.terms_check import check_terms, enabled_providers
from core.providers.domain import ProviderTerms
from core.shared.personal_data.kinds import BY_CATEGORY
from pages.ui.badges import text_badge
from pages.ui.flow_map import KINDS
from pages.ui.notices import attempt, draw_notices
from pages.ui.provider_terms import where
from pages.ui.session import guarded, require_role
from pages.ui.words import time_html, vendor

if TYPE_CHECKING:
    from core.platform.runtime import Runtime

PERIOD_WORDS = {days: f"{days} days" for days in PERIODS}
PROBLEMS = {
    "undated": "Nobody says when its terms were read: set terms_dated in LLAMA_PARTNERS.",
    "old": "Its terms were read {days} days ago: read them again.",
    "no_link": "No link to its terms: set terms_url in LLAMA_PARTNERS.",
    "no_safeguard": "Outside the EEA or nobody knows where, and no safeguard is named: set region or safeguard.",
}


def egress_page() -> None:
    """The recipients of a period, the terms of what is enabled, and what the installation itself uses."""
    runtime = get_runtime()
    require_role(runtime, "admin")
    st.html(
        '<h1 class="sq-title">Where data goes</h1><p class="sq-facts">Everybody’s runs together. What fewer than '
        f"{FEWEST_PEOPLE} people share is folded into one line, and nobody is named.</p>"
    )
    draw_notices()
    days = st.segmented_control(
        "Period", list(PERIODS), default=30, required=True, key="egress-period", format_func=PERIOD_WORDS.__getitem__,
        label_visibility="collapsed",
    )  # fmt: skip
    found = totals_of(runtime, int(days or 30))
    terms = {
        each.provider: each for each in map(runtime.catalogue.provider_terms, runtime.catalogue.providers()) if each
    }
    _draw_counted(runtime, found)
    if found is not None:
        _draw_flows(found.flows, terms)
    _draw_terms(enabled_providers(runtime))
    _draw_standing(standing_recipients(runtime))


def _draw_counted(runtime: Runtime, found: Totals | None) -> None:
    """As of when the numbers are, where they were not counted for this look."""
    if found is not None and found.counted_at is None:
        return
    said = "There is much of it, so it is added up every hour. It was not yet."
    if found is not None and found.counted_at is not None:
        said = f"Added up {time_html(found.counted_at, runtime.clock.now())}, as every hour."
    with st.container(horizontal=True, vertical_alignment="center", key="egress-as-of"):
        st.html(f'<p class="sq-facts">{said}</p>', width="content")
        st.button("Add it up now", key="egress-count", icon=":material/refresh:", type="tertiary", on_click=_count)


@guarded
def _count() -> None:
    runtime = get_runtime()
    require_role(runtime, "admin")
    attempt(lambda: count_totals(runtime))


def _draw_flows(found: tuple[TotalFlow, ...], terms: dict[str, ProviderTerms]) -> None:
    if not found:
        st.html('<div class="sq-blank"><b>Nothing left in this time.</b> The demo model runs inside this server.</div>')
        return
    rows = "".join(_flow_row(flow, terms) for flow in found)
    st.html(
        '<div class="sq-scroll"><table class="sq-table"><thead><tr><th scope="col">Recipient</th><th scope="col">Where'
        '</th><th scope="col">What</th><th scope="col" class="sq-num">Times</th><th scope="col" class="sq-num">People'
        f'</th><th scope="col">Personal data found</th></tr></thead><tbody>{rows}</tbody></table></div>'
    )


def _flow_row(flow: TotalFlow, terms: dict[str, ProviderTerms]) -> str:
    if flow.recipient is None:
        few = f"Fewer than {FEWEST_PEOPLE} people each"
        return (
            f'<tr><td class="sq-cell-name">{few}</td><td></td><td></td><td class="sq-num">{flow.times:,}</td>'
            '<td class="sq-num"></td><td></td></tr>'
        )
    known = terms.get(flow.recipient) if flow.kind == "model" else None
    place = where(known) if known is not None else "This installation" if flow.kind == "file" else "Named by people"
    data = ", ".join(BY_CATEGORY[each].many if each in BY_CATEGORY else each for each in flow.categories)
    return (
        f'<tr><td class="sq-cell-name"><b>{escape(vendor(flow.recipient))}</b></td><td>{escape(place)}</td>'
        f'<td>{escape(KINDS.get(flow.kind or "", flow.kind or ""))}</td><td class="sq-num">{flow.times:,}</td>'
        f'<td class="sq-num">{flow.people:,}</td><td>{escape(data or "none found")}</td></tr>'
    )


def _draw_terms(enabled: tuple[ProviderTerms, ...]) -> None:
    """Every provider that may be called, where it lies, by which safeguard, and what its terms lack."""
    st.html('<h2 class="sq-label">Providers that may be called</h2>')
    if not enabled:
        st.html('<div class="sq-empty">None: no key is set, and nobody has one of their own.</div>')
        return
    problems: dict[str, list[str]] = {}
    for finding in check_terms(get_runtime()):
        problems.setdefault(finding.provider, []).append(PROBLEMS[finding.problem].format(days=finding.days))
    rows = "".join(_terms_row(each, problems.get(each.provider, [])) for each in enabled)
    st.html(
        '<div class="sq-scroll"><table class="sq-table"><thead><tr><th scope="col">Provider</th>'
        '<th scope="col">Where</th><th scope="col">Safeguard (GDPR Art. 46)</th>'
        '<th scope="col" class="sq-num">Terms read</th><th scope="col">Missing</th></tr>'
        f"</thead><tbody>{rows}</tbody></table></div>"
    )


def _terms_row(each: ProviderTerms, problems: list[str]) -> str:
    terms = each.terms
    side = {True: ("in the EEA", "green"), False: ("outside", "amber"), None: ("not known", "amber")}[terms.in_eea]
    needed = "not needed" if terms.in_eea else terms.safeguard or "none named"
    missing = "<br>".join(map(escape, problems)) or "nothing"
    return (
        f'<tr><td class="sq-cell-name"><b>{escape(vendor(each.provider))}</b></td><td>{escape(each.region)} '
        f"{text_badge(*side)}</td><td>{escape(needed)}</td>"
        f'<td class="sq-num">{escape(terms.checked_at or "no date")}</td><td>{missing}</td></tr>'
    )


def _draw_standing(found: tuple[StandingRecipient, ...]) -> None:
    if not found:
        return
    rows = "".join(
        f'<tr><td class="sq-cell-name"><b>{escape(each.name)}</b> '
        f'<span class="sq-facts">{escape(each.host)}</span></td>'
        f"<td>{escape(each.purpose)}</td><td>{escape(each.safeguard or _where(each))}</td></tr>"
        for each in found
    )
    st.html(
        '<h2 class="sq-label">Used whatever people run</h2><div class="sq-scroll"><table class="sq-table"><thead><tr>'
        '<th scope="col">Recipient</th><th scope="col">What for</th><th scope="col">Safeguard</th></tr></thead>'
        f"<tbody>{rows}</tbody></table></div>"
    )


def _where(each: StandingRecipient) -> str:
    return "in the EEA" if each.in_eea else "you know where it stands"


if __name__ == "__main__":
    egress_page()
