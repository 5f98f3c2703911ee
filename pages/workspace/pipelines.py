"""A person's pipelines: open one, start a new one, bring one in as YAML."""

from __future__ import annotations

from html import escape
from urllib.parse import urlencode

import streamlit as st

from core.bootstrap import get_runtime
from core.pipelines.commands import create_pipeline
from core.pipelines.domain import PipelineSummary
from core.pipelines.queries import list_pipelines
from pages.ui.badges import text_badge
from pages.ui.memory import keep, take, widget_text
from pages.ui.navigator import base_path
from pages.ui.notices import attempt, draw_notices
from pages.ui.session import current_session, guarded
from pages.ui.words import time_html

PAGE_SIZE = 50
_OPEN = "pipelines-made"


def pipelines_page() -> None:
    """The list, and two ways to make a pipeline."""
    runtime = get_runtime()
    session = current_session(runtime)
    made = take(_OPEN)
    if made is not None:
        st.switch_page(_notebook(), query_params={"pipeline": made})
    with st.container(horizontal=True, vertical_alignment="center", key="pipelines-header"):
        st.html('<h1 class="sq-title">Pipelines</h1>')
        with st.popover("Import YAML", icon=":material/upload:", key="pipelines-import"):
            st.text_area("Definition as YAML or JSON", key="pipelines-text", height=220)
            st.button("Import", key="pipelines-import-go", on_click=_import_text)
        with st.popover("New pipeline", icon=":material/add:", type="primary", key="pipelines-new"):
            st.text_input("Name", key="pipelines-name", placeholder="Support mail triage")
            st.button("Create", type="primary", key="pipelines-create", on_click=_create)
    draw_notices()
    page = list_pipelines(runtime, session.account.id, PAGE_SIZE, st.query_params.get("after"))
    if not page.items:
        st.html(
            f'<div class="sq-blank"><b>No pipelines yet.</b> <a class="sq-link" href="{base_path()}" target="_self">'
            "Open the example</a> to change it into your own.</div>"
        )
        return
    rows = "".join(_row(pipeline) for pipeline in page.items)
    head = "<th>Pipeline</th><th>Version</th><th>Changed</th>"
    st.html(f'<table class="sq-table"><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>')
    if page.next_cursor:
        older = f"{base_path()}pipelines?{urlencode({'after': page.next_cursor})}"
        st.html(f'<a class="sq-link" href="{escape(older)}" target="_self">Older</a>')


def _row(pipeline: PipelineSummary) -> str:
    href = f"{base_path()}?{urlencode({'pipeline': pipeline.id})}"
    tags = "".join(text_badge(tag) for tag in pipeline.tags)
    return (
        f'<tr><td><a href="{escape(href)}" target="_self">{escape(pipeline.name)}</a> {tags}'
        f'<div class="sq-facts">{escape(pipeline.description)}</div></td><td>v{pipeline.version}</td>'
        f"<td>{time_html(pipeline.updated_at, get_runtime().clock.now())}</td></tr>"
    )


def _notebook() -> st.Page:
    from pages.workspace.notebook import notebook_page

    return st.Page(notebook_page, default=True)


@guarded
def _create() -> None:
    name = widget_text("pipelines-name").strip() or "Untitled"
    source = {
        "name": name,
        "version": 1,
        "input": {"schema": {"text": {"type": "string", "description": "What to work on", "required": True}}},
        "steps": [{"id": "answer", "type": "llm", "prompt": "Summarise this in one sentence.\n\n{{input.text}}\n"}],
        "output": {"from": "answer"},
    }
    _make(source)


@guarded
def _import_text() -> None:
    _make(widget_text("pipelines-text"))


def _make(source: str | dict[str, object]) -> None:
    runtime = get_runtime()
    owner = current_session(runtime).account

    def make() -> None:
        keep(_OPEN, create_pipeline(runtime, owner, source).id)

    attempt(make)
