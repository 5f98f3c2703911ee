"""One request: what it would do, what is to be decided, what was said, and everything that happened."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from html import escape
from typing import TYPE_CHECKING

import streamlit as st

from admin import privacy_actions as actions
from admin.legal_holds import draw_holds
from core.accounts.domain import SessionView
from core.privacy.answers import answer_text, letter_to_post, spoken
from core.privacy.deciding import Revealed, comments_to_judge
from core.privacy.domain import LONGEST_TEXT, SIGN_AGAIN_AFTER, longest_due_at
from core.privacy.dry_run import DryRun, Kept, dry_run
from core.privacy.erasure.certificates import certificate_of, followups_of, render_certificate
from core.privacy.export.passages import STANDS_ALONE
from core.privacy.queries import RequestFile, request_file
from core.privacy.rights import STEPS
from core.privacy.words import CAME_BY, GROUND_WORDS, IDENTITIES, RIGHT_NAMES
from core.shared.months import months_after
from pages.ui.badges import text_badge
from pages.ui.download import download_button
from pages.ui.memory import recall
from pages.ui.notices import draw_notices
from pages.ui.privacy import days_left_html, head_html, steps_html, timeline_html
from pages.ui.words import count, exact, joined, time_html

if TYPE_CHECKING:
    from core.platform.runtime import Runtime

BACK = '<a class="sq-link" href="/app/privacy-requests" target="_self">All requests</a>'
VERDICTS = {"accept": "Do what was asked", "refuse": "Refuse"}


def draw_detail(runtime: Runtime, session: SessionView, request_id: str, confirm: str) -> None:
    """The whole of a request that is not one's own."""
    file = request_file(runtime, request_id)
    request, now = file.request, runtime.clock.now()
    st.html(f'<p class="sq-facts">{BACK}</p><h1 class="sq-title">{RIGHT_NAMES[request.right]} …{request.id[-8:]}</h1>')
    draw_notices()
    if request.account_id == session.account.id:
        st.html('<div class="sq-blank"><b>This is your own request.</b> Another privacy admin handles it.</div>')
        return
    st.html(head_html(request) + (days_left_html(request, now) if request.is_open else ""))
    confirmed = session.is_confirmed(now)
    if not confirmed:
        st.html(
            '<div class="sq-empty">Deciding, extending and looking who asked: within 10 minutes after your password. '
            f'<a class="sq-link" href="{confirm}" target="_self">Confirm it</a>.</div>'
        )
    _draw_person(file, confirmed)
    _draw_dry_run(dry_run(runtime, request) if request.is_open else None)
    if confirmed and request.status == "awaiting_identity":
        _draw_identity(request.id)
    if request.status == "awaiting_decision":
        _draw_decision(runtime, session, file, confirmed)
    if confirmed and _may_extend(runtime, file):
        _draw_extension(file)
    if confirmed:
        _draw_restriction(file)
    draw_holds(runtime, session, request.account_id)
    _draw_answer(runtime, file)
    _draw_certificate(runtime, request.id)
    _draw_happened(runtime, file)


def _revealed(request_id: str) -> Revealed | None:
    """Who asked, where it was looked at for this request since the page was opened."""
    shown_for, seen = recall(actions.REVEALED) or ("", None)
    return seen if shown_for == request_id else None


def _draw_person(file: RequestFile, confirmed: bool) -> None:
    request = file.request
    seen = _revealed(request.id)
    with st.container(border=True, key="request-person"):
        who = f"<code>{escape(request.account_id)}</code>"
        if seen is not None:
            who = f"<b>{escape(seen.name or 'No name')}</b> · {escape(seen.email)} · {who}"
        identity = IDENTITIES[request.identity] if request.identity else "not shown yet"
        st.html(
            f'<h2 class="sq-id">Who asked</h2><p class="sq-facts">{who}<br>'
            f"{joined(f'identity: {escape(identity)}', CAME_BY[request.channel])}</p>"
        )
        if confirmed and seen is None:
            with st.popover("Show name and address", icon=":material/visibility:", key=f"reveal-{request.id}"):
                st.text_area(
                    "Why you have to know", key=f"reveal-reason-{request.id}", max_chars=500, height=80,
                    help="It is written into the audit log that you looked, and the person is mailed this reason.",
                )  # fmt: skip
                st.button("Show", key=f"reveal-go-{request.id}", type="primary", on_click=actions.reveal,
                          args=(request.id,))  # fmt: skip
        said = []
        if file.details.ground is not None:
            said.append(GROUND_WORDS[file.details.ground])
        if file.details.text:
            said.append(file.details.text)
        if said:
            st.html(f'<p class="sq-label">What they said</p><div class="sq-quote">{escape(chr(10).join(said))}</div>')


def _draw_dry_run(found: DryRun | None) -> None:
    if found is None:
        return
    with st.container(border=True, key="request-dry-run"):
        st.html(f'<h2 class="sq-id">What it would do now</h2><p class="sq-said">{escape(found.sentence)}</p>')
        steps = "".join(f"<li>{escape(step)}</li>" for step in found.steps)
        rows = "".join(
            f'<tr><td>{escape(title)}</td><td class="sq-num">{number:,}</td></tr>'
            for title, number in (*found.deletes, *found.hands_over)
        )
        if steps:
            st.html(f'<ul class="sq-plain-list">{steps}</ul>')
        if rows:
            with st.expander("Rows a store", key="dry-run-rows"):
                st.html(f'<table class="sq-table sq-slim"><tbody>{rows}</tbody></table>')
        kept = _kept_html(found.keeps)
        if kept:
            with st.expander("What is kept", key="dry-run-kept"):
                st.html(kept)


def _kept_html(keeps: Sequence[Kept]) -> str:
    """What is kept, a line for each day and law; empty where nothing is."""
    groups: dict[tuple[date, str], list[Kept]] = {}
    for each in keeps:
        groups.setdefault((each.until, each.law), []).append(each)
    rows = "".join(
        f'<tr><td><span class="sq-nowrap">{until:%Y-%m-%d}</span></td><td>{escape(law)}</td>'
        f'<td class="sq-num">{sum(each.rows for each in group):,}</td>'
        f"<td>{escape(joined(*(f'{each.title} {each.rows:,}' for each in group)))}</td></tr>"
        for (until, law), group in groups.items()
    )
    if not rows:
        return ""
    return (
        '<div class="sq-scroll" tabindex="0" role="region" aria-label="What is kept"><table class="sq-table"><thead>'
        '<tr><th>Until</th><th>Law</th><th class="sq-num">Rows</th><th>Stores</th></tr></thead>'
        f"<tbody>{rows}</tbody></table></div>"
    )


def _draw_identity(request_id: str) -> None:
    with st.container(border=True, key="request-identity"):
        st.html(
            '<h2 class="sq-id">Who asked is not shown yet</h2><p class="sq-facts">A link was mailed to the address of '
            "the account. If something else shows it, say what, in words: copies of documents are not kept.</p>"
        )
        st.text_area("What shows it", key=f"evidence-{request_id}", max_chars=LONGEST_TEXT, height=70)
        st.button("Note it, and go on", key=f"evidence-go-{request_id}", on_click=actions.note_identity,
                  args=(request_id,))  # fmt: skip


def _draw_decision(runtime: Runtime, session: SessionView, file: RequestFile, confirmed: bool) -> None:
    request_id, decision = file.request.id, file.decision
    with st.container(border=True, key="request-decision"):
        if decision is not None:
            alone = decision.signed_by == session.account.id
            opens = decision.signed_at + SIGN_AGAIN_AFTER
            waits = (
                "You signed first. Another privacy admin signs second; where you are the only one, you sign again "
                f"from {exact(opens)} on."
                if alone
                else "A second signature makes it count."
            )
            st.html(
                f'<h2 class="sq-id">Signed once: {VERDICTS[decision.verdict].lower()}</h2>'
                f'<div class="sq-quote">{escape(decision.reason)}</div><p class="sq-facts">'
                f"{time_html(decision.signed_at, runtime.clock.now())} by privacy admin {decision.signed_by[-8:]}. "
                f"{waits}</p>{_left_out_html(file)}"
            )
            with st.container(horizontal=True):
                if confirmed:
                    st.button("Sign second", key=f"sign-{request_id}", type="primary", on_click=actions.sign,
                              args=(request_id,))  # fmt: skip
                st.button("Take the decision back", key=f"drop-{request_id}", on_click=actions.drop, args=(request_id,))
            return
        st.html('<h2 class="sq-id">To be decided</h2>')
        if not confirmed:
            return
        _draw_others(runtime, file)
        st.radio("Decision", list(VERDICTS), key=f"verdict-{request_id}", format_func=VERDICTS.get, horizontal=True)
        st.text_area(
            "Reasons, for the person", key=f"reason-{request_id}", max_chars=LONGEST_TEXT, height=110,
            help="A refusal is mailed with these reasons, the way to the CNIL and to the courts, once it is signed "
            "twice.",
        )  # fmt: skip
        st.button("Decide", key=f"decide-{request_id}", type="primary", on_click=actions.decide, args=(request_id,))


def _draw_others(runtime: Runtime, file: RequestFile) -> None:
    """Words of others in an access, each to be left out or not; read only by who gave a reason to look."""
    request = file.request
    found = comments_to_judge(runtime, request)
    if not found:
        return
    seen = _revealed(request.id)
    st.html(
        f'<p class="sq-facts">{count(len(found), "comment")} came through mailed links of reviews, perhaps from '
        "others (GDPR Art. 15(4)). Their words show once you looked who asked. What is left out makes the answer "
        "a part of what was asked, and needs a second signature.</p>"
    )
    for each in found:
        st.checkbox(
            f"Leave out the comment of {each.decided_at:%Y-%m-%d %H:%M}", key=f"leave-{each.review_id}",
            value=each.review_id in file.left_out,
        )  # fmt: skip
        if seen is not None and each.review_id in seen.others:
            st.html(f'<div class="sq-quote">{escape(seen.others[each.review_id])}</div>')
    if seen is not None:
        st.text_area(
            "Left out wherever it stands, one a line", key=f"passages-{request.id}", value="\n".join(seen.passages),
            height=100, placeholder="A name, an address, a sentence about somebody else",
            help="Taken out of every table, pipeline and file of this and later copies of this person, in any case "
            f"and spacing. Fewer than {STANDS_ALONE} letters count only where no letter stands beside them. What a "
            "picture shows is not read.",
        )  # fmt: skip
    elif file.passages:
        st.html(f'<p class="sq-facts">{count(file.passages, "passage")} left out wherever they stand.</p>')
    ids = tuple(each.review_id for each in found)
    st.button("Keep this choice", key=f"leave-out-{request.id}", on_click=actions.leave_out, args=(request.id, ids))


def _left_out_html(file: RequestFile) -> str:
    """What of others a decision leaves out, for who signs second; in words for who looked who asked."""
    if not file.left_out and not file.passages:
        return ""
    what = joined(
        f"{count(len(file.left_out), 'comment')} left out" if file.left_out else "",
        f"{count(file.passages, 'passage')} left out wherever it stands" if file.passages else "",
    )
    seen = _revealed(file.request.id)
    said = escape("\n".join(seen.passages)) if seen is not None else ""
    quote = f'<div class="sq-quote">{said}</div>' if said else ""
    return f'<p class="sq-facts">{what}</p>{quote}'


def _may_extend(runtime: Runtime, file: RequestFile) -> bool:
    request = file.request
    in_time = runtime.clock.now() <= months_after(request.received_at, 1)
    return request.is_open and request.extended_until is None and in_time


def _draw_extension(file: RequestFile) -> None:
    request = file.request
    latest = longest_due_at(request.received_at).date()
    with st.expander("Take longer", key="request-extend", icon=":material/schedule:"):
        st.html(
            f'<p class="sq-facts">Once, announced now with the reasons, until {latest.day} {latest:%B %Y} at the '
            f"latest (GDPR Art. 12(3)). The promise of 30 days counts as missed after {request.due_at.day} "
            f"{request.due_at:%B %Y} all the same.</p>"
        )
        st.date_input(
            "Answered by", value=latest, min_value=request.due_at.date() + timedelta(days=1), max_value=latest,
            key=f"until-{request.id}", width=170,
        )  # fmt: skip
        st.text_area("Reasons, for the person", key=f"extend-reason-{request.id}", max_chars=LONGEST_TEXT, height=80)
        st.button("Extend and tell", key=f"extend-{request.id}", on_click=actions.extend, args=(request.id,))


def _draw_restriction(file: RequestFile) -> None:
    restriction = file.restriction
    if restriction is None or restriction.ended_at is not None:
        return
    with st.container(border=True, key="request-restriction"):
        if restriction.lift_at is not None:
            st.html(
                f'<h2 class="sq-id">Restricted {text_badge("ends soon", "amber")}</h2><p class="sq-facts">The person '
                f"was told. It ends on {exact(restriction.lift_at)}.</p>"
            )
            return
        st.html(
            '<h2 class="sq-id">Restricted</h2><p class="sq-facts">Nothing is done with this person’s data but to keep '
            "it. Before it ends the person is told (GDPR Art. 18(3)): it ends three days after that.</p>"
        )
        if file.request.status != "awaiting_decision":
            st.text_area("Why it ends, for the person", key=f"lift-reason-{file.request.id}", height=80)
            st.button("Tell, and end it in three days", key=f"lift-{file.request.id}", on_click=actions.lift,
                      args=(file.request.id,))  # fmt: skip


def _draw_answer(runtime: Runtime, file: RequestFile) -> None:
    request = file.request
    if request.is_open:
        return
    language = spoken(runtime, request.account_id)
    with st.container(border=True, key="request-answer"):
        st.html(
            f'<h2 class="sq-id">The answer, as it was mailed</h2><div class="sq-quote">'
            f"{escape(answer_text(file, language))}</div>"
        )
        download_button(
            "The answer as a letter (PDF)", lambda: letter_to_post(runtime, file),
            file_name=f"answer-{request.id[-8:]}.pdf", mime="application/pdf", key=f"answer-{request.id}",
        )  # fmt: skip


def _draw_certificate(runtime: Runtime, request_id: str) -> None:
    """What was erased, kept and scanned, once an erasure has ended; and what went later, when a legal hold ended."""
    first = certificate_of(runtime, request_id)
    for certificate in () if first is None else (first, *followups_of(runtime, first.number)):
        place = certificate.number
        with st.expander(f"Certificate {place}", key=f"request-certificate-{place}", icon=":material/verified:"):
            st.html(f'<pre class="sq-plaintext">{escape(render_certificate(certificate))}</pre>')
            download_button(
                "The certificate (JSON)", certificate.as_json(), file_name=f"certificate-{place}.json",
                mime="application/json", key=f"certificate-{place}",
            )  # fmt: skip


def _draw_happened(runtime: Runtime, file: RequestFile) -> None:
    request = file.request
    says = {step.name: step.says for step in STEPS.get(request.right, ())}
    with st.container(border=True, key="request-happened"):
        st.html(
            '<h2 class="sq-id">Time line</h2>'
            + timeline_html(file.events, runtime.clock.now(), admin=True)
            + steps_html(file.steps, says)
        )
        st.text_area(
            "Write to the person", key=f"write-{request.id}", max_chars=LONGEST_TEXT, height=80,
            placeholder="Mailed to them, and kept here",
        )  # fmt: skip
        st.button("Send", key=f"write-go-{request.id}", on_click=actions.write, args=(request.id,))
