"""The log of acts that matter: who did what, by opaque ids, and the proof that it is whole."""

from __future__ import annotations

from html import escape

import streamlit as st

from core.accounts.audit import ACTS, list_acts, verify_audit
from core.accounts.domain import AuditProof, AuditView
from core.bootstrap import get_runtime
from pages.ui.memory import keep, recall, widget_text
from pages.ui.notices import draw_notices
from pages.ui.session import guarded, require_role
from pages.ui.words import time_html

A_PAGE = 50
CURSOR, PROOF = "audit-cursor", "audit-proof"


def audit_page() -> None:
    """A filter, the acts newest first, and a button that proves the chain."""
    runtime = get_runtime()
    require_role(runtime, "admin")
    st.html(
        '<h1 class="sq-title">Audit log</h1><p class="sq-facts">Acts that matter, by opaque ids. Each row is sealed '
        "to the one before: what is altered or taken out is found. <code class='sq-ref'>stepiq audit verify</code> "
        "proves the same.</p>"
    )
    draw_notices()
    with st.container(horizontal=True, vertical_alignment="bottom"):
        act = st.selectbox(
            "Act", [None, *ACTS], key="audit-act", width=280, on_change=_first_page,
            format_func=lambda name: "Every act" if name is None else ACTS[name],
        )  # fmt: skip
        st.text_input("Id", key="audit-id", width=320, placeholder="of who did it, or to whom", on_change=_first_page)
        st.button("Check the log", key="audit-verify", icon=":material/verified:", on_click=_verify)
    _draw_proof(recall(PROOF))
    found = list_acts(runtime, A_PAGE, recall(CURSOR), account_id=widget_text("audit-id").strip() or None, act=act)
    if not found.items:
        st.html('<div class="sq-empty">No such act so far.</div>')
        return
    now = runtime.clock.now()
    rows = "".join(_row(view, time_html(view.at, now)) for view in found.items)
    st.html(
        '<div class="sq-scroll"><table class="sq-table"><thead><tr><th class="sq-num">No.</th><th>When</th>'
        f"<th>What</th><th>By</th><th>To</th><th>Details</th></tr></thead><tbody>{rows}</tbody></table></div>"
    )
    with st.container(horizontal=True):
        if recall(CURSOR):
            st.button("Newest", key="audit-newest", on_click=_first_page)
        if found.next_cursor:
            st.button("Older", key="audit-older", on_click=keep, args=(CURSOR, found.next_cursor))


def _row(view: AuditView, when: str) -> str:
    details = ", ".join(f"{name}: {value}" for name, value in view.details.items() if value not in ("", None))
    return (
        f'<tr><td class="sq-num">{view.seq}</td><td>{when}</td><td>{ACTS.get(view.act, view.act)}</td>'
        f"<td><code>{escape(view.actor_id or 'the system')}</code></td>"
        f"<td><code>{escape(view.subject_id or '')}</code></td><td>{escape(details)}</td></tr>"
    )


def _draw_proof(proof: AuditProof | None) -> None:
    if proof is None:
        return
    if proof.problems:
        st.error("The log was altered.\n" + "".join(f"\n- {line}" for line in proof.problems), icon=":material/error:")
    else:
        st.success(f"{proof.rows:,} acts checked: nothing was altered, taken out or moved.", icon=":material/verified:")


@guarded
def _verify() -> None:
    runtime = get_runtime()
    require_role(runtime, "admin")
    keep(PROOF, verify_audit(runtime))


def _first_page() -> None:
    keep(CURSOR, None)


if __name__ == "__main__":
    audit_page()
