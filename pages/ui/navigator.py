"""Keys and links of the app, without reloading it.

One listener a page: it turns keys into commands, and clicks on links within the app into a change of page or
of the address. The links are real: they open in a new tab, and work when the listener does not run.
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import parse_qsl, urlsplit

import streamlit as st

from pages.ui.theme import asset

COMMANDS = {
    "run_cell": ("⌘/Ctrl + Enter", "Run the open cell"),
    "run_next": ("Shift + Enter", "Run the open cell and go to the next"),
    "run_stale": ("⌘/Ctrl + Shift + Enter", "Run everything that is stale"),
    "save_version": ("⌘/Ctrl + S", "Save a version"),
    "next": ("J", "Next cell"),
    "previous": ("K", "Previous cell"),
    "help": ("?", "Show these keys"),
}

_component = st.components.v2.component("stepiq.navigator", js=asset("navigator.js"))
_EVENT = "navigator-event"
_SCROLL = "navigator-scroll"


@dataclass(frozen=True)
class Target:
    """Where a link within the app leads: a page by its URL path, and its query."""

    page: str
    query: dict[str, str]


def base_path() -> str:
    """The path below which the app lives, with slashes: `/app/`."""
    inner = str(st.get_option("server.baseUrlPath") or "").strip("/")
    return f"/{inner}/" if inner else "/"


def listen(commands: tuple[str, ...] = ()) -> Target | None:
    """Mounts the listener, and answers the link that was clicked, until it is forgotten."""

    def keep() -> None:
        sent = st.session_state.get("navigator")
        st.session_state[_EVENT] = (sent or {}).get("event")

    with st.container(key="navigator-slot"):
        _component(
            key="navigator",
            # A tuple: in a list Streamlit looks for data frames, and loads pandas (65 MB) to know them.
            data={"commands": commands, "base": base_path(), "scroll": st.session_state.get(_SCROLL)},
            height=1,
            on_event_change=keep,
        )
    event = st.session_state.get(_EVENT)
    if not isinstance(event, dict) or not isinstance(event.get("href"), str):
        return None
    parts = urlsplit(event["href"])
    return Target(parts.path.removeprefix(base_path()).strip("/"), dict(parse_qsl(parts.query)))


def forget_link() -> None:
    """The link was followed."""
    st.session_state.pop(_EVENT, None)


def take_command() -> str | None:
    """The command a key asked for in this rerun; asked once, answered once."""
    event = st.session_state.pop(_EVENT, None)
    command = event.get("command") if isinstance(event, dict) else None
    return command if command in COMMANDS else None


def scroll_to(key: str) -> None:
    """Brings the container with this key into view after the rerun."""
    turn = int(str(st.session_state.get(_SCROLL, "#0")).rsplit("#", 1)[1]) + 1
    st.session_state[_SCROLL] = f"{key}#{turn}"
