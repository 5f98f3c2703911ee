"""The cap of an API key or a schedule: what of it is taken this month, and the fields that set it."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from core.accounts.automation import LARGEST_CAP, cap_micros
from core.shared.money import credits_number, format_credits

HELP = "The most its runs may take in a calendar month (UTC). Empty: no cap."


def cap_meter(taken: int, cap: int | None) -> str:
    """`12.4 of 100 cr this month` over a small bar; without a cap what was taken, in words alone."""
    if cap is None:
        return f'<div class="sq-facts">{format_credits(taken)} this month, no cap</div>' if taken else ""
    said = f"{format_credits(taken).removesuffix(' cr')} of {format_credits(cap)} this month"
    share = 100 * taken / cap if cap else 100
    full = " sq-full" if taken >= cap else ""
    return (
        f'<div class="sq-facts sq-cap">{said}<div class="sq-meter{full}" role="img" aria-label="{said}">'
        f'<span style="width:{min(share, 100):.0f}%"></span></div></div>'
    )


def draw_cap_field(key: str, label: str = "Cap, in credits a month") -> None:
    """The field of a form."""
    st.number_input(
        label, min_value=0.0, max_value=float(LARGEST_CAP), value=None, step=10.0, format="%g", key=key, width=220,
        placeholder="No cap", help=HELP,
    )  # fmt: skip


def typed_cap(key: str) -> int | None:
    """What is in the field now, in micro-credits. Raises InvalidInput."""
    typed = st.session_state.get(key)
    return cap_micros(None if typed is None else float(typed))


def draw_cap_change(key: str, cap: int | None, save: Callable[[str], None]) -> None:
    """A small menu beside a row; `save` is a callback that is given the field's key."""
    field = f"{key}-field"
    with st.popover("Cap", icon=":material/savings:"):
        st.session_state.setdefault(field, None if cap is None else float(credits_number(cap)))
        draw_cap_field(field)
        st.button("Save cap", key=f"{key}-save", type="primary", on_click=save, args=(field,))
