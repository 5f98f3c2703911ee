"""What has to be known before a run starts, in one dialog with one click: new recipients, and what it may cost."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import streamlit as st

from core.providers.domain import ProviderTerms
from core.shared.money import format_credits
from pages.ui.provider_terms import first_note, terms_html


@dataclass(frozen=True, slots=True)
class Before:
    """What is said. `known`: providers that got something of this person's before; `cost`: 0 where it need not be."""

    terms: Sequence[ProviderTerms] = ()
    known: frozenset[str] = frozenset()
    cost_micros: int = 0

    @property
    def is_needed(self) -> bool:
        """Whether there is anything to say but the cost."""
        return bool(self.terms)


@st.dialog("Before this run", icon=":material/policy:", width="medium")
def before_dialog(before: Before, start: Callable[[], object]) -> None:
    """Says it, and starts the run with one click."""
    for each in before.terms:
        st.html(terms_html(each, first_note(each, known=each.provider in before.known)))
    if before.terms:
        st.html('<p class="sq-facts">You are told once a provider, and again when its terms change.</p>')
    label = f"Run for up to {format_credits(before.cost_micros)}" if before.cost_micros else "Run"
    with st.container(horizontal=True):
        if st.button(label, type="primary", key="before-run", on_click=start):
            st.rerun()
        if st.button("Not now", key="before-no"):
            st.rerun()
