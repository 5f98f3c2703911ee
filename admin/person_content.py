"""A person's content in an admin's hands: closed, or open for half an hour, and what is read is written down."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from html import escape
from typing import TYPE_CHECKING

import streamlit as st

from admin import person_actions as actions
from admin.run_rows import facts_table
from core.accounts.domain import SessionView
from core.accounts.looks import LookView, current_look
from core.accounts.people import PersonView
from core.accounts.reasons import LEAST_REASON
from core.execution.content_looks import look_at_pipeline, look_at_pipelines, look_at_run
from core.execution.domain import RunView, StepRunView
from core.execution.oversight import list_all_runs
from core.pipelines.domain import PipelineSummary
from core.shared.errors import AppError
from pages.ui.badges import state_badge, step_state, text_badge
from pages.ui.filters import link_html
from pages.ui.outputs import draw_output, draw_plain
from pages.ui.words import count, duration, joined, time_html, until

if TYPE_CHECKING:
    from core.platform.runtime import Runtime

RUNS = 10


def draw_content(runtime: Runtime, session: SessionView, person: PersonView, confirmed: bool) -> None:
    """Their newest runs by what the machine knows; what is in them only within a look."""
    look = current_look(runtime, session, person.id)
    with st.container(border=True, key="person-content"):
        if look is None:
            _draw_closed(person, session, confirmed)
        else:
            _draw_open(runtime, session, person, look)
    runs = list_all_runs(runtime, owner_id=person.id, limit=RUNS).items
    if runs:
        more = link_html("admin-runs", {"owner": person.id}, "All of their runs")
        st.html(
            f'<h2 class="sq-id">Newest runs</h2>{facts_table(runs, runtime.clock.now(), opens=look is not None)}'
            f'<p class="sq-facts">{more}</p>'
        )


def _draw_closed(person: PersonView, session: SessionView, confirmed: bool) -> None:
    st.html(
        '<h2 class="sq-id">Content</h2><div class="sq-facts">Pipelines, inputs and outputs are closed. Whoever has to '
        "look writes why: the person is mailed these words at once and sees what was opened, the audit log has it, and "
        "after 30 minutes it is closed again. Nothing can be changed, and secrets and keys are never shown.</div>"
    )
    if person.id == session.account.id:
        st.html('<p class="sq-facts">This is your own account: what is in it, you see in the app.</p>')
    elif person.restricted_at is not None:
        st.html('<p class="sq-facts"><b>The use of their data is restricted:</b> it is opened to nobody.</p>')
    elif confirmed:
        with st.popover("Open for a reason", icon=":material/visibility:", key="look"):
            st.text_area(
                "Your reason, as they will read it", key=f"look-reason-{person.id}", max_chars=1_000, height=110,
                placeholder=f"At least {LEAST_REASON} characters, such as what they asked you to find out",
            )  # fmt: skip
            st.button(
                "Open for 30 minutes", key="look-go", type="primary", on_click=actions.open_content, args=(person.id,)
            )  # fmt: skip


def _draw_open(runtime: Runtime, session: SessionView, person: PersonView, look: LookView) -> None:
    head = st.container(horizontal=True, vertical_alignment="center")
    st.html(f'<div class="sq-quote">{escape(look.reason)}</div>')
    _draw_what_is_read(runtime, session, person)
    look = current_look(runtime, session, person.id) or look  # with what was opened just now
    with head:
        opened = ", ".join(count(number, kind) for kind, number in sorted(look.opened.items())) or "nothing yet"
        closes = f"closes {until(look.ends_at, runtime.clock.now())}"
        st.html(
            f'<div class="sq-row"><h2 class="sq-id">Content</h2>{text_badge("open", "violet")}'
            f'<span class="sq-facts">{joined(closes, f"read so far: {escape(opened)}")}</span></div>'
        )
        st.button("Close now", key="look-end", on_click=actions.close_content, args=(person.id,))


def _draw_what_is_read(runtime: Runtime, session: SessionView, person: PersonView) -> None:
    now = runtime.clock.now()
    query = st.query_params
    try:
        if "run" in query:
            _draw_run(look_at_run(runtime, session, person.id, query["run"]), person.id)
        elif "pipeline" in query:
            found = look_at_pipeline(runtime, session, person.id, query["pipeline"])
            st.html(f'<p class="sq-facts">{_back(person.id)}</p><h3 class="sq-id">{escape(found.name)}</h3>')
            st.code(found.text, language="yaml", wrap_lines=True)
        elif query.get("part") == "pipelines":
            _draw_pipelines(look_at_pipelines(runtime, session, person.id).items, person.id, now)
        else:
            names = link_html("person", {"person": person.id, "part": "pipelines"}, "Names of their pipelines")
            st.html(f'<p class="sq-facts">{names}, or a run below. Each is written down when you open it.</p>')
    except AppError as refused:
        st.error(refused.message, icon=":material/error:")


def _draw_pipelines(pipelines: Sequence[PipelineSummary], account_id: str, now: datetime) -> None:
    if not pipelines:
        st.html('<div class="sq-blank">They have no pipelines.</div>')
        return
    rows = "".join(
        f"<tr><td>{link_html('person', {'person': account_id, 'pipeline': each.id}, each.name)}</td>"
        f'<td class="sq-num">v{each.version}</td><td>{time_html(each.updated_at, now)}</td></tr>'
        for each in pipelines
    )
    st.html(
        '<div class="sq-scroll"><table class="sq-table"><thead><tr><th scope="col">Pipeline</th>'
        f'<th scope="col" class="sq-num">Version</th><th scope="col">Changed</th></tr></thead><tbody>{rows}</tbody>'
        f'</table></div><p class="sq-facts">{_back(account_id)}</p>'
    )


def _draw_run(run: RunView, account_id: str) -> None:
    st.html(
        f'<p class="sq-facts">{_back(account_id)}</p><div class="sq-row"><h3 class="sq-id">{escape(run.pipeline_name)}'
        f"</h3>{state_badge(run.status, run=True)}<code>…{escape(run.id[-8:])}</code></div>"
    )
    if run.error is not None:
        st.html(f'<div class="sq-trouble">{escape(str(run.error.get("message") or run.error.get("code")))}</div>')
    st.html('<p class="sq-label">Input</p>')
    draw_output(run.input_data, markdown=False, key=f"look-in-{run.id}", file_name="input")
    st.html('<p class="sq-label">Output</p>')
    draw_output(run.output_data, markdown=False, key=f"look-out-{run.id}", file_name="output")
    for step in run.steps:
        _draw_step(step, run.id)


def _draw_step(step: StepRunView, run_id: str) -> None:
    facts = joined(step.type, step.model, duration(step.duration_ms))
    with st.expander(f"{step.step_id} · {step.status}", key=f"look-step-{run_id}-{step.step_index}"):
        st.html(f'<div class="sq-row">{state_badge(step_state(step.status, step.error))}<span class="sq-facts">'
                f"{escape(facts)}</span></div>")  # fmt: skip
        for name, text in (("Prompt", step.prompt_sent), ("Answer", step.raw_output)):
            if text:
                st.html(f'<p class="sq-label">{name}</p>')
                draw_plain(text, key=f"look-{name}-{run_id}-{step.step_index}", file_name=name.lower())


def _back(account_id: str) -> str:
    return link_html("person", {"person": account_id}, "Back")
