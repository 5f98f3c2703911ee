"""The privacy policy and the terms: a draft, what it changes, publishing it, and who was told."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

import streamlit as st

from core.accounts.domain import SessionView
from core.bootstrap import get_runtime
from core.privacy.policies.commands import drop_draft, publish, save_draft, take_back
from core.privacy.policies.diff import compare, counts
from core.privacy.policies.domain import Document, PolicyDraft, PolicyVersion, clean_document, earliest_day, fill
from core.privacy.policies.facts import values_of
from core.privacy.policies.notices import policy_path
from core.privacy.policies.queries import (
    announced_version,
    current_version,
    get_draft,
    list_versions,
    notice_figures,
)
from pages.ui.badges import text_badge
from pages.ui.documents import changes_html, document_html
from pages.ui.memory import forget_widgets, recall, widget_text
from pages.ui.notices import attempt, draw_notices, say
from pages.ui.session import guarded, require_role
from pages.ui.words import count, joined, time_html

if TYPE_CHECKING:
    from core.platform.runtime import Runtime

NAMES: dict[Document, str] = {"privacy": "Privacy policy", "terms": "Terms of use"}
DOCUMENT, TEXT, SUMMARY, MATERIAL, DAY = (
    f"policy-{name}" for name in ("document", "text", "summary", "material", "day")
)
FIELDS = (TEXT, SUMMARY, MATERIAL, DAY)


def policy_page() -> None:
    """Choose a document; see what counts, what is announced, the draft and its difference."""
    runtime = get_runtime()
    session = require_role(runtime, "admin")
    st.html(
        '<h1 class="sq-title">Policies</h1><p class="sq-facts sq-intro">A new version is written as a draft, published '
        "with the day from which it counts, and told to everybody by mail and in the app before that day. What was "
        "published is never changed.</p>"
    )
    draw_notices()
    document = clean_document(
        st.segmented_control(
            "Document", list(NAMES), default="privacy", key=DOCUMENT, format_func=NAMES.__getitem__,
            label_visibility="collapsed", on_change=_forget, required=True,
        )
    )  # fmt: skip
    current, announced = current_version(runtime, document), announced_version(runtime, document)
    _draw_current(runtime, current)
    confirmed = session.is_confirmed(runtime.clock.now())
    if not confirmed:
        st.html(
            '<div class="sq-empty">Versions are published and taken back within 10 minutes after your password. '
            '<a class="sq-link" href="/auth/confirm?then=admin-policy" target="_self">Confirm it</a>.</div>'
        )
    if announced is not None:
        _draw_announced(runtime, announced, confirmed)
    _draw_draft(runtime, get_draft(runtime, document), current, confirmed and announced is None)
    _draw_versions(runtime, document)


def _draw_current(runtime: Runtime, current: PolicyVersion) -> None:
    facts = joined(f"counts from {_day(current)}", "came with the software" if current.shipped else "")
    with st.container(border=True, key="policy-current"):
        st.html(
            f'<div class="sq-row"><span class="sq-id">Counts now</span>{text_badge(current.version, "green")}</div>'
            f'<div class="sq-facts">{facts} · <a class="sq-link" href="{policy_path(current)}" target="_blank">'
            "Read it as people do</a></div>"
        )


def _draw_announced(runtime: Runtime, version: PolicyVersion, confirmed: bool) -> None:
    told = notice_figures(runtime, version)
    ways = (f"{told.told:,} told", f"{told.mailed:,} by mail", f"{told.seen:,} saw it in the app")
    facts = joined(f"counts from {_day(version)}", *ways)
    with st.container(border=True, key="policy-announced"):
        with st.container(horizontal=True, vertical_alignment="center"):
            st.html(
                f'<div class="sq-row"><span class="sq-id">Announced</span>{text_badge(version.version, "violet")}</div>'
                f'<div class="sq-facts">{facts}<br>{_waiting(told.waiting)}</div>'
            )
            if confirmed:
                st.button("Take it back", key="policy-take-back", on_click=_take_back, args=(version.id,))
        st.html(f'<div class="sq-facts">{escape(version.summary)}</div>')


def _waiting(number: int) -> str:
    if not number:
        return "Everybody with an account was told."
    return f"{number:,} still to be told: mails are written within a few minutes."


def _draw_draft(runtime: Runtime, draft: PolicyDraft, current: PolicyVersion, may_publish: bool) -> None:
    now = runtime.clock.now()
    saved = f"saved {time_html(draft.saved_at, now)}" if draft.revision else "not begun: this is what counts now"
    with st.container(border=True, key="policy-draft"):
        st.html(f'<h2 class="sq-id">Next version</h2><p class="sq-facts">{saved}</p>')
        write, preview, changes = st.tabs(["Write", "Preview", "What changes"])
        with write, st.form("policy-form", border=False):
            st.text_area(
                "Text in Markdown", value=draft.text, key=TEXT, height=420,
                help="Each section of the policy names the promises it makes: ## Cookies {P12}. Names in double "
                "braces, such as {{retention_table}}, are filled when it is published.",
            )  # fmt: skip
            st.text_area(
                "What changes, in a few words", value=draft.summary, key=SUMMARY, height=90,
                placeholder="Mailed to everybody, and shown in the app.",
            )  # fmt: skip
            with st.container(horizontal=True, vertical_alignment="bottom"):
                earliest = earliest_day(now, material=draft.material)
                st.date_input("Counts from", value=draft.effective_on, key=DAY, width=180, format="YYYY-MM-DD")
                st.checkbox("Changes something for people", value=draft.material, key=MATERIAL)
            st.html(
                f'<p class="sq-facts">A version that is published today counts from {earliest.day} {earliest:%B %Y} at '
                "the earliest: 14 days where it changes something for people, 1 day for clearer words.</p>"
            )
            st.form_submit_button("Save the draft", on_click=_save, args=(draft.document, draft.revision))
        filled = fill(draft.text, values_of(runtime))
        with preview:
            st.html(document_html(filled))
        with changes:
            changed = compare(current.text, filled)
            added, removed = counts(changed)
            st.html(
                f'<p class="sq-facts">Against what counts now: {count(added, "word")} <ins>added</ins>, '
                f"{count(removed, 'word')} <del>taken out</del>.</p>{changes_html(changed)}"
            )
        if draft.revision:
            with st.container(horizontal=True):
                st.button(
                    "Publish and tell everybody", key="policy-publish", type="primary", disabled=not may_publish,
                    on_click=_publish, args=(draft.document, draft.revision),
                )  # fmt: skip
                st.button("Throw the draft away", key="policy-drop", on_click=_drop, args=(draft.document,))


def _draw_versions(runtime: Runtime, document: Document) -> None:
    rows = "".join(
        f'<tr><td><a href="{policy_path(each)}" target="_blank">{each.version}</a></td><td>{_day(each)}</td>'
        f"<td>{escape(each.summary)}</td></tr>"
        for each in list_versions(runtime, document)
    )
    st.html(
        '<div class="sq-scroll"><table class="sq-table sq-slim"><thead><tr><th>Version</th><th>Counts from</th>'
        f"<th>What it changed</th></tr></thead><tbody>{rows}</tbody></table></div>"
    )


def _day(version: PolicyVersion) -> str:
    return f"{version.effective_at.day} {version.effective_at:%B %Y}"


def _forget() -> None:
    forget_widgets(*FIELDS)


def _admin(runtime: Runtime) -> SessionView:
    return require_role(runtime, "admin")


@guarded
def _save(document: Document, revision: int) -> None:
    runtime = get_runtime()
    by = _admin(runtime)
    text, summary = widget_text(TEXT), widget_text(SUMMARY)
    material, day = bool(recall(MATERIAL)), recall(DAY)
    if attempt(
        lambda: save_draft(
            runtime, by, document, text=text, summary=summary, material=material, effective_on=day, revision=revision
        )
    ):
        say("The draft is saved. Nobody sees it until it is published.")


@guarded
def _publish(document: Document, revision: int) -> None:
    runtime = get_runtime()
    by = _admin(runtime)
    if attempt(lambda: publish(runtime, by, document, revision=revision)):
        _forget()
        say("Published. Everybody is told within a few minutes.")


@guarded
def _drop(document: Document) -> None:
    runtime = get_runtime()
    by = _admin(runtime)
    if attempt(lambda: drop_draft(runtime, by, document)):
        _forget()
        say("The draft is gone.")


@guarded
def _take_back(version_id: str) -> None:
    runtime = get_runtime()
    by = _admin(runtime)
    if attempt(lambda: take_back(runtime, by, version_id)):
        _forget()
        say("Taken back. Whoever was told by mail is told so; the text is the draft again.")


if __name__ == "__main__":
    policy_page()
