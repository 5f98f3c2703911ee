"""The log of acts that matter: who did what, by opaque ids, and the proof that it is whole."""

from __future__ import annotations

from html import escape
from urllib.parse import urlencode

import streamlit as st

from core.accounts.audit import ACTS, list_acts, verify_audit
from core.accounts.domain import AuditProof, AuditView
from core.bootstrap import get_runtime
from pages.ui.address import address
from pages.ui.filters import AFTER, choose, clear_button, pager_html, write
from pages.ui.memory import keep, recall
from pages.ui.navigator import base_path
from pages.ui.notices import draw_notices
from pages.ui.session import guarded, require_role
from pages.ui.words import time_html

A_PAGE = 50
PROOF = "audit-proof"
FILTERS = ("act", "id")


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
    with st.container(horizontal=True, vertical_alignment="bottom", key="audit-filters"):
        choose("Act", "act", {"": "Every act", **ACTS}, width=280)
        write("Id", "id", width=330, placeholder="Whole, of who did it or to whom")
        clear_button(FILTERS)
        st.button("Check the log", key="audit-verify", icon=":material/verified:", on_click=_verify)
    _draw_proof(recall(PROOF))
    query = address()
    found = list_acts(runtime, A_PAGE, query.get(AFTER), account_id=query.get("id"), act=query.get("act"))
    if not found.items:
        st.html('<div class="sq-empty">No such act so far.</div>')
        return
    now = runtime.clock.now()
    rows = "".join(_row(view, time_html(view.at, now)) for view in found.items)
    st.html(
        '<div class="sq-scroll"><table class="sq-table"><thead><tr><th class="sq-num">No.</th><th>When</th>'
        f"<th>What</th><th>By</th><th>To</th><th>Details</th></tr></thead><tbody>{rows}</tbody></table></div>"
        f"{pager_html('audit', found.next_cursor)}"
    )


def _row(view: AuditView, when: str) -> str:
    details = ", ".join(f"{name}: {value}" for name, value in view.details.items() if value not in ("", None))
    return (
        f'<tr><td class="sq-num">{view.seq}</td><td>{when}</td><td>{ACTS.get(view.act, view.act)}</td>'
        f"<td>{_id_link(view.actor_id) or 'the system'}</td><td>{_id_link(view.subject_id)}</td>"
        f"<td>{escape(details)}</td></tr>"
    )


def _id_link(account_id: str | None) -> str:
    """The end of an id, which leads to all that is logged of it."""
    if not account_id:
        return ""
    address = f"{base_path()}audit?{urlencode({'id': account_id})}"
    return (
        f'<a href="{escape(address)}" target="_self" title="{escape(account_id)}"><code class="sq-nowrap">'
        f"…{escape(account_id[-8:])}</code></a>"
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


if __name__ == "__main__":
    audit_page()
