"""What has to be known before a run starts, in one dialog with one click: new recipients, personal data, the cost."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import streamlit as st

from core.execution.found_before import FoundBefore
from core.providers.domain import ProviderTerms
from core.shared.money import format_credits
from pages.ui.personal_data import LIMITS, found_html
from pages.ui.provider_terms import first_note, terms_html


@dataclass(frozen=True, slots=True)
class Before:
    """What is said. `known`: providers that got something before; `cost_micros`: 0 where it need not be said.

    `found`: personal data that would be sent; `told`: this was said before in this browser session.
    """

    terms: Sequence[ProviderTerms] = ()
    known: frozenset[str] = frozenset()
    cost_micros: int = 0
    found: FoundBefore = field(default_factory=FoundBefore)
    told: bool = False

    @property
    def is_needed(self) -> bool:
        """Whether there is anything to say but the cost."""
        return bool(self.terms) or self.warns

    @property
    def warns(self) -> bool:
        """Whether personal data is to be told of: it is sent as it is, and was not told before."""
        return self.found.screening == "warn" and bool(self.found.places) and not self.told


@st.dialog("Before this run", icon=":material/policy:", width="medium")
def before_dialog(before: Before, start: Callable[[], None]) -> None:
    """Says it, and starts the run with one click."""
    for each in before.terms:
        st.html(terms_html(each, first_note(each, known=each.provider in before.known)))
    if before.terms:
        st.html('<p class="sq-facts">You are told once a provider, and again when its terms change.</p>')
    if before.warns:
        st.html(found_html(before.found))
        st.html(f'<p class="sq-facts">{LIMITS} In the settings of the pipeline you choose to mask or block it.</p>')
    label = f"Run for up to {format_credits(before.cost_micros)}" if before.cost_micros else "Run"
    with st.container(horizontal=True):
        if st.button(label, type="primary", key="before-run", on_click=start):
            st.rerun()
        if st.button("Not now", key="before-no"):
            st.rerun()
