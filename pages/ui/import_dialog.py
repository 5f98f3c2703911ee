"""The dialog that brings a pipeline in: from a file, pasted, or from an address, with what would come of it.

Owns the session keys `import-*`. There is one text, whichever way it came; it stays until it has become a pipeline.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from html import escape

import streamlit as st

from core.pipelines.imports import ImportPreview
from core.shared.errors import AppError
from pages.ui.kinds import WORDS
from pages.ui.memory import forget_widgets, keep, recall, take, widget_text
from pages.ui.words import count
from pages.ui.yaml_view import draw_issues

WAYS = {"file": "File", "paste": "Paste", "url": "Address"}
SHOWN_STEPS = 12
MAX_BYTES = 256 * 1024
_TEXT, _KEPT, _SAID, _TURN, _DONE = "import-text", "import-kept", "import-said", "import-turn", "import-done"


@dataclass(frozen=True)
class ImportActions:
    """What the page does: tell what a text is, fetch one, make a pipeline, or a version of one (raise AppError).

    `replace` is told whether an unsaved draft may be lost.
    """

    preview: Callable[[str], ImportPreview]
    fetch: Callable[[str], str | None]
    create: Callable[[str, str | None], bool | None]
    replace: Callable[[str, str, bool], bool | None]


@st.dialog("Import a pipeline", width="large", icon=":material/upload:")
def import_dialog(actions: ImportActions) -> None:
    """Ways in on top, then the text itself, then what it would become."""
    if take(_DONE):
        st.rerun()  # the page goes on from here
    way = st.segmented_control(
        "From", list(WAYS), default="file", required=True, key="import-way", format_func=WAYS.__getitem__,
        label_visibility="collapsed",
    )  # fmt: skip
    if way == "file":
        _draw_file()
    elif way == "url":
        _draw_address(actions)
    said = recall(_SAID)
    if said:
        st.error(said, icon=":material/error:")
    if _TEXT not in st.session_state:
        st.session_state[_TEXT] = recall(_KEPT) or ""
    st.text_area("Definition as YAML or JSON", key=_TEXT, height=240, on_change=_forget_said)
    text = widget_text(_TEXT)
    keep(_KEPT, text)
    if text.strip():
        _draw_preview(text, actions.preview(text), actions)
    else:
        st.html('<div class="sq-facts">What it would become is shown here before anything is saved.</div>')


def _draw_file() -> None:
    uploader = f"import-file-{recall(_TURN) or 0}"

    def read() -> None:
        sent = st.session_state.get(uploader)
        if sent is None:
            return
        keep(_TURN, (recall(_TURN) or 0) + 1)
        data: bytes = sent.getvalue()
        if len(data) > MAX_BYTES:
            keep(_SAID, f"{sent.name} is larger than 256 KB, and so is no definition.")
            return
        try:
            _fill(data.decode("utf-8-sig"))
        except UnicodeDecodeError:
            keep(_SAID, f"{sent.name} is not text in UTF-8.")

    st.file_uploader(
        "A YAML or JSON file", type=["yaml", "yml", "json"], key=uploader, on_change=read, max_upload_size=1,
        label_visibility="collapsed",
    )  # fmt: skip


def _draw_address(actions: ImportActions) -> None:
    def fetch() -> None:
        try:
            text = actions.fetch(widget_text("import-url"))
        except AppError as error:
            keep(_SAID, error.message)
            return
        if text is not None:
            _fill(text)

    with st.container(horizontal=True, vertical_alignment="bottom", key="import-address"):
        st.text_input(
            "Address of the raw file", key="import-url", placeholder="https://example.org/pipeline.yaml",
            autocomplete="off",
        )  # fmt: skip
        st.button("Fetch", key="import-fetch", icon=":material/download:", on_click=fetch)


def _draw_preview(text: str, preview: ImportPreview, actions: ImportActions) -> None:
    draw_issues(preview.errors, preview.warnings)
    if preview.errors:
        return
    st.html(_preview_html(preview))
    how = "new"
    if preview.namesake is not None:
        # Each question has a key of its own, so that no answer is taken for one about another pipeline.
        how = st.radio(
            f"You have a pipeline called “{preview.name}”.",
            ["new", "version"],
            key=f"import-how-{preview.namesake}",
            format_func={
                "new": f"Keep it, and import this one as “{preview.free_name}”",
                "version": "Make this its next version; the versions before it stay",
            }.get,
        )
    drop = how == "version" and _draw_draft(preview)
    name = preview.free_name if preview.free_name != preview.name else None

    def make() -> None:
        done: bool | None = False
        try:
            new = how == "new"
            done = actions.create(text, name) if new else actions.replace(preview.namesake or "", text, drop)
        except AppError as error:
            keep(_SAID, error.message)
        if done:
            forget_widgets(_TEXT, _KEPT, _SAID, "import-url")
            keep(_DONE, True)

    label = "Save as the next version" if how == "version" else "Import"
    unanswered = how == "version" and preview.draft == "broken" and not drop
    st.button(label, type="primary", key="import-go", on_click=make, disabled=unanswered)


def _draw_draft(preview: ImportPreview) -> bool:
    """What becomes of changes that are no version yet; whether they may be lost, where they cannot be kept."""
    if preview.draft == "valid":
        st.info(
            "This pipeline has an unsaved draft. It is kept as a version of its own before this one.",
            icon=":material/history:",
        )
    if preview.draft != "broken":
        return False
    st.warning(
        "This pipeline has an unsaved draft with errors: it cannot be kept as a version.", icon=":material/warning:"
    )
    return st.checkbox("Replace the unsaved draft", key=f"import-drop-{preview.namesake}")


def _preview_html(preview: ImportPreview) -> str:
    rows = "".join(
        f'<tr><td style="padding-left:{0.6 + 1.1 * depth:.1f}rem"><b>{escape(step_id)}</b></td>'
        f"<td>{escape(WORDS.get(kind, kind))}</td><td>{escape(model or '')}</td></tr>"
        for step_id, kind, model, depth in preview.steps[:SHOWN_STEPS]
    )
    more = len(preview.steps) - SHOWN_STEPS
    rest = f'<div class="sq-facts">And {count(more, "more step")}.</div>' if more > 0 else ""
    inputs = f"Inputs: {', '.join(map(escape, preview.inputs))}." if preview.inputs else "It needs no input."
    about = f'<div class="sq-facts">{escape(preview.description)}</div>' if preview.description else ""
    return (
        f'<div class="sq-preview"><div class="sq-row"><span class="sq-id">{escape(preview.name)}</span>'
        f'<span class="sq-facts">{count(len(preview.steps), "step")}</span></div>{about}'
        '<table class="sq-table"><thead><tr><th>Step</th><th>Kind</th><th>Model</th></tr></thead>'
        f'<tbody>{rows}</tbody></table>{rest}<div class="sq-facts">{inputs}</div></div>'
    )


def _fill(text: str) -> None:
    st.session_state[_TEXT] = text
    keep(_KEPT, text)
    _forget_said()


def _forget_said() -> None:
    forget_widgets(_SAID)
