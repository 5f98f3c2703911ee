"""A quiet line where a vendor fails that the things on the page use, and what to do.

Asked of the database at most once in 30 seconds, whoever looks: what is told is the same for everybody.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from html import escape
from typing import TYPE_CHECKING

import streamlit as st

from core.execution.vendor_status import VendorTrouble, vendors_in_trouble
from core.pipelines.definition import Definition, LlmStep, resolve_models, walk_steps
from pages.ui.badges import icon
from pages.ui.words import count, vendor

if TYPE_CHECKING:
    from core.platform.runtime import Runtime

KEPT_SECONDS = 30


@st.cache_data(ttl=KEPT_SECONDS, show_spinner=False)
def _troubles(_runtime: Runtime, installation: str) -> tuple[VendorTrouble, ...]:
    return vendors_in_trouble(_runtime)


def troubles(runtime: Runtime) -> tuple[VendorTrouble, ...]:
    """The vendors that fail now, as of at most 30 seconds ago."""
    return _troubles(runtime, str(runtime.settings.data_dir))


def draw_vendor_notice(runtime: Runtime, definitions: Iterable[Definition], advice: str) -> None:
    """Says which vendors of these definitions are in trouble; nothing when none is. `advice`: what to do here."""
    found = troubles(runtime)
    if not found:
        return
    used = {provider for definition in definitions for provider in _providers(runtime, definition)}
    for trouble in found:
        if trouble.provider in used:
            st.html(notice_html(trouble, advice))


def notice_html(trouble: VendorTrouble, advice: str) -> str:
    """The line itself."""
    name = escape(vendor(trouble.provider))
    return (
        f'<div class="sq-trouble" role="status">{icon("cloud_off")}<span><b>{name} is having trouble:</b> '
        f"{trouble.failed:,} of {count(trouble.calls, 'call')} failed in the last {trouble.minutes} minutes. "
        f"{escape(advice)}</span></div>"
    )


def _providers(runtime: Runtime, definition: Definition) -> Collection[str]:
    resolved = resolve_models(definition, runtime.catalogue.default_model())
    models = {step.model for _, step in walk_steps(resolved.steps) if isinstance(step, LlmStep) and step.model}
    cards = (runtime.catalogue.find(model) for model in models)
    return {card.provider for card in cards if card is not None}
