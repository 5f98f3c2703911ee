"""The code editor: CodeMirror 6, bundled into `dist/editor.js` (see README.md beside this file)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import streamlit as st
from streamlit.components.v2.get_bidi_component_manager import get_bidi_component_manager
from streamlit.components.v2.manifest_scanner import ComponentConfig, ComponentManifest

_HOME = Path(__file__).parent
_NAME = "stepiq.editor"
Language = Literal["template", "yaml", "cel", "python", "javascript", "sql", "json"]


@dataclass(frozen=True)
class Mark:
    """A remark on a line of the text, 1-based."""

    line: int | None
    column: int | None
    message: str
    severity: Literal["error", "warning"] = "error"


@dataclass(frozen=True)
class Suggestion:
    """Something that may be named: between `{{` and `}}`, or as it is in a program."""

    label: str
    detail: str


def code_editor(
    value: str,
    *,
    key: str,
    label: str,
    language: Language = "template",
    placeholder: str = "",
    scope: tuple[Suggestion, ...] = (),
    marks: tuple[Mark, ...] = (),
    focus: bool = False,
    on_text: Callable[[str], None],
    on_command: Callable[[str, str], None] | None = None,
) -> None:
    """Mounts an editor.

    `on_text` is called with the text when typing rests; `on_command` with a command's name and the text
    (`run_cell`, `run_next`, `run_stale`, `save_version`), after `on_text`.
    """
    seen = f"editor-seen-{key}"

    # The state is called `content`: Streamlit reads a map whose one key is `value` as wrapped, and calls nothing.
    def take_text() -> None:
        sent = _sent(key, "content")
        if sent is not None and sent["seq"] > st.session_state.get(seen, 0):
            st.session_state[seen] = sent["seq"]
            on_text(sent["text"])

    def take_command() -> None:
        sent = _sent(key, "command")
        if sent is None:
            return
        st.session_state[seen] = max(sent["seq"], st.session_state.get(seen, 0))
        on_text(sent["text"])
        if on_command is not None:
            on_command(str(sent["name"]), sent["text"])

    _mount()(
        key=key,
        data={
            "value": value,
            "seq": st.session_state.get(seen, 0),
            "language": language,
            "label": label,
            "placeholder": placeholder,
            # Tuples: in a list Streamlit looks for data frames, and loads pandas (65 MB) to know them.
            "scope": tuple({"label": item.label, "detail": item.detail} for item in scope),
            "issues": tuple(
                {"line": mark.line, "column": mark.column, "message": mark.message, "severity": mark.severity}
                for mark in marks
            ),
            "focus": focus,
        },
        on_content_change=take_text,
        on_command_change=take_command,
    )


def _sent(key: str, name: str) -> dict[str, Any] | None:
    """What the browser sent, only when it has the shape the editor gives it."""
    found = (st.session_state.get(key) or {}).get(name)
    well_formed = isinstance(found, dict) and isinstance(found.get("text"), str) and isinstance(found.get("seq"), int)
    return found if well_formed else None


def _mount() -> Any:
    """The component with its bundle served from disk: inline it would travel with every rerun."""
    global _component
    manager = get_bidi_component_manager()
    if manager.get_component_asset_root(_NAME) is None:
        manager.register_from_manifest(ComponentManifest("stepiq", "1", [ComponentConfig("editor", "dist")]), _HOME)
    if _component is None:
        _component = st.components.v2.component(_NAME, js="editor.js")
    return _component


_component: Any = None
