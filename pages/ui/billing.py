"""Payment beside the pages: the way to Stripe's own, the banner while a payment is due, invoices read once a minute."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

import streamlit as st

from core.accounts.domain import Account
from core.accounts.plans import PLANS
from core.credits.payments.domain import Invoice, Price, Subscription
from core.credits.payments.queries import BillingView, list_invoices, listed_prices, open_subscription
from core.shared.errors import AppError
from pages.ui.memory import keep, take
from pages.ui.theme import asset

if TYPE_CHECKING:
    from core.platform.runtime import Runtime

_GO = "billing-go"
KEPT_SECONDS = 60
_go = st.components.v2.component("stepiq.go", js=asset("go.js"))


def leave_for(url: str) -> None:
    """Send the person to a page of Stripe's with the rerun that follows."""
    keep(_GO, url)


def draw_leaving() -> None:
    """Where a callback asked for it: the browser goes there by itself, and there is a link for one that does not."""
    url = take(_GO)
    if url is None:
        return
    _go(key="billing-go-now", data={"to": url}, height=1)
    with st.container(key="billing-leaving", border=True):
        st.html(
            '<div class="sq-facts"><b>You are being taken to Stripe</b>, where the payment is made. '
            f'<a class="sq-link" href="{escape(url)}" target="_self">Go there now</a></div>'
        )


def draw_dunning(runtime: Runtime, account: Account) -> None:
    """On every page while a period is not paid: what happens, and when."""
    if runtime.payments is None or account.plan == "enterprise":
        return
    subscription = open_subscription(runtime, account.id)
    if subscription is not None and subscription.grace_end is not None:
        with st.container(key="dunning-banner", border=True):
            st.html(f'<div class="sq-facts">{dunning_words(subscription)}</div>')


def dunning_words(subscription: Subscription) -> str:
    """What happens when nothing is paid, and on which day."""
    plan = PLANS[subscription.plan].title if subscription.plan else "plan"
    day = f"{subscription.grace_end:%d %B %Y}".lstrip("0") if subscription.grace_end else ""
    return (
        f"<b>The payment for your {plan} plan did not arrive.</b> It is tried again by itself. If nothing has arrived "
        f"by {day}, your account goes back to Free; what you made stays. "
        '<a class="sq-link" href="/app/billing" target="_self">Change how you pay</a>'
    )


@st.cache_data(ttl=KEPT_SECONDS, show_spinner=False)
def _invoices(_runtime: Runtime, installation: str, owner_id: str, standing: str) -> tuple[tuple[Invoice, ...], str]:
    try:
        return list_invoices(_runtime, owner_id), ""
    except AppError as error:
        return (), error.message


@st.cache_data(ttl=KEPT_SECONDS, show_spinner=False)
def _prices(_runtime: Runtime, installation: str) -> dict[str, Price] | None:
    try:
        return listed_prices(_runtime)
    except AppError:
        return None


def prices_of(runtime: Runtime) -> dict[str, Price] | None:
    """What is sold, by lookup key, as it cost at Stripe at most a minute ago; None where Stripe does not answer."""
    return _prices(runtime, str(runtime.settings.data_dir) + runtime.settings.stripe_api_base)


def invoices_of(runtime: Runtime, owner_id: str, view: BillingView) -> tuple[tuple[Invoice, ...], str]:
    """A person's invoices, and why there are none where Stripe does not answer.

    Asked anew once how they stand has changed, else once a minute.
    """
    return _invoices(runtime, str(runtime.settings.data_dir), owner_id, repr(view))
