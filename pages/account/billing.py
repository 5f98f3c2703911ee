"""What a person's plan gives and costs, how it is changed and paid, and how money comes back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import astuple
from datetime import datetime
from html import escape
from typing import TYPE_CHECKING, cast

import streamlit as st

from core.accounts.domain import Account, SessionView
from core.accounts.plans import PLANS, Plan
from core.bootstrap import get_runtime
from core.credits.payments.checkouts import Order, open_checkout, open_portal
from core.credits.payments.domain import (
    PACK_CREDITS,
    PACK_KEY,
    Interval,
    Price,
    Subscription,
    format_money,
    offer_key,
    withdrawal_end,
)
from core.credits.payments.queries import BillingView, billing_of, list_purchases
from core.credits.payments.refunds import (
    RefundOffer,
    purchase_offers,
    subscription_offer,
    withdraw_purchase,
    withdraw_subscription,
)
from core.credits.plan_words import allowed, logs_go_before
from core.credits.queries import plan_standing
from core.shared.errors import AppError
from pages.ui.badges import text_badge
from pages.ui.billing import draw_leaving, invoices_of, leave_for, prices_of
from pages.ui.leaving_runs import what_goes
from pages.ui.memory import ask_dialog, forget_widgets, take_dialog, widget_text
from pages.ui.notices import attempt, draw_notices, say
from pages.ui.session import current_session, guarded
from pages.ui.words import joined, time_html

if TYPE_CHECKING:
    from core.platform.runtime import Runtime

INTERVAL, CODE, PACK, RETURNED = "billing-interval", "billing-code", "billing-pack", "checkout"
PACKS = (1, 2, 5, 10, 20)
INTERVAL_WORDS: dict[Interval, str] = {"monthly": "Monthly", "yearly": "Yearly, 10 % less"}


def billing_page() -> None:
    """The plan, the plans there are, credits to buy, invoices, and withdrawal."""
    runtime = get_runtime()
    session = current_session(runtime)
    account, view = session.account, billing_of(runtime, session.account)
    _draw_title(runtime, account, view)
    draw_notices()
    draw_leaving()
    _draw_return(account)
    if runtime.payments is None:
        _draw_unsold(account)
        return
    prices = prices_of(runtime)
    if prices is None:
        st.html(
            '<div class="sq-blank"><b>Our payment service does not answer right now.</b> Your plan goes on; come back '
            "in a minute to change it.</div>"
        )
    else:
        _draw_plans(account, view, prices)
        _draw_credits(prices)
    if view.is_customer:
        _draw_invoices(runtime, account, view)
        _draw_withdrawal(runtime, session, view)
    dialog, details = take_dialog()
    if dialog == "withdraw":
        _confirm_withdrawal(**details)


def _draw_title(runtime: Runtime, account: Account, view: BillingView) -> None:
    planned = plan_standing(runtime, account).planned
    mine = view.subscription
    facts = [f"{PLANS[account.plan].title} plan"]
    if mine is not None and mine.interval is not None:
        facts.append(f"{mine.interval}, {format_money(mine.cents, mine.currency)} before tax and discounts")
        if mine.ends_at is None and mine.grace_end is None:
            facts.append(f"next payment on {_day(mine.period_end)}")
    if planned is not None:
        facts.append(f"{PLANS[planned.plan].title} from {_day(planned.at)}")
    with st.container(horizontal=True, vertical_alignment="center", key="billing-head"):
        st.html(f'<h1 class="sq-title">Billing</h1><p class="sq-facts">{escape(joined(*facts))}</p>')
        if view.is_customer and runtime.payments is not None:
            st.button(
                "Payment and cancelling", key="billing-portal", icon=":material/open_in_new:", on_click=_portal,
                help="On Stripe's page: how you pay, your address on invoices, the end of your subscription.",
            )  # fmt: skip


def _draw_return(account: Account) -> None:
    """After Checkout: nothing is believed of the address that led here, only what Stripe confirmed since."""
    came = st.query_params.get(RETURNED)
    if came == "left":
        st.html('<div class="sq-blank">You left before paying. Nothing was bought, and nothing was charged.</div>')
    elif came == "done":
        _draw_waiting(account.id)


@st.fragment(run_every=2)
def _draw_waiting(owner_id: str) -> None:
    runtime = get_runtime()
    account = current_session(runtime).account
    if account.id != owner_id:
        return
    if billing_of(runtime, account).is_waiting:
        st.html(
            '<div class="sq-blank" role="status"><b>We are waiting for the payment’s confirmation.</b> It comes from '
            "Stripe, mostly within seconds. You can leave this page: your plan changes by itself.</div>"
        )
        return
    del st.query_params[RETURNED]
    st.rerun()


def _draw_unsold(account: Account) -> None:
    plan = PLANS[account.plan]
    st.html(
        '<div class="sq-blank"><b>Nothing is sold on this installation.</b> An admin sets the plans: ask yours if you '
        "need another one.</div>"
    )
    st.html(f'<h2 class="sq-id">What {plan.title} gives</h2>{_gives(plan)}')


def _draw_plans(account: Account, view: BillingView, prices: Mapping[str, Price]) -> None:
    mine = view.subscription
    with st.container(horizontal=True, vertical_alignment="bottom", key="billing-choice"):
        st.segmented_control(
            "How you pay", list(INTERVAL_WORDS), format_func=INTERVAL_WORDS.__getitem__, key=INTERVAL,
            default=mine.interval if mine and mine.interval else "monthly", required=True,
        )  # fmt: skip
        if mine is None:
            st.text_input("Discount code", key=CODE, width=200, max_chars=60, placeholder="If you have one")
    interval = _interval()
    with st.container(key="plans"):
        for place, plan in zip(st.columns(len(PLANS)), PLANS.values(), strict=True):
            with place, st.container(border=True, key=f"plan-{plan.name}", height="stretch"):
                _draw_plan(account, mine, plan, interval, prices)
    st.html(
        '<p class="sq-facts">Prices are before tax, which Checkout adds where it is due. A larger plan counts at once '
        "and you pay the difference for the rest of the period; a smaller one counts from its end. You may withdraw "
        "within 14 days.</p>"
    )


def _draw_plan(
    account: Account, mine: Subscription | None, plan: Plan, interval: Interval, prices: Mapping[str, Price]
) -> None:
    here = text_badge("yours", "green") if account.plan == plan.name else ""
    offered = prices.get(offer_key(plan.name, interval))
    price = "as agreed" if plan.price_eur is None else "0 EUR" if plan.price_eur == 0 else "not on sale"
    if offered is not None:
        price = format_money(offered.cents, offered.currency)
    per = ("a year" if interval == "yearly" else "a month") if offered else ""
    st.html(
        f'<div class="sq-row"><h2 class="sq-id">{plan.title}</h2>{here}</div>'
        f'<div class="sq-price"><b>{price}</b> <span class="sq-facts">{per}</span></div>'
        f"{_gives(plan)}"
    )
    if plan.name == "free" and mine is not None and mine.ends_at is None:
        before = logs_go_before(PLANS[account.plan], plan, mine.period_end)
        if before is not None:
            told = what_goes(get_runtime(), account, plan, mine.period_end, before)
            st.html(f'<p class="sq-facts">{told}</p>')
        st.button(
            "Cancel", key="choose-free", width="stretch", on_click=_portal,
            help="On Stripe's page. Your plan goes on to the end of what you paid.",
        )  # fmt: skip
    if offered is None or account.plan == "enterprise":
        return
    same = mine is not None and (mine.plan, mine.interval) == (plan.name, interval)
    if same and mine is not None and mine.ends_at is None and mine.next_plan is None:
        return
    label = "Keep it" if same else f"Change to {plan.title}" if mine else f"Choose {plan.title}"
    st.button(
        label, key=f"choose-{plan.name}", type="secondary" if plan.name == "starter" else "primary", width="stretch",
        on_click=_choose, args=(plan.name,),
    )  # fmt: skip


def _gives(plan: Plan) -> str:
    """What a plan allows, as a list."""
    lines = "".join(f"<li>{escape(line)}</li>" for line in astuple(allowed(plan)))
    return f'<ul class="sq-plain-list">{lines}</ul>'


def _draw_credits(prices: Mapping[str, Price]) -> None:
    offered = prices.get(PACK_KEY)
    if offered is None:
        return
    with st.container(border=True, key="billing-credits"):
        st.html(
            '<h2 class="sq-id">Buy credits</h2><p class="sq-facts">They are used after the month’s own, and do not end '
            "with the month.</p>"
        )
        with st.container(horizontal=True, vertical_alignment="bottom"):
            packs = st.selectbox("Credits", PACKS, key=PACK, width=180, format_func=_pack_words)
            label = f"Buy for {format_money(packs * offered.cents, offered.currency)}"
            st.button(label, key="buy-credits", icon=":material/add:", on_click=_buy)


def _pack_words(packs: int) -> str:
    return f"{packs * PACK_CREDITS:,} credits"


def _draw_invoices(runtime: Runtime, account: Account, view: BillingView) -> None:
    invoices, trouble = invoices_of(runtime, account.id, view)
    st.html('<h2 class="sq-id">Invoices</h2>')
    if trouble:
        st.html(f'<p class="sq-facts">{escape(trouble)}</p>')
        return
    if not invoices:
        st.html('<div class="sq-blank">There is no invoice yet. Each payment makes one.</div>')
        return
    rows = "".join(
        f"<tr><td>{escape(each.number)}</td><td>{_day(each.created_at)}</td>"
        f'<td class="sq-num">{format_money(each.total, each.currency)}</td><td>{_invoice_badge(each.status)}</td>'
        f"<td>{_invoice_link(each.url, each.number)}</td></tr>"
        for each in invoices
    )
    st.html(
        '<div class="sq-scroll"><table class="sq-table"><thead><tr><th>Number</th><th>Date</th>'
        f'<th class="sq-num">Total</th><th>State</th><th></th></tr></thead><tbody>{rows}</tbody></table></div>'
    )


def _invoice_badge(status: str) -> str:
    looks = {"paid": ("paid", "green"), "open": ("to be paid", "amber"), "uncollectible": ("not paid", "red")}
    return text_badge(*looks.get(status, (status, "gray")))


def _invoice_link(url: str | None, number: str) -> str:
    if url is None or not url.startswith("https://"):
        return ""
    label = escape(f"Open invoice {number}")
    return f'<a class="sq-link" href="{escape(url)}" target="_blank" rel="noopener" aria-label="{label}">Open</a>'


def _draw_withdrawal(runtime: Runtime, session: SessionView, view: BillingView) -> None:
    owner_id, now = session.account.id, runtime.clock.now()
    recent = view.subscription is not None and now < withdrawal_end(view.subscription.started_at)
    bought = [each for each in list_purchases(runtime, owner_id) if now < withdrawal_end(each.paid_at)]
    if not (recent or bought or view.refunds):
        return
    with st.container(border=True, key="billing-withdrawal"):
        st.html(
            '<h2 class="sq-id">Money back</h2><p class="sq-facts">Within 14 days of buying you may withdraw, without '
            "a reason. What you did not use comes back the way you paid.</p>"
        )
        if recent or bought:
            if session.is_confirmed(now):
                _draw_offers(runtime, owner_id, recent, now)
            else:
                st.html(
                    '<p><a class="sq-link" href="/auth/confirm?then=billing" target="_self">Confirm your password, '
                    "then see what comes back</a></p>"
                )
        for refund in view.refunds:
            words = {"done": "is back with you", "failed": "could not be sent: write to us"}.get(
                refund.state, "is on its way"
            )
            money = format_money(refund.amount, refund.currency)
            st.html(f'<p class="sq-facts">{money} {words} · asked for {time_html(refund.created_at, now)}</p>')


def _draw_offers(runtime: Runtime, owner_id: str, recent: bool, now: datetime) -> None:
    try:
        mine = subscription_offer(runtime, owner_id) if recent else None
    except AppError as error:
        st.html(f'<p class="sq-facts">{escape(error.message)}</p>')
        return
    offers = [("subscription", mine)] if mine is not None and mine.amount else []
    offers += [("purchase", offer) for offer in purchase_offers(runtime, owner_id) if now < offer.until]
    if not offers:
        st.html('<p class="sq-facts">Everything you bought is used, so nothing would come back.</p>')
    for kind, offer in offers:
        back = format_money(offer.amount, offer.currency)
        what = "your subscription" if kind == "subscription" else f"{offer.credits:,} credits that are not used"
        with st.container(horizontal=True, vertical_alignment="center", key=f"offer-{offer.subject_id}"):
            paid = format_money(offer.paid, offer.currency)
            st.html(f'<div class="sq-facts"><b>{back}</b> of {paid}, for {what}; until {_day(_last(offer))}</div>')
            st.button(
                "Withdraw", key=f"withdraw-{offer.subject_id}", on_click=_ask_withdrawal,
                args=(kind, offer.subject_id, back),
            )  # fmt: skip


def _confirm_withdrawal(kind: str, subject_id: str, back: str) -> None:
    @st.dialog("Withdraw?", icon=":material/undo:")
    def ask() -> None:
        what = (
            "Your subscription ends now, and your account goes back to Free. What you made stays."
            if kind == "subscription"
            else "The credits that are not used go."
        )
        st.html(f"<p>{what} <b>{escape(back)}</b> comes back the way you paid, mostly within ten days.</p>")
        with st.container(horizontal=True):
            label = f"Withdraw and get {back}"
            if st.button(label, type="primary", key="withdraw-go", on_click=_withdraw, args=(kind, subject_id)):
                st.rerun()
            if st.button("Keep it", key="withdraw-keep"):
                st.rerun()

    ask()


def _day(moment: datetime) -> str:
    return f"{moment.day} {moment:%b %Y}"


def _last(offer: RefundOffer) -> datetime:
    """The last day on which a person may withdraw."""
    return datetime.fromordinal(offer.until.toordinal() - 1)


def _interval() -> Interval:
    return cast(Interval, widget_text(INTERVAL) or "monthly")


@guarded
def _choose(plan: str) -> None:
    runtime = get_runtime()
    account = current_session(runtime).account
    order = Order(plan, _interval(), code=widget_text(CODE).strip() or None)
    if attempt(lambda: leave_for(open_checkout(runtime, account, order))):
        forget_widgets(CODE)


@guarded
def _buy() -> None:
    runtime = get_runtime()
    account = current_session(runtime).account
    packs = int(widget_text(PACK) or 1)
    attempt(lambda: leave_for(open_checkout(runtime, account, Order(credits=packs * PACK_CREDITS))))


@guarded
def _portal() -> None:
    runtime = get_runtime()
    account = current_session(runtime).account
    attempt(lambda: leave_for(open_portal(runtime, account)))


@guarded
def _ask_withdrawal(kind: str, subject_id: str, back: str) -> None:
    ask_dialog("withdraw", kind=kind, subject_id=subject_id, back=back)


@guarded
def _withdraw(kind: str, subject_id: str) -> None:
    runtime = get_runtime()
    session = current_session(runtime)

    def withdraw() -> None:
        if kind == "subscription":
            withdraw_subscription(runtime, session)
        else:
            withdraw_purchase(runtime, session, subject_id)

    if attempt(withdraw):
        say("Done. The money is on its way.")
