"""A person's credits beside the pages."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from core.accounts.domain import Account
from core.credits.commands import grant_month
from core.credits.queries import balance
from core.shared.money import format_credits
from pages.ui.memory import first_time

if TYPE_CHECKING:
    from core.platform.runtime import Runtime


def open_month(runtime: Runtime, account: Account) -> None:
    """Grants the month's credits if they were not yet: a new person sees what they have before the first run."""
    if first_time("credits"):
        grant_month(runtime, account)


def draw_credits(runtime: Runtime, account: Account) -> None:
    """What is left, as a sentence and a bar."""
    credits = balance(runtime, account)
    if credits.unlimited:
        st.html('<div class="sq-side">Unlimited credits</div>')
        return
    share = 100 * credits.available_micros / credits.began_micros if credits.began_micros else 0
    left = format_credits(credits.available_micros)
    said = f"{left} of {format_credits(credits.began_micros)} left"
    st.html(
        f'<div class="sq-side"><span>{said}</span><div class="sq-meter" role="img" aria-label="{said}">'
        f'<span style="width:{min(share, 100):.0f}%"></span></div></div>'
    )
