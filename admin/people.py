"""Who has an account here, their roles, and invitations."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

import streamlit as st

from core.accounts.domain import ROLES, Account, InvitationView, SessionView
from core.accounts.invitations import invite, list_invitations, revoke_invitation
from core.accounts.new_accounts import default_plan
from core.accounts.plans import PLANS
from core.accounts.queries import get_account, list_accounts
from core.accounts.roles import set_roles
from core.bootstrap import get_runtime
from core.credits.commands import change_plan
from core.credits.plan_words import differences
from pages.ui.badges import text_badge
from pages.ui.memory import keep, recall, widget_text
from pages.ui.notices import attempt, draw_notices, say
from pages.ui.session import guarded, require_role
from pages.ui.words import joined, time_html, until

if TYPE_CHECKING:
    from core.platform.runtime import Runtime

LINK = "invitation-link"
SAYS = {"admin": "Admin", "privacy_admin": "Privacy admin", "accounting": "Accounting"}
POLICY = {
    "open": "Everybody may make an account.",
    "invite": "Accounts are made by invitation.",
    "closed": "No new accounts are made, not even by invitation.",
}


def people_page() -> None:
    """A form to invite, open invitations, and a row a person."""
    runtime = get_runtime()
    session = require_role(runtime, "admin")
    people = list_accounts(runtime)
    st.html(
        f'<h1 class="sq-title">People</h1><p class="sq-facts">{len(people)} with an account. '
        f"{POLICY[runtime.settings.signup]} <code class='sq-ref'>STEPIQ_SIGNUP</code> says so. "
        f"{_plans_are(runtime)}</p>"
    )
    draw_notices()
    confirmed = session.is_confirmed(runtime.clock.now())
    if not confirmed:
        st.html(
            '<div class="sq-empty">Roles and plans are changed within 10 minutes after your password. '
            '<a class="sq-link" href="/auth/confirm?then=people" target="_self">Confirm it</a>.</div>'
        )
    if runtime.settings.signup != "closed":
        _draw_invite(confirmed)
    for invitation in list_invitations(runtime):
        _draw_invitation(runtime, invitation)
    st.html('<h2 class="sq-id">Accounts</h2>')
    for account in people:
        _draw_person(runtime, account, session, confirmed)


def _plans_are(runtime: Runtime) -> str:
    if runtime.settings.stripe_secret_key:
        return "Plans are bought: what is paid for decides."
    return "No payment is set up here, so plans are set on this page."


def _draw_invite(confirmed: bool) -> None:
    link = recall(LINK)
    if link:
        with st.container(border=True, key="invitation-shown"):
            st.html('<div class="sq-facts">The link, if you want to hand it over yourself. It works once.</div>')
            st.code(link, language=None, wrap_lines=True)
            st.button("Done", key="invitation-done", on_click=keep, args=(LINK, None))
    with st.form("invite", border=True):
        with st.container(horizontal=True, vertical_alignment="bottom"):
            st.text_input(
                "Invite an address", key="invite-email", width=320, placeholder="name@example.org", autocomplete="off",
                help="Empty: nothing is mailed, and whoever has the link may use it.",
            )  # fmt: skip
            names = list(PLANS)
            st.selectbox(
                "Plan", names, index=names.index(default_plan(get_runtime())), key="invite-plan", width=160,
                format_func=_plan_title,
            )  # fmt: skip
            st.form_submit_button("Invite", type="primary", on_click=_invite)
        if confirmed:
            st.pills("Roles", ROLES, selection_mode="multi", key="invite-roles", format_func=SAYS.__getitem__)


def _draw_invitation(runtime: Runtime, invitation: InvitationView) -> None:
    now = runtime.clock.now()
    who = escape(invitation.email) if invitation.email else "Whoever has the link"
    roles = ", ".join(SAYS[role] for role in ROLES if role in invitation.roles)
    facts = joined(PLANS[invitation.plan].title, escape(roles), f"ends {until(invitation.expires_at, now)}")
    with st.container(border=True, horizontal=True, vertical_alignment="center", key=f"invitation-{invitation.id}"):
        st.html(
            f'<div class="sq-row"><span class="sq-id">{who}</span>{text_badge("invited", "violet")}'
            f'<span class="sq-facts">{facts}</span></div>'
        )
        st.button("Take back", key=f"revoke-{invitation.id}", on_click=_revoke, args=(invitation.id,))


def _draw_person(runtime: Runtime, account: Account, session: SessionView, confirmed: bool) -> None:
    now = runtime.clock.now()
    you = text_badge("you", "green") if account.id == session.account.id else ""
    badges = "".join(text_badge(SAYS[role].lower()) for role in ROLES if role in account.roles)
    factor = "second factor on" if account.has_second_factor else ""
    facts = joined(PLANS[account.plan].title, f"since {time_html(account.created_at, now)}", factor)
    with st.container(border=True, horizontal=True, vertical_alignment="center", key=f"person-{account.id}"):
        st.html(
            f'<div class="sq-row"><span class="sq-id">{escape(account.email)}</span>{you}{badges}'
            f'<span class="sq-facts">{facts}</span></div>'
        )
        if confirmed and not runtime.settings.stripe_secret_key:
            _draw_plan(account)
        if confirmed:
            with st.popover("Roles", icon=":material/badge:", key=f"roles-{account.id}"):
                st.pills(
                    f"Roles of {account.email}", ROLES, selection_mode="multi", key=f"roles-of-{account.id}",
                    default=[role for role in ROLES if role in account.roles], format_func=SAYS.__getitem__,
                )  # fmt: skip
                st.button("Save", key=f"roles-save-{account.id}", type="primary", on_click=_save, args=(account.id,))


def _plan_title(name: str) -> str:
    return PLANS[name].title


def _draw_plan(account: Account) -> None:
    key = f"plan-of-{account.id}"
    with st.popover("Plan", icon=":material/sell:", key=f"plan-{account.id}"):
        names = list(PLANS)
        place = names.index(account.plan)
        st.radio("Plan", names, index=place, key=key, format_func=_plan_title)
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
            "Set plan", key=f"plan-save-{account.id}", type="primary", disabled=not lines, on_click=_save_plan,
            args=(account.id,),
        )  # fmt: skip


@guarded
def _save_plan(account_id: str) -> None:
    runtime = get_runtime()
    session = require_role(runtime, "admin")
    plan = widget_text(f"plan-of-{account_id}")
    if attempt(lambda: change_plan(runtime, get_account(runtime, account_id), plan, by=session)):
        say(f"The plan is {PLANS[plan].title} now.")


@guarded
def _invite() -> None:
    runtime = get_runtime()
    session = require_role(runtime, "admin")
    email, plan = widget_text("invite-email").strip(), widget_text("invite-plan")
    roles = tuple(recall("invite-roles") or ())

    def send() -> None:
        keep(LINK, invite(runtime, session, email=email or None, plan=plan, roles=roles))

    if attempt(send):
        keep("invite-email", "")
        say("Invited. A mail is on its way." if email else "The link is ready.")


@guarded
def _revoke(invitation_id: str) -> None:
    runtime = get_runtime()
    session = require_role(runtime, "admin")
    if attempt(lambda: revoke_invitation(runtime, session, invitation_id)):
        say("Taken back.")


@guarded
def _save(account_id: str) -> None:
    runtime = get_runtime()
    session = require_role(runtime, "admin")
    roles = tuple(recall(f"roles-of-{account_id}") or ())
    if attempt(lambda: set_roles(runtime, session, account_id, roles)):
        say("Roles saved.")


if __name__ == "__main__":
    people_page()
