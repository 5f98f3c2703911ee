"""The promises of the privacy policy: what the checks found, when, and looking again; the record for authorities."""

from __future__ import annotations

from html import escape

import streamlit as st

from core.bootstrap import get_runtime
from core.privacy.checks.commands import check_by_hand
from core.privacy.checks.finding import VERDICTS
from core.privacy.checks.queries import Evidence, history_of, latest_evidence
from core.privacy.record import FORMATS, processing_record, record_text
from pages.ui.badges import icon
from pages.ui.download import download_button
from pages.ui.notices import attempt, draw_notices, say
from pages.ui.session import guarded, require_role
from pages.ui.words import count, joined, time_html

LOOKS = {"kept": ("check", "green"), "broken": ("error", "red"), "unknown": ("help", "gray")}
MEDIA = {"md": "text/markdown", "csv": "text/csv", "json": "application/json"}
SHOWN = 14


def promises_page() -> None:
    """Broken ones first, each with its history; then the record of processing."""
    runtime = get_runtime()
    require_role(runtime, "admin")
    found = latest_evidence(runtime)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.html(
            '<h1 class="sq-title">Promises</h1><p class="sq-facts sq-intro">What the privacy policy promises, looked '
            "at in the live system every day. What is found is public on "
            '<a class="sq-link" href="/privacy" target="_blank">Privacy</a>; a promise that breaks is mailed to every '
            "admin, once.</p>"
        )
        st.button("Check all now", key="check-all", icon=":material/fact_check:", on_click=_check)
    draw_notices()
    st.html(f'<div class="sq-facts">{_totals(found)}</div>')
    for evidence in sorted(found, key=lambda each: (_verdict(each) != "broken", each.promise.id)):
        _draw(evidence)
    _draw_record()


def _totals(found: tuple[Evidence, ...]) -> str:
    verdicts = [_verdict(each) for each in found]
    return joined(*(f"<b>{verdicts.count(name)}</b> {VERDICTS[name]}" for name in LOOKS))


def _draw(evidence: Evidence) -> None:
    runtime, promise = get_runtime(), evidence.promise
    now = runtime.clock.now()
    finding = evidence.finding
    with st.container(border=True, key=f"promise-{promise.id}"):
        with st.container(horizontal=True, vertical_alignment="center"):
            when = time_html(evidence.checked_at, now) or "not looked at yet"
            since = f"broken since {time_html(evidence.broken_since, now)}" if evidence.broken_since else ""
            st.html(
                f'<div class="sq-row"><span class="sq-id">{promise.id}</span>{_badge(_verdict(evidence))}'
                f'<span class="sq-facts">{joined(when, since)}</span></div>'
            )
            st.button("Check now", key=f"check-{promise.id}", type="tertiary", on_click=_check, args=(promise.id,))
        says = escape(finding.says if finding else "")
        st.html(
            f'<div>{escape(promise.sentence)}</div><div class="sq-facts"><b>{says}</b>'
            f"<br>{escape(promise.kept_by)}</div>"
        )
        if finding is not None:
            earlier = st.expander("Earlier", key=f"earlier-{promise.id}", on_change="rerun")
            if not earlier.open:  # of two dozen lists nobody looks at more than one
                return
            with earlier:
                rows = "".join(
                    f"<tr><td>{time_html(each.checked_at, now)}</td><td>{_badge(_verdict(each))}</td>"
                    f"<td>{escape(each.finding.says if each.finding else '')}</td></tr>"
                    for each in history_of(runtime, promise.id, SHOWN)
                )
                st.html(f'<table class="sq-table sq-slim"><tbody>{rows}</tbody></table>')


def _draw_record() -> None:
    record = processing_record(get_runtime())
    with st.container(border=True, key="processing-record"):
        st.html(
            '<h2 class="sq-id">Record of processing activities</h2><p class="sq-facts">What Art. 30 GDPR asks for, '
            f"made of what the code declares: {count(len(record.activities), 'purpose')}, "
            f"{count(len(record.recipients), 'recipient')}. It changes only when something it tells changes.</p>"
        )
        with st.container(horizontal=True):
            for form in FORMATS:
                text, name = record_text(record, form), f"processing-record.{form}"
                download_button(form.upper(), text, file_name=name, mime=MEDIA[form], key=f"record-{form}")


def _verdict(evidence: Evidence) -> str:
    return evidence.finding.verdict if evidence.finding else "unknown"


def _badge(verdict: str) -> str:
    name, colour = LOOKS[verdict]
    return f'<span class="sq-badge sq-{colour}">{icon(name)}<span>{VERDICTS[verdict]}</span></span>'


@guarded
def _check(promise: str | None = None) -> None:
    runtime = get_runtime()
    by = require_role(runtime, "admin")
    if attempt(lambda: check_by_hand(runtime, by, (promise,) if promise else ())):
        say(f"{promise} was looked at." if promise else "Every promise was looked at.")


if __name__ == "__main__":
    promises_page()
