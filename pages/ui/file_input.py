"""An input that is a file: uploaded here, or one of those that are stored already. What is kept is the file's id.

Owns the session keys `file-*`: the uploader and its turn, the choice, what went wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from html import escape

import streamlit as st

from core.platform.files.domain import ACCEPTED, FileView
from core.shared.errors import AppError
from pages.ui.badges import icon
from pages.ui.words import bytes_size, count, joined, time_html

GONE = "This file is no longer stored. Upload it again, or choose another one."
_KINDS = {"csv": "CSV", "json": "JSON", "parquet": "Parquet", "text": "text", "pdf": "PDF", "image": "image"}


@dataclass(frozen=True)
class FileActions:
    """What the page does for the form: store an upload (raises AppError), find a file, list the newest ones."""

    store: Callable[[str, bytes, str], FileView | None]
    find: Callable[[str], FileView | None]
    recent: Callable[[], Sequence[FileView]]
    largest: int
    """Megabytes a file may have."""
    now: datetime


def draw_file(
    pipeline_id: str, name: str, value: str | None, actions: FileActions, choose: Callable[[str | None], None]
) -> None:
    """The stored file with replace and remove, or the ways to give one. `choose` keeps an id, or none."""
    place = f"file-{pipeline_id}-{name}"
    file = actions.find(value) if value else None
    said = st.session_state.get(f"{place}-said", GONE if value and file is None else None)
    with st.container(gap="xsmall"):
        if file is not None and not st.session_state.get(f"{place}-replaces"):
            _draw_stored(place, name, file, actions.now, choose)
        else:
            _draw_choice(place, name, file, actions, choose)
        if said:
            st.error(said, icon=":material/error:")


def _draw_stored(place: str, name: str, file: FileView, now: datetime, choose: Callable[[str | None], None]) -> None:
    def replace() -> None:
        st.session_state[f"{place}-replaces"] = True

    with st.container(key=f"{place}-stored", horizontal=True, vertical_alignment="center", border=True, gap="small"):
        st.html(_stored_html(file, now), width="stretch")
        st.button(
            "Replace", key=f"{place}-replace", icon=":material/sync:", type="tertiary", on_click=replace,
            help=f"Give another file for {name}",
        )  # fmt: skip
        st.button(
            "Remove", key=f"{place}-remove", icon=":material/close:", type="tertiary", on_click=choose, args=(None,),
            help="Takes it out of this form; the file stays stored",
        )  # fmt: skip


def _draw_choice(
    place: str, name: str, file: FileView | None, actions: FileActions, choose: Callable[[str | None], None]
) -> None:
    turn, said = f"{place}-turn", f"{place}-said"
    uploader = f"{place}-upload-{st.session_state.get(turn, 0)}"

    def take(file_id: str | None) -> None:
        st.session_state.pop(said, None)
        st.session_state.pop(f"{place}-replaces", None)
        choose(file_id)

    def store() -> None:
        sent = st.session_state.get(uploader)
        if sent is None:
            return
        # The next uploader is a new one: what was sent is not held in memory, and the same file can be sent again.
        st.session_state[turn] = st.session_state.get(turn, 0) + 1
        try:
            stored = actions.store(sent.name, sent.getvalue(), sent.type or "")
        except AppError as error:
            st.session_state[said] = error.message
            return
        if stored is not None:
            take(stored.id)

    def pick() -> None:
        if (picked := st.session_state.get(f"{place}-recent")) is not None:
            take(picked)

    st.file_uploader(name, key=uploader, on_change=store, max_upload_size=actions.largest, label_visibility="collapsed")
    st.html(f'<div class="sq-facts">{escape(ACCEPTED)}.</div>')
    recent = {each.id: each for each in actions.recent() if file is None or each.id != file.id}
    if recent:
        st.selectbox(
            f"Or a file you have stored, for {name}", list(recent), index=None, key=f"{place}-recent", on_change=pick,
            format_func=lambda file_id: f"{recent[file_id].name} ({facts_of(recent[file_id])})",
            placeholder="Or choose a recent file", label_visibility="collapsed",
        )  # fmt: skip
    if file is not None:
        st.button(f"Keep {file.name}", key=f"{place}-keep", type="tertiary", on_click=take, args=(file.id,))


def facts_of(file: FileView) -> str:
    """Kind, measure and size of a file: `CSV · 204 rows · 1.2 KB`."""
    rows, pages, width = file.facts.get("rows"), file.facts.get("pages"), file.facts.get("width")
    measure = None
    if isinstance(rows, int):
        measure = count(rows, "row")
    elif isinstance(pages, int):
        measure = count(pages, "page")
    elif isinstance(width, int):
        measure = f"{width} × {file.facts.get('height')} pixels"
    return joined(_KINDS[file.kind], measure, bytes_size(file.size))


def _stored_html(file: FileView, now: datetime) -> str:
    name = "image" if file.kind == "image" else "table" if file.kind in ("csv", "parquet") else "description"
    return (
        f'<div class="sq-row sq-file">{icon(name)}'
        f'<a class="sq-link" href="/api/files/{escape(file.id)}" download>{escape(file.name)}</a> '
        f'<span class="sq-facts">{escape(facts_of(file))} · stored {time_html(file.created_at, now)}</span></div>'
    )
