"""What the app remembers within one browser session, and the only names it is kept under.

Nothing here decides who a person is or what is true: it is what was typed, seen and asked for on the screen.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import streamlit as st

from core.execution.domain import CellView

_DIALOG = "dialog"
_CELLS = "notebook-cells"
_ONCE = "once"
_FOUND = "found-"


@dataclass
class NotebookMemory:
    """What is remembered of one pipeline's notebook."""

    pipeline_id: str

    @property
    def revision(self) -> int | None:
        """The revision of the draft that is on the screen; None when it is not known."""
        found: int | None = st.session_state.get(self._key("revision"))
        return found

    def saw(self, revision: int) -> None:
        """The draft of this revision is on the screen now."""
        st.session_state[self._key("revision")] = revision

    def forget_draft(self) -> None:
        """The draft became a version, or was replaced by one."""
        st.session_state.pop(self._key("revision"), None)
        self.unsaved = None

    @property
    def unsaved(self) -> str | None:
        """Text that could not be saved, so that no error loses it."""
        found: str | None = st.session_state.get(self._key("unsaved"))
        return found

    @unsaved.setter
    def unsaved(self, text: str | None) -> None:
        st.session_state[self._key("unsaved")] = text

    @property
    def told(self) -> set[str]:
        """The personal data that was told of before a run of this notebook: what was found where."""
        found: set[str] = st.session_state.setdefault(self._key("told"), set())
        return found

    @property
    def typed(self) -> dict[tuple[str, str], Any]:
        """Fields typed since the definition was last valid, by step and field: what the editors go on showing."""
        found: dict[tuple[str, str], Any] = st.session_state.setdefault(self._key("typed"), {})
        return found

    @property
    def cells(self) -> Mapping[str, CellView]:
        """The cells as they were while the text had no errors. Kept for one pipeline at a time."""
        pipeline_id, cells = st.session_state.get(_CELLS, (None, {}))
        return cells if pipeline_id == self.pipeline_id else {}

    @cells.setter
    def cells(self, cells: Mapping[str, CellView]) -> None:
        st.session_state[_CELLS] = (self.pipeline_id, cells)

    def _key(self, name: str) -> str:
        return f"{name}-{self.pipeline_id}"


def ask_dialog(name: str, **details: Any) -> None:
    """Opens a dialog at the end of this rerun."""
    st.session_state[_DIALOG] = (name, details)


def take_dialog() -> tuple[str, dict[str, Any]]:
    """The dialog that was asked for, once; an empty name for none."""
    found: tuple[str, dict[str, Any]] = st.session_state.pop(_DIALOG, ("", {}))
    return found


def first_time(what: str) -> bool:
    """True the first time in a browser session, False after."""
    done: set[str] = st.session_state.setdefault(_ONCE, set())
    is_first = what not in done
    done.add(what)
    return is_first


def keep(name: str, value: Any) -> None:
    """Leaves a value for the rerun that follows a callback."""
    st.session_state[name] = value


def take(name: str) -> Any:
    """The value a callback left, once; None without one."""
    return st.session_state.pop(name, None)


def recall(name: str) -> Any:
    """The value that was kept, without taking it away; None without one."""
    return st.session_state.get(name)


def widget_text(key: str) -> str:
    """What is in a text widget now."""
    return str(st.session_state.get(key) or "")


def widget_number(key: str) -> float:
    """What is in a number widget now; 0 when it is empty."""
    return float(st.session_state.get(key) or 0)


def forget_widgets(*keys: str) -> None:
    """Lets widgets start anew."""
    for key in keys:
        st.session_state.pop(key, None)


def keep_found(name: str, found: object) -> None:
    """Keep what somebody asked a page to look up, until they leave or ask again."""
    st.session_state[_FOUND + name] = found


def found_before(name: str) -> Any:
    """What was looked up last under a name; None before."""
    return st.session_state.get(_FOUND + name)
