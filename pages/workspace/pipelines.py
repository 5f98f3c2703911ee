"""A person's pipelines: open one, start a new one, import and export, archive and restore."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import streamlit as st

from core.bootstrap import get_runtime
from core.pipelines.commands import archive_pipeline, create_pipeline, unarchive_pipeline
from core.pipelines.domain import PipelineSummary
from core.pipelines.imports import fetch_definition, import_pipeline, import_version, preview_import, undo_import
from core.pipelines.queries import get_pipeline, list_pipelines
from pages.ui.address import go
from pages.ui.badges import text_badge
from pages.ui.dialogs import export_dialog
from pages.ui.import_dialog import ImportActions, import_dialog
from pages.ui.memory import NotebookMemory, ask_dialog, keep, take, take_dialog, widget_text
from pages.ui.navigator import base_path
from pages.ui.notices import attempt, draw_notices, offer_undo, say
from pages.ui.session import current_session, guarded
from pages.ui.words import time_html

if TYPE_CHECKING:
    from core.accounts.domain import Account
    from core.platform.runtime import Runtime

PAGE_SIZE = 50
VIEWS = {"active": "In use", "archived": "Archived"}
MENU = {"export": ":material/download: Export YAML", "archive": ":material/archive: Archive"}
_OPEN = "pipelines-made"


def pipelines_page() -> None:
    """The list, the ways to make a pipeline, and what is archived."""
    runtime = get_runtime()
    account = current_session(runtime).account
    made = take(_OPEN)
    if made is not None:
        st.switch_page(_notebook(), query_params={"pipeline": made})
    view = "archived" if st.query_params.get("view") == "archived" else "active"
    _draw_header(view)
    draw_notices()
    page = list_pipelines(runtime, account.id, PAGE_SIZE, st.query_params.get("after"), archived=view == "archived")
    if page.items:
        with st.container(key="pipeline-rows", gap=None):
            for pipeline in page.items:
                _draw_row(pipeline, view)
    else:
        _draw_nothing(view)
    if page.next_cursor:
        query = {"after": page.next_cursor} | ({"view": view} if view == "archived" else {})
        older = f"{base_path()}pipelines?{urlencode(query)}"
        st.html(f'<a class="sq-link" href="{escape(older)}" target="_self">Older</a>')
    _open_dialog(runtime, account)


def _draw_header(view: str) -> None:
    with st.container(horizontal=True, vertical_alignment="center", key="pipelines-header"):
        st.html('<h1 class="sq-title">Pipelines</h1>')
        key = f"pipelines-view-{view}"
        st.segmented_control(
            "Which", list(VIEWS), default=view, required=True, key=key, format_func=VIEWS.__getitem__,
            label_visibility="collapsed", on_change=lambda: _look_at(str(st.session_state[key])),
        )  # fmt: skip
        st.button(
            "Import", icon=":material/upload:", key="pipelines-import", on_click=ask_dialog, args=("import",),
            help="From a file, pasted, or from an address",
        )  # fmt: skip
        with st.popover("New pipeline", icon=":material/add:", type="primary", key="pipelines-new"):
            st.text_input("Name", key="pipelines-name", placeholder="Support mail triage")
            st.button("Create", type="primary", key="pipelines-create", on_click=_create)


def _draw_row(pipeline: PipelineSummary, view: str) -> None:
    with st.container(key=f"pipeline-{pipeline.id}", horizontal=True, vertical_alignment="center", gap="small"):
        st.html(_row(pipeline, linked=view == "active"), width="stretch")
        if view == "archived":
            st.button(
                "Restore", key=f"pipeline-restore-{pipeline.id}", icon=":material/unarchive:", on_click=_restore,
                args=(pipeline.id, pipeline.name),
            )  # fmt: skip
            return
        key = f"pipeline-menu-{pipeline.id}"
        st.menu_button(
            f"More about {pipeline.name}", list(MENU), key=key, icon=":material/more_horiz:", type="tertiary",
            format_func=MENU.__getitem__,
            on_click=lambda: _choose(str(st.session_state.get(key)), pipeline.id, pipeline.name),
        )  # fmt: skip


def _row(pipeline: PipelineSummary, *, linked: bool) -> str:
    tags = "".join(text_badge(tag) for tag in pipeline.tags)
    name = escape(pipeline.name)
    if linked:
        href = f"{base_path()}?{urlencode({'pipeline': pipeline.id})}"
        name = f'<a class="sq-id" href="{escape(href)}" target="_self">{name}</a>'
    else:
        name = f'<span class="sq-id">{name}</span>'
    changed = time_html(pipeline.updated_at, get_runtime().clock.now())
    about = f'<div class="sq-facts">{escape(pipeline.description)}</div>' if pipeline.description else ""
    return (
        f'<div class="sq-row">{name}{tags}<span class="sq-facts">v{pipeline.version} · changed {changed}</span></div>'
        f"{about}"
    )


def _draw_nothing(view: str) -> None:
    st.html(
        '<div class="sq-blank"><b>Nothing is archived.</b> Archive a pipeline from its menu: it rests here, with its '
        "runs and versions, until you restore it.</div>"
        if view == "archived"
        else f'<div class="sq-blank"><b>No pipelines yet.</b> <a class="sq-link" href="{base_path()}" target="_self">'
        "Open the example</a> to change it into your own.</div>"
    )


def _open_dialog(runtime: Runtime, account: Account) -> None:
    dialog, details = take_dialog()
    if dialog == "import":
        actions = ImportActions(
            preview=lambda text: preview_import(runtime, account, text),
            fetch=guarded(lambda url: fetch_definition(runtime, account, url)),
            create=_import_new,
            replace=_import_version,
        )
        import_dialog(actions)
    elif dialog == "export":
        pipeline = get_pipeline(runtime, account.id, details["pipeline_id"])
        export_dialog(pipeline.name, pipeline.text)


def _notebook() -> st.Page:
    from pages.workspace.notebook import notebook_page

    return st.Page(notebook_page, default=True)


@guarded
def _look_at(view: str) -> None:
    go({"view": view} if view == "archived" else {})


@guarded
def _choose(choice: str, pipeline_id: str, name: str) -> None:
    if choice == "export":
        ask_dialog("export", pipeline_id=pipeline_id)
    elif choice == "archive":
        _archive(pipeline_id, name)


def _archive(pipeline_id: str, name: str) -> None:
    runtime = get_runtime()
    owner = current_session(runtime).account
    if attempt(lambda: archive_pipeline(runtime, owner.id, pipeline_id)):
        offer_undo(
            f"Archived “{name}”. Its schedules rest, and webhooks no longer start it.",
            lambda: unarchive_pipeline(runtime, owner, pipeline_id),
        )


@guarded
def _restore(pipeline_id: str, name: str) -> None:
    runtime = get_runtime()
    owner = current_session(runtime).account
    if attempt(lambda: unarchive_pipeline(runtime, owner, pipeline_id)):
        say(f"Restored “{name}”. Its schedules go on.")


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
    runtime = get_runtime()
    owner = current_session(runtime).account
    attempt(lambda: keep(_OPEN, create_pipeline(runtime, owner, source).id))


@guarded
def _import_new(text: str, name: str | None) -> bool:
    runtime = get_runtime()
    owner = current_session(runtime).account
    keep(_OPEN, import_pipeline(runtime, owner, text, name=name).id)
    return True


@guarded
def _import_version(pipeline_id: str, text: str, drop_draft: bool) -> bool:
    runtime = get_runtime()
    owner = current_session(runtime).account
    replaced = import_version(runtime, owner, pipeline_id, text, drop_draft=drop_draft)
    memory = NotebookMemory(pipeline_id)
    memory.forget_draft()

    def bring_back() -> None:
        undo_import(runtime, current_session(runtime).account, replaced)
        memory.forget_draft()

    what = f"Imported as v{replaced.version + (2 if replaced.kept else 1)}."
    if replaced.kept:
        what += f" The unsaved draft was kept as v{replaced.version + 1}."
    elif replaced.draft is not None:
        what += " It took the place of an unsaved draft."
    offer_undo(what, bring_back)
    keep(_OPEN, pipeline_id)
    return True
