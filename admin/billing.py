"""What was sold, what is not paid, discount codes, money that goes back, and messages of Stripe's that are not done."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from html import escape
from typing import TYPE_CHECKING

import streamlit as st

from core.accounts.domain import SessionView
from core.accounts.plans import PLANS
from core.bootstrap import get_runtime
from core.credits.payments.discounts import end_code, make_code
from core.credits.payments.domain import PLAN_EUR, format_money
from core.credits.payments.events import work_off
from core.credits.payments.queries import (
    CodeView,
    OwnedSubscription,
    SubscriptionFigures,
    list_codes,
    list_events,
    list_refunds,
    list_subscriptions,
    subscription_figures,
)
from core.credits.payments.refunds import withdraw_subscription
from core.platform.bounded import MANY
from pages.ui.address import address
from pages.ui.badges import text_badge
from pages.ui.filters import AFTER, choose, pager_html
from pages.ui.memory import ask_dialog, keep, recall, take_dialog, widget_number, widget_text
from pages.ui.notices import attempt, draw_notices, say
from pages.ui.session import guarded, require_role
from pages.ui.words import count, exact, joined, many, time_html, until

if TYPE_CHECKING:
    from core.platform.runtime import Runtime

ROLES = ("admin", "accounting")
CODE, PERCENT, CYCLES, PLAN, LIMIT, ENDS, ADDRESSES = (
    f"code-{name}" for name in ("word", "percent", "cycles", "plan", "limit", "ends", "addresses")
)
CODES_A_PAGE, SUBSCRIPTIONS_A_PAGE, OVERDUE_FIRST, MOST_EVENTS = 15, 20, 10, 50
CODES_CURSOR = "billing-codes-cursor"
CYCLES_WORDS = {1: "the first payment", 2: "2 payments", 3: "3 payments", 6: "6 payments", 12: "12 payments", 0: "all"}
STATES = {
    "active": ("paid", "green"),
    "trialing": ("on trial", "blue"),
    "past_due": ("payment failed", "amber"),
    "unpaid": ("not paid", "red"),
    "paused": ("paused", "gray"),
}


def billing_page() -> None:
    """Figures, then what needs somebody, then the rest."""
    runtime = get_runtime()
    session = require_role(runtime, *ROLES)
    st.html('<h1 class="sq-title">Payments</h1>')
    draw_notices()
    figures, events = subscription_figures(runtime), list_events(runtime)
    if runtime.payments is None:
        st.html(
            '<div class="sq-blank"><b>Payment is not configured.</b> Plans are set by an admin. To sell them, set '
            "<code>STRIPE_SECRET_KEY</code>, run <code>stepiq billing setup</code>, set "
            "<code>STRIPE_WEBHOOK_SECRET</code> to what it prints, and start again.</div>"
        )
    elif not runtime.payments.is_ready:
        st.html(
            '<div class="sq-trouble">Nothing is sold yet: without <code>STRIPE_WEBHOOK_SECRET</code> no payment could '
            "be confirmed. <code>stepiq billing setup</code> prints it.</div>"
        )
    _draw_figures(figures, len(events))
    if events:
        _draw_events(runtime)
    _draw_subscriptions(runtime, session, figures)
    _draw_codes(runtime)
    _draw_refunds(runtime)
    dialog, details = take_dialog()
    if dialog == "refund":
        _confirm_refund(**details)


def _draw_figures(found: SubscriptionFigures, waiting: int) -> None:
    with st.container(key="figures"):
        places = st.columns(4)
    figures = (
        ("Subscriptions", many(found.open, MANY)),
        ("Not paid", many(found.overdue, MANY)),
        ("Cancelled", many(found.ending, MANY)),
        ("Messages that wait", many(waiting, MOST_EVENTS - 1)),
    )
    for place, (label, said) in zip(places, figures, strict=True):
        place.metric(label, said, border=True)


def _draw_events(runtime: Runtime) -> None:
    now = runtime.clock.now()
    with st.container(border=True, key="billing-events"):
        with st.container(horizontal=True, vertical_alignment="center"):
            st.html(
                '<h2 class="sq-id">Messages of Stripe’s that are not done</h2><p class="sq-facts">They are tried again '
                "every minute. What they are about is asked of Stripe anew, so nothing is lost.</p>"
            )
            st.button("Try again now", key="events-again", on_click=_work_off)
        rows = "".join(
            f"<tr><td>{time_html(each.received_at, now)}</td><td>{escape(each.type)}</td>"
            f'<td class="sq-num">{each.attempts}</td><td>{escape(each.error_code or "")}</td></tr>'
            for each in list_events(runtime)
        )
        _table("<th>Received</th><th>About</th><th class='sq-num'>Tries</th><th>Failure</th>", rows)


def _draw_subscriptions(runtime: Runtime, session: SessionView, figures: SubscriptionFigures) -> None:
    st.html('<h2 class="sq-id">Subscriptions</h2>')
    if not figures.open:
        st.html('<div class="sq-blank">Nobody has a subscription. People choose a plan under Billing.</div>')
        return
    now = runtime.clock.now()
    confirmed = session.is_confirmed(now)
    if not confirmed:
        st.html(
            '<div class="sq-empty">Money is given back within 10 minutes after your password. '
            '<a class="sq-link" href="/auth/confirm?then=admin-billing" target="_self">Confirm it</a>.</div>'
        )
    choose("Which", "state", {"": "All, those not paid first", "overdue": "Not paid"}, width=240)
    query = address()
    late, cursor = query.get("state") == "overdue", query.get(AFTER)
    page = list_subscriptions(runtime, overdue=late, limit=SUBSCRIPTIONS_A_PAGE, cursor=cursor)
    first = () if late or cursor else list_subscriptions(runtime, overdue=True, limit=OVERDUE_FIRST).items
    for each in (*first, *(one for one in page.items if one not in first)):
        _draw_subscription(each, now, confirmed)
    st.html(pager_html("admin-billing", page.next_cursor, "Later") or "<span></span>")


def _draw_subscription(owned: OwnedSubscription, now: datetime, confirmed: bool) -> None:
    mine = owned.subscription
    plan = PLANS[mine.plan].title if mine.plan else "unknown price"
    coming = ""
    if mine.grace_end is not None:
        coming = f"back to Free {_when(mine.grace_end, now)}"
    elif mine.ends_at is not None:
        coming = f"ends {_when(mine.ends_at, now)}"
    elif mine.next_plan is not None and mine.next_at is not None:
        coming = f"{PLANS[mine.next_plan].title} {_when(mine.next_at, now)}"
    else:
        coming = f"next payment {_when(mine.period_end, now)}"
    with st.container(horizontal=True, vertical_alignment="center", key=f"subscription-{mine.id}"):
        facts = joined(escape(mine.interval or ""), coming, f"since {time_html(mine.started_at, now)}")
        st.html(
            f'<div class="sq-row"><code class="sq-ref" title="{escape(owned.owner_id)}">{escape(owned.owner_id[-12:])}'
            f"</code> <b>{plan}</b>{text_badge(*STATES.get(mine.status, (mine.status, 'gray')))}"
            f'<span class="sq-facts">{facts}</span></div>'
        )
        st.button(
            "Give back", key=f"refund-{mine.id}", type="tertiary", disabled=not confirmed, on_click=_ask_refund,
            args=(owned.owner_id, plan), help="What is not used of it; the subscription ends now.",
        )  # fmt: skip


def _when(moment: datetime, now: datetime) -> str:
    return f'<span title="{exact(moment)}">{escape(until(moment, now))}</span>'


def _draw_codes(runtime: Runtime) -> None:
    st.html('<h2 class="sq-id">Discount codes</h2>')
    with st.expander("Make a code", icon=":material/add:"), st.form("code-form", border=False, clear_on_submit=False):
        with st.container(horizontal=True, vertical_alignment="bottom"):
            st.text_input("Code", key=CODE, width=200, max_chars=40, placeholder="SPRING-27")
            st.number_input("Percent off", 1, 100, 20, key=PERCENT, width=130)
            st.selectbox("For", list(CYCLES_WORDS), key=CYCLES, width=190, format_func=CYCLES_WORDS.__getitem__)
            st.selectbox("Plan", ["", *PLAN_EUR], key=PLAN, width=150, format_func=_plan_words)
            st.number_input("Uses at most", 1, 1_000_000, None, key=LIMIT, width=150, placeholder="No limit")
            st.date_input("Last day", None, key=ENDS, width=160, min_value=runtime.clock.now().date())
        st.text_area(
            "Only for these addresses", key=ADDRESSES, height=90, placeholder="One a line; empty: for everybody",
            help="Kept as keyed hashes: they can be compared, and not be read again.",
        )  # fmt: skip
        st.form_submit_button("Make code", type="primary", on_click=_make)
    codes = list_codes(runtime, CODES_A_PAGE, recall(CODES_CURSOR))
    if not codes.items:
        st.html('<div class="sq-blank">There is no code yet. A code takes a part off the first payments.</div>')
    for code in codes.items:
        _draw_code(code, runtime.clock.now())
    with st.container(horizontal=True):
        if recall(CODES_CURSOR):
            st.button("Newest codes", key="codes-newest", on_click=keep, args=(CODES_CURSOR, None))
        if codes.next_cursor:
            st.button("Older codes", key="codes-older", on_click=keep, args=(CODES_CURSOR, codes.next_cursor))


def _draw_code(code: CodeView, now: datetime) -> None:
    over = code.ended_at is not None or (code.expires_at is not None and code.expires_at <= now)
    of = f" of {code.max_redemptions:,}" if code.max_redemptions else ""
    facts = joined(
        f"{code.percent} % off {CYCLES_WORDS.get(code.cycles or 0, f'{code.cycles} payments')}",
        PLANS[code.plan].title if code.plan else "",
        f"{count(code.used, 'use')}{of}",
        f"until {code.expires_at:%Y-%m-%d}" if code.expires_at else "",
        "for named addresses" if code.is_limited else "",
    )
    with st.container(horizontal=True, vertical_alignment="center", key=f"code-row-{code.id}"):
        badge = text_badge("over", "gray") if over else ""
        st.html(
            f'<div class="sq-row"><code class="sq-ref">{escape(code.code)}</code>{badge}'
            f'<span class="sq-facts">{escape(facts)}</span></div>'
        )
        if code.ended_at is None:
            st.button("Take back", key=f"code-end-{code.id}", type="tertiary", on_click=_end, args=(code.id,))


def _draw_refunds(runtime: Runtime) -> None:
    refunds = list_refunds(runtime)
    if not refunds:
        return
    now = runtime.clock.now()
    st.html('<h2 class="sq-id">Money given back</h2>')
    looks = {"done": ("sent", "green"), "failed": ("failed", "red"), "sent": ("on its way", "blue")}
    rows = "".join(
        f'<tr><td>{time_html(each.created_at, now)}</td><td><code class="sq-ref" title="{escape(each.owner_id)}">'
        f'{escape(each.owner_id[-12:])}</code></td><td class="sq-num">{format_money(each.amount, each.currency)}</td>'
        f"<td>{text_badge(*looks.get(each.state, ('waits', 'amber')))}</td></tr>"
        for each in refunds
    )
    _table('<th>Asked for</th><th>Person</th><th class="sq-num">Amount</th><th>State</th>', rows)


def _table(head: str, rows: str) -> None:
    st.html(
        f'<div class="sq-scroll"><table class="sq-table"><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>'
        "</div>"
    )


def _plan_words(name: str) -> str:
    return PLANS[name].title if name else "Both"


def _confirm_refund(owner_id: str, plan: str) -> None:
    @st.dialog("Give money back?", icon=":material/undo:")
    def ask() -> None:
        st.html(
            f"<p>The {escape(plan)} subscription of <code>{escape(owner_id[-12:])}</code> ends now, and the part that "
            "was not used goes back. This cannot be taken back.</p>"
        )
        with st.container(horizontal=True):
            if st.button("Give it back", type="primary", key="refund-go", on_click=_refund, args=(owner_id,)):
                st.rerun()
            if st.button("Not now", key="refund-keep"):
                st.rerun()

    ask()


@guarded
def _work_off() -> None:
    runtime = get_runtime()
    require_role(runtime, *ROLES)
    if attempt(lambda: work_off(runtime)):
        say("Tried again.")


@guarded
def _make() -> None:
    runtime = get_runtime()
    session = require_role(runtime, *ROLES)
    cycles, limit = int(widget_number(CYCLES)), int(widget_number(LIMIT))
    day: date | None = recall(ENDS)
    ends = datetime.combine(day, time.max, UTC).replace(microsecond=0) if day else None
    made = attempt(
        lambda: make_code(
            runtime,
            session,
            code=widget_text(CODE),
            percent=int(widget_number(PERCENT)),
            cycles=cycles or None,
            plan=widget_text(PLAN) or None,
            max_redemptions=limit or None,
            expires_at=ends,
            addresses=widget_text(ADDRESSES).split(),
        )
    )
    if made:
        say("The code counts from now on.")


@guarded
def _end(code_id: str) -> None:
    runtime = get_runtime()
    session = require_role(runtime, *ROLES)
    if attempt(lambda: end_code(runtime, session, code_id)):
        say("Taken back. Subscriptions that have it keep it.")


@guarded
def _ask_refund(owner_id: str, plan: str) -> None:
    require_role(get_runtime(), *ROLES)
    ask_dialog("refund", owner_id=owner_id, plan=plan)


@guarded
def _refund(owner_id: str) -> None:
    runtime = get_runtime()
    session = require_role(runtime, *ROLES)
    if attempt(lambda: withdraw_subscription(runtime, session, owner_id)):
        say("The money is on its way.")


if __name__ == "__main__":
    billing_page()
