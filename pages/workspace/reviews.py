"""What runs wait for: open questions first, then who decided what."""

from __future__ import annotations

from html import escape
from urllib.parse import urlencode

import streamlit as st

from core.bootstrap import get_runtime
from core.execution.domain import ReviewView
from core.execution.review_queries import list_reviews
from pages.ui.navigator import base_path
from pages.ui.notices import draw_notices
from pages.ui.review_card import draw_decided, draw_review, review_head
from pages.ui.session import current_session
from pages.workspace.review_actions import decide

OPEN_AT_ONCE = 20
DECIDED_AT_ONCE = 20


def reviews_page() -> None:
    """The open ones as cards, the decided ones below."""
    runtime = get_runtime()
    owner = current_session(runtime).account
    st.html('<h1 class="sq-title">Reviews</h1>')
    draw_notices()
    now = runtime.clock.now()
    after = st.query_params.get("after")
    waiting = list_reviews(runtime, owner.id, status="open", limit=OPEN_AT_ONCE) if after is None else None
    if waiting is not None:
        for place, review in enumerate(waiting.items):
            with st.container(key=f"cell-review-{review.id}"):
                st.html(review_head(review, _href(review), now=now))
                draw_review(review, decide, now=now, keys=place == 0)
        if not waiting.items:
            st.html(
                '<div class="sq-blank"><b>Nothing waits for you.</b> A pipeline with a review step stops there and '
                "asks here, in the run, and by mail.</div>"
            )
        elif waiting.next_cursor:
            st.html(f'<div class="sq-facts">The newest {OPEN_AT_ONCE}. Decide these to see the others.</div>')
    decided = list_reviews(runtime, owner.id, status="decided", limit=DECIDED_AT_ONCE, cursor=after)
    if decided.items:
        st.html('<h2 class="sq-label">Decided</h2>')
    for review in decided.items:
        with st.container(key=f"decided-{review.id}", border=True):
            st.html(review_head(review, _href(review), now=now))
            draw_decided(review, now=now)
    if decided.next_cursor:
        older = f"{base_path()}reviews?{urlencode({'after': decided.next_cursor})}"
        st.html(f'<a class="sq-link" href="{escape(older)}" target="_self">Older</a>')


def _href(review: ReviewView) -> str:
    return f"{base_path()}run?{urlencode({'run': review.run_id, 'step': review.step_id})}"
