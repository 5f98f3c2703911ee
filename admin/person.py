"""One person, for operators: plan, credits, roles and access; what is in their pipelines and runs stays closed."""

from __future__ import annotations

from datetime import datetime, timedelta
from html import escape
from typing import TYPE_CHECKING

import streamlit as st

from admin import person_actions as actions
from admin.person_content import draw_content
from core.accounts.domain import ROLES, Account, SessionView
from core.accounts.people import PersonView, get_person, person_figures
from core.accounts.plans import PLANS
from core.accounts.queries import get_account
from core.accounts.suspension import suspension_reason
from core.bootstrap import get_runtime
from core.credits.gifts import GIFTS
from core.credits.plan_words import differences
from core.credits.queries import balance
from core.execution.oversight import LOOKED_THROUGH, RunFigures, run_figures
from core.pipelines.queries import count_pipelines
from core.platform.bounded import MANY
from core.shared.errors import AppError
from core.shared.money import format_credits
from pages.ui.badges import text_badge
from pages.ui.filters import link_html
from pages.ui.memory import widget_text
from pages.ui.notices import draw_notices
from pages.ui.people import ROLE_WORDS, role_badges, standing_badge
from pages.ui.session import require_role
from pages.ui.words import count, joined, many, time_html

if TYPE_CHECKING:
    from core.platform.runtime import Runtime

RECENTLY = timedelta(days=30)


def person_page() -> None:
    """What a person has, and what an admin may do about it."""
    runtime = get_runtime()
    session = require_role(runtime, "admin")
    chosen = st.query_params.get("person", "")
    st.html(f'<p class="sq-facts">{link_html("people", {}, "All people")}</p>')
    try:
        person = get_person(runtime, chosen)
    except AppError:
        st.html(
            '<h1 class="sq-title">Person</h1><div class="sq-blank"><b>There is no such account.</b> It may have been '
            "deleted since. Choose somebody under People.</div>"
        )
        return
    now = runtime.clock.now()
    confirmed = session.is_confirmed(now)
    figures = run_figures(runtime, now - RECENTLY, owner_id=person.id)
    _draw_head(runtime, person, session, now)
    draw_notices()
    if not confirmed:
        st.html(
            '<div class="sq-empty">Changes, and opening content: within 10 minutes after your password. '
            f'<a class="sq-link" href="/auth/confirm?then=person&amp;person={escape(person.id)}" target="_self">'
            "Confirm it</a>.</div>"
        )
    if person.standing == "closing":
        st.html('<div class="sq-blank"><b>This account is being deleted.</b> Nothing is changed here any more.</div>')
        return
    account = get_account(runtime, person.id)
    _draw_figures(runtime, account, figures)
    _draw_plan_and_credits(runtime, account, confirmed)
    _draw_access(runtime, person, session, figures, confirmed)
    draw_content(runtime, session, person, confirmed)


def _draw_head(runtime: Runtime, person: PersonView, session: SessionView, now: datetime) -> None:
    own = person_figures(runtime, person.id)
    you = text_badge("you", "green") if person.id == session.account.id else ""
    used = f", last used {time_html(own.api_key_used_at, now)}" if own.api_key_used_at else ""
    signed_in = f"signed in {time_html(person.signed_in_at, now)}" if person.signed_in_at else "never signed in"
    facts = joined(
        escape(person.name),
        PLANS[person.plan].title,
        f"since {time_html(person.created_at, now)}",
        signed_in,
        count(own.sessions, "live sign-in"),
        f"{count(own.api_keys, 'API key')}{used}",
        "second factor on" if person.has_second_factor else "no second factor",
    )
    st.html(
        f'<div class="sq-row"><h1 class="sq-title">{escape(person.email) or "Person"}</h1>{standing_badge(person)}{you}'
        f'{role_badges(person.roles)}</div><p class="sq-facts">{facts}<br><code>{escape(person.id)}</code></p>'
    )


def _draw_figures(runtime: Runtime, account: Account, figures: RunFigures) -> None:
    credits = balance(runtime, account)
    with st.container(key="figures"):
        places = st.columns(4)
    left = "Unlimited" if credits.unlimited else format_credits(credits.available_micros)
    shown = (
        ("Credits left", left, f"{format_credits(credits.held_micros)} held for runs under way."),
        ("Pipelines", f"{count_pipelines(runtime, account.id):,}", None),
        ("Runs under way", many(figures.active, MANY), None),
        (
            "Failed in 30 days",
            f"{figures.failed:,}",
            f"{figures.completed:,} completed, {figures.cancelled:,} cancelled"
            + ("." if figures.is_all else f", of the newest {LOOKED_THROUGH:,} runs."),
        ),
    )
    for place, (label, value, said) in zip(places, shown, strict=True):
        place.metric(label, value, border=True, help=said)


def _draw_plan_and_credits(runtime: Runtime, account: Account, confirmed: bool) -> None:
    with st.container(border=True, key="person-plan"):
        bought = bool(runtime.settings.stripe_secret_key)
        said = (
            "Plans are bought here: what is paid for decides."
            if bought
            else "No payment is set up here, so plans are set on this page."
        )
        st.html(f'<h2 class="sq-id">Plan, credits and roles</h2><div class="sq-facts">{said}</div>')
        if not confirmed:
            return
        with st.container(horizontal=True):
            if not bought:
                _draw_plan(account)
            with st.popover("Credits", icon=":material/payments:", key=f"credits-{account.id}"):
                st.number_input(
                    "Credits to give", -1_000_000.0, 1_000_000.0, 0.0, 10.0, key="gift-credits", format="%.2f",
                    help="Below zero takes back what was given and is not used. They do not end with the month.",
                )  # fmt: skip
                st.selectbox("Why", list(GIFTS), key="gift-why", format_func=GIFTS.__getitem__)
                st.button("Book it", key="gift-go", type="primary", on_click=actions.give, args=(account.id,))
            with st.popover("Roles", icon=":material/badge:", key=f"roles-{account.id}"):
                st.pills(
                    "Roles", ROLES, selection_mode="multi", key=f"roles-of-{account.id}",
                    default=[role for role in ROLES if role in account.roles], format_func=ROLE_WORDS.__getitem__,
                )  # fmt: skip
                st.button(
                    "Save", key=f"roles-save-{account.id}", type="primary", on_click=actions.save_roles,
                    args=(account.id,),
                )  # fmt: skip


def _draw_plan(account: Account) -> None:
    key = f"plan-of-{account.id}"
    with st.popover("Plan", icon=":material/sell:", key=f"set-plan-{account.id}"):
        names = list(PLANS)
        st.radio(
            "Plan", names, index=names.index(account.plan), key=key, format_func=lambda name: PLANS[name].title
        )  # fmt: skip
        chosen = PLANS.get(widget_text(key), PLANS[account.plan])
        lines = "".join(
            f"<li>{each.what}: {each.before} → {each.after}</li>" for each in differences(PLANS[account.plan], chosen)
        )
        st.html(
            f'<ul class="sq-plain-list">{lines}</ul><p class="sq-facts">From now on; the person is told by mail. A '
            "better plan tops up the month’s credits; a smaller one takes none away before the month ends.</p>"
            if lines
            else '<p class="sq-facts">The plan this person has.</p>'
        )
        st.button(
            "Set plan", key=f"plan-save-{account.id}", type="primary", disabled=not lines, on_click=actions.save_plan,
            args=(account.id,),
        )  # fmt: skip


def _draw_access(
    runtime: Runtime, person: PersonView, session: SessionView, figures: RunFigures, confirmed: bool
) -> None:
    now = runtime.clock.now()
    lines = []
    if person.suspended_at is not None:
        why = escape(suspension_reason(runtime, person.id))
        lines.append(
            f"<b>Suspended</b> {time_html(person.suspended_at, now)}. They were mailed:"
            f'<div class="sq-quote">{why}</div>'
        )
    if person.restricted_at is not None:
        lines.append(f"<b>The use of their data is restricted</b> {time_html(person.restricted_at, now)}.")
    lines.append(
        "Restriction is a right of the person’s, and is handled under "
        f"{link_html('privacy-requests', {}, 'Data requests')}."
    )
    with st.container(border=True, key="person-access"):
        st.html(f'<h2 class="sq-id">Access</h2><div class="sq-facts">{" ".join(lines)}</div>')
        if not confirmed:
            return
        with st.container(horizontal=True):
            if person.suspended_at is not None:
                st.button(
                    "End the suspension", key="suspension-end", type="primary", icon=":material/lock_open:",
                    on_click=actions.end_suspension, args=(person.id,),
                )  # fmt: skip
            elif person.id != session.account.id:
                _draw_suspend(person)
            st.button(
                "Sign out everywhere", key="sign-out-person", icon=":material/logout:",
                on_click=actions.sign_out, args=(person.id,),
            )  # fmt: skip
            if figures.active:
                st.button(
                    f"Stop {count(figures.active, 'run')} under way", key="stop-runs", icon=":material/stop_circle:",
                    on_click=actions.stop_runs, args=(person.id,),
                    help="Calls are cut within a second; what was used is charged, the rest of what was held returns.",
                )  # fmt: skip


def _draw_suspend(person: PersonView) -> None:
    with st.popover("Suspend", icon=":material/block:", key="suspend"):
        st.html(
            '<p class="sq-facts">They cannot sign in, their API keys are refused, and no run or schedule starts. What '
            "is under way goes on. Nothing is deleted; a subscription is paid on until it ends under Payments. They "
            "are mailed your reason, and can still use their rights.</p>"
        )
        st.text_area(
            "Your reason, as they will read it", key=f"suspend-reason-{person.id}", max_chars=1_000, height=110
        )
        st.button("Suspend", key="suspend-go", type="primary", on_click=actions.suspend_person, args=(person.id,))


if __name__ == "__main__":
    person_page()
