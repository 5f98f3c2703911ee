"""Who has an account here: found by address or id, filtered, a page at a time; and invitations."""

from __future__ import annotations

from datetime import datetime
from html import escape
from typing import TYPE_CHECKING

import streamlit as st

from core.accounts.domain import ROLES, InvitationView
from core.accounts.invitations import invite, list_invitations, revoke_invitation
from core.accounts.new_accounts import default_plan
from core.accounts.people import STANDINGS, PersonView, count_people, list_people
from core.accounts.plans import PLANS
from core.bootstrap import get_runtime
from core.platform.bounded import MANY
from core.shared.errors import AppError
from pages.ui.address import address, go
from pages.ui.badges import text_badge
from pages.ui.filters import AFTER, choose, clear_button, pager_html
from pages.ui.memory import keep, recall, widget_text
from pages.ui.navigator import base_path
from pages.ui.notices import attempt, draw_notices, say
from pages.ui.people import ROLE_WORDS, STANDING_LOOKS, role_badges, standing_badge
from pages.ui.session import guarded, require_role
from pages.ui.words import joined, many, time_html, until

if TYPE_CHECKING:
    from core.platform.runtime import Runtime

LINK, SEARCH, INVITED_CURSOR = "invitation-link", "people-search", "invitations-cursor"
A_PAGE, INVITATIONS_A_PAGE = 50, 10
POLICY = {
    "open": "Everybody may make an account.",
    "invite": "Accounts are made by invitation.",
    "closed": "No new accounts are made, not even by invitation.",
}
HEAD = (
    '<th scope="col">Person</th><th scope="col">State</th><th scope="col">Plan</th><th scope="col">Since</th>'
    '<th scope="col">Last sign-in</th>'
)


def people_page() -> None:
    """Search and filters, a row a person, and invitations below."""
    runtime = get_runtime()
    session = require_role(runtime, "admin")
    people = many(count_people(runtime), MANY)
    st.html(
        f'<h1 class="sq-title">People</h1><p class="sq-facts">{people} with an account. '
        f"{POLICY[runtime.settings.signup]} <code class='sq-ref'>STEPIQ_SIGNUP</code> says so.</p>"
    )
    draw_notices()
    _draw_filters()
    _draw_list(runtime)
    st.html('<h2 class="sq-id">Invitations</h2>')
    if runtime.settings.signup != "closed":
        _draw_invite(session.is_confirmed(runtime.clock.now()))
    _draw_invitations(runtime)


def _draw_filters() -> None:
    with st.container(horizontal=True, vertical_alignment="bottom", key="people-filters"):
        # Kept in memory: an address does not belong into the address bar, nor into its history.
        st.text_input(
            "Find", key=SEARCH, width=300, icon=":material/search:", placeholder="Whole address, or start of an id",
            autocomplete="off", on_change=_first_page,
        )  # fmt: skip
        choose("Plan", "plan", {"": "Any plan", **{name: plan.title for name, plan in PLANS.items()}}, width=140)
        choose("Role", "role", {"": "Any role", **ROLE_WORDS}, width=150)
        states: dict[str, str] = {"": "Any state", **{name: STANDING_LOOKS[name][0].capitalize() for name in STANDINGS}}
        choose("State", "state", states, width=150)
        clear_button(("plan", "role", "state"))


@guarded
def _first_page() -> None:
    go({name: value for name, value in address().items() if name != AFTER})


def _draw_list(runtime: Runtime) -> None:
    query, text = address(), widget_text(SEARCH)
    try:
        page = list_people(
            runtime, text=text, plan=query.get("plan"), role=query.get("role"), standing=query.get("state"),
            limit=A_PAGE, cursor=query.get(AFTER),
        )  # fmt: skip
    except AppError as wrong:
        st.error(wrong.message, icon=":material/search_off:")
        return
    if not page.items:
        st.html('<div class="sq-blank"><b>Nobody fits.</b> Addresses are found whole only: they are encrypted.</div>')
        return
    now = runtime.clock.now()
    rows = "".join(_row(person, now) for person in page.items)
    st.html(
        f'<div class="sq-scroll"><table class="sq-table sq-runs"><thead><tr>{HEAD}</tr></thead><tbody>{rows}</tbody>'
        f"</table></div>{pager_html('people', page.next_cursor)}"
    )


def _row(person: PersonView, now: datetime) -> str:
    address = escape(f"{base_path()}person?person={person.id}")
    called = escape(person.email) or f"<code>…{escape(person.id[-8:])}</code>"
    link = f'<a href="{address}" target="_self" title="{escape(person.id)}">{called}</a>'
    name = f' <span class="sq-facts">{escape(person.name)}</span>' if person.name else ""
    state = standing_badge(person) or '<span class="sq-facts">active</span>'
    return (
        f'<tr><td class="sq-cell-name">{link}{name}</td>'
        f'<td class="sq-cell-status">{state} {role_badges(person.roles)}</td>'
        f'<td class="sq-cell-cost">{PLANS[person.plan].title}</td>'
        f'<td class="sq-cell-time">{time_html(person.created_at, now)}</td>'
        f'<td class="sq-cell-long">{time_html(person.signed_in_at, now) or "never"}</td></tr>'
    )


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
                format_func=lambda name: PLANS[name].title,
            )  # fmt: skip
            st.form_submit_button("Invite", type="primary", on_click=_invite)
        if confirmed:
            st.pills("Roles", ROLES, selection_mode="multi", key="invite-roles", format_func=ROLE_WORDS.__getitem__)
        else:
            st.html(
                '<div class="sq-facts">With roles: within 10 minutes after your password. '
                '<a class="sq-link" href="/auth/confirm?then=people" target="_self">Confirm it</a></div>'
            )


def _draw_invitations(runtime: Runtime) -> None:
    found = list_invitations(runtime, INVITATIONS_A_PAGE, recall(INVITED_CURSOR))
    for invitation in found.items:
        _draw_invitation(runtime, invitation)
    with st.container(horizontal=True, key="invitation-pages"):
        if recall(INVITED_CURSOR):
            st.button("Newest invitations", key="invited-newest", on_click=keep, args=(INVITED_CURSOR, None))
        if found.next_cursor:
            st.button("Older invitations", key="invited-older", on_click=keep, args=(INVITED_CURSOR, found.next_cursor))


def _draw_invitation(runtime: Runtime, invitation: InvitationView) -> None:
    now = runtime.clock.now()
    who = escape(invitation.email) if invitation.email else "Whoever has the link"
    roles = ", ".join(ROLE_WORDS[role] for role in ROLES if role in invitation.roles)
    facts = joined(PLANS[invitation.plan].title, escape(roles), f"ends {until(invitation.expires_at, now)}")
    with st.container(border=True, horizontal=True, vertical_alignment="center", key=f"invitation-{invitation.id}"):
        st.html(
            f'<div class="sq-row"><span class="sq-id">{who}</span>{text_badge("invited", "violet")}'
            f'<span class="sq-facts">{facts}</span></div>'
        )
        st.button("Take back", key=f"revoke-{invitation.id}", on_click=_revoke, args=(invitation.id,))


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


if __name__ == "__main__":
    people_page()
