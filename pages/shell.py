"""The main script of the app: who is looking, which pages exist for them, and the error boundary."""

from __future__ import annotations

from html import escape
from pathlib import Path

import streamlit as st

from core.accounts.domain import SessionView
from core.bootstrap import get_runtime
from core.execution.review_queries import count_open_reviews
from core.privacy.policies.use import note_policy_use
from core.shared.thread_times import thread_times
from pages.account.api_keys import api_keys_page
from pages.account.billing import billing_page
from pages.account.data_flow import data_flow_page
from pages.account.keys import keys_page
from pages.account.my_data import my_data_page
from pages.account.plan import plan_page
from pages.account.preferences import preferences_page
from pages.account.profile import profile_page
from pages.account.secrets import secrets_page
from pages.account.usage import usage_page
from pages.ui.address import come_back, go
from pages.ui.automation import draw_banner
from pages.ui.billing import draw_dunning
from pages.ui.consent import draw_consent_banner
from pages.ui.credits import draw_credits, open_month
from pages.ui.looks import draw_look_notice
from pages.ui.measured import counted_view
from pages.ui.navigator import Target, forget_link, listen
from pages.ui.notices import error_boundary
from pages.ui.policy_notice import draw_policy_notice
from pages.ui.session import current_session
from pages.ui.theme import apply_theme, asset
from pages.workspace import notebook
from pages.workspace.pipelines import pipelines_page
from pages.workspace.reviews import reviews_page
from pages.workspace.run_detail import run_page
from pages.workspace.runs import runs_page
from pages.workspace.schedules import schedules_page

_ADMIN = Path(__file__).resolve().parent.parent / "admin"


def main() -> None:
    """One rerun of the app."""
    begun = thread_times()
    st.set_page_config(page_title="stepIQ", page_icon=asset("icon.svg"), layout="wide")
    apply_theme()
    st.logo(asset("wordmark.svg"), size="medium")
    session = current_session(get_runtime())
    open_month(get_runtime(), session.account)
    note_policy_use(get_runtime(), session.account.id)
    pages = pages_for(session, count_open_reviews(get_runtime(), session.account.id))
    page = st.navigation(pages, position="sidebar", expanded=True)
    come_back(page.url_path)
    on_notebook = page.url_path == ""
    target = listen(notebook.COMMANDS if on_notebook else ())
    if target is not None:
        _go(target, page, [known for group in pages.values() for known in group])
    with counted_view(get_runtime(), session.account.id, page.url_path or "notebook", begun):
        with error_boundary():
            draw_banner(get_runtime(), session.account)
            draw_dunning(get_runtime(), session.account)
            draw_look_notice(get_runtime(), session.account)
            draw_policy_notice(get_runtime(), session.account)
            draw_consent_banner(get_runtime(), session.account)
            page.run()
        with st.sidebar:
            _draw_sidebar(session)


def pages_for(session: SessionView, waiting: int = 0) -> dict[str, list[st.Page]]:
    """The pages that exist for a person; each of them checks for itself as well. `waiting` reviews are counted."""
    pages = {
        "": [
            st.Page(notebook.notebook_page, title="Notebook", icon=":material/account_tree:", default=True),
            st.Page(pipelines_page, title="Pipelines", icon=":material/folder_open:", url_path="pipelines"),
            st.Page(runs_page, title="Runs", icon=":material/play_circle:", url_path="runs"),
            st.Page(
                reviews_page, title=_with_count("Reviews", waiting), icon=":material/how_to_reg:", url_path="reviews"
            ),
            st.Page(schedules_page, title="Schedules", icon=":material/schedule:", url_path="schedules"),
            st.Page(run_page, title="Run", icon=":material/play_circle:", url_path="run", visibility="hidden"),
        ],
        "Account": [
            st.Page(usage_page, title="Usage", icon=":material/payments:", url_path="usage"),
            st.Page(plan_page, title="Plan", icon=":material/sell:", url_path="plan"),
            st.Page(billing_page, title="Billing", icon=":material/receipt_long:", url_path="billing"),
            st.Page(keys_page, title="Model keys", icon=":material/key:", url_path="keys"),
            st.Page(api_keys_page, title="API keys", icon=":material/vpn_key:", url_path="api-keys"),
            st.Page(data_flow_page, title="Where my data went", icon=":material/share:", url_path="data-flow"),
            st.Page(profile_page, title="Profile", icon=":material/person:", url_path="profile"),
            st.Page(my_data_page, title="My data", icon=":material/shield_person:", url_path="my-data"),
            st.Page(preferences_page, title="Preferences", icon=":material/tune:", url_path="preferences"),
            st.Page(secrets_page, title="Secrets", icon=":material/lock:", url_path="secrets"),
        ],
    }
    if session.account.is_admin:
        # A file, not an import: the app does not know the admin rooms.
        pages["Admin"] = [
            st.Page(_ADMIN / "overview.py", title="Overview", icon=":material/dashboard:", url_path="admin"),
            st.Page(_ADMIN / "people.py", title="People", icon=":material/group:", url_path="people"),
            st.Page(
                _ADMIN / "person.py", title="Person", icon=":material/group:", url_path="person", visibility="hidden"
            ),
            st.Page(_ADMIN / "runs.py", title="Runs of everybody", icon=":material/lists:", url_path="admin-runs"),
            st.Page(_ADMIN / "audit.py", title="Audit log", icon=":material/fact_check:", url_path="audit"),
            st.Page(_ADMIN / "egress.py", title="Where data goes", icon=":material/share:", url_path="admin-egress"),
            st.Page(
                _ADMIN / "analytics.py", title="Analytics", icon=":material/monitoring:", url_path="admin-analytics"
            ),
            st.Page(_ADMIN / "console.py", title="SQL console", icon=":material/terminal:", url_path="admin-console"),
            st.Page(_ADMIN / "jobs.py", title="Jobs", icon=":material/manufacturing:", url_path="admin-jobs"),
            st.Page(_ADMIN / "mails.py", title="Mail", icon=":material/outgoing_mail:", url_path="admin-mail"),
            st.Page(
                _ADMIN / "providers.py", title="Providers", icon=":material/price_check:", url_path="admin-providers"
            ),
            st.Page(_ADMIN / "settings.py", title="Settings", icon=":material/settings:", url_path="admin-settings"),
            st.Page(
                _ADMIN / "promises.py", title="Promises", icon=":material/verified_user:", url_path="admin-promises"
            ),
            st.Page(_ADMIN / "policy.py", title="Policies", icon=":material/policy:", url_path="admin-policy"),
        ]
    if session.account.roles & {"admin", "privacy_admin"}:
        pages.setdefault("Admin", []).append(
            st.Page(
                _ADMIN / "privacy_requests.py",
                title="Data requests",
                icon=":material/policy:",
                url_path="privacy-requests",
            )
        )
        pages["Admin"].append(
            st.Page(_ADMIN / "retention.py", title="Retention", icon=":material/auto_delete:", url_path="retention")
        )
    if session.account.roles & {"admin", "accounting"}:
        pages.setdefault("Admin", []).append(
            st.Page(
                _ADMIN / "billing.py", title="Payments", icon=":material/account_balance:", url_path="admin-billing"
            )
        )
    return pages


def _with_count(title: str, number: int) -> str:
    return f"{title} `{number}`" if number else title


def _go(target: Target, page: st.Page, pages: list[st.Page]) -> None:
    wanted = next((known for known in pages if known.url_path == target.page), None)
    is_here = wanted is not None and wanted.url_path == page.url_path
    if is_here:
        go(target.query)
    forget_link()
    if wanted is not None and not is_here:
        st.switch_page(wanted, query_params=target.query)


def _draw_sidebar(session: SessionView) -> None:
    draw_credits(get_runtime(), session.account)
    who = escape(session.account.name or session.account.email)
    st.html(f'<div class="sq-side">{who}<br><a href="/auth/logout" target="_self">Sign out</a></div>')


main()
