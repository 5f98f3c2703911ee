"""Keys and links of the app, without reloading it.

One listener a page: it turns keys into commands, and clicks on links within the app into a change of page or
of the address. The links are real: they open in a new tab, and work when the listener does not run.
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import parse_qsl, urlsplit

import streamlit as st

COMMANDS = {
    "run_cell": ("⌘/Ctrl + Enter", "Run the open cell"),
    "run_next": ("Shift + Enter", "Run the open cell and go to the next"),
    "run_stale": ("⌘/Ctrl + Shift + Enter", "Run everything that is stale"),
    "save_version": ("⌘/Ctrl + S", "Save a version"),
    "next": ("J", "Next cell"),
    "previous": ("K", "Previous cell"),
    "help": ("?", "Show these keys"),
}

_SCRIPT = """
const KEY = "__stepiqNavigator";
function typing(event) {
  return event.composedPath().some((node) => node.matches &&
    node.matches("input, textarea, select, [contenteditable=true], [role=textbox], [role=combobox], dialog, [role=dialog]"));
}
function commandOf(event) {
  const mod = event.metaKey || event.ctrlKey;
  if (event.key === "Enter" && mod && event.shiftKey) return "run_stale";
  if (event.key === "Enter" && mod) return "run_cell";
  if (mod && !event.shiftKey && !event.altKey && event.key.toLowerCase() === "s") return "save_version";
  if (mod || event.altKey || typing(event)) return null;
  if (event.key === "Enter" && event.shiftKey) return "run_next";
  if (event.shiftKey && event.key !== "?") return null;
  return { j: "next", k: "previous", "?": "help" }[event.key] || null;
}
export default function ({ data, setTriggerValue }) {
  const state = (window[KEY] = window[KEY] || {});
  state.send = (value) => setTriggerValue("event", value);
  state.data = data;
  if (!state.listening) {
    state.listening = true;
    document.addEventListener("keydown", (event) => {
      if (event.defaultPrevented || event.isComposing || event.repeat) return;
      const name = commandOf(event);
      if (!name || !state.data.commands.includes(name)) return;
      event.preventDefault();
      // A field hands over what was typed when it loses the focus: what runs is what is on the screen.
      if (typing(event) && document.activeElement) document.activeElement.blur();
      setTimeout(() => state.send({ command: name }), 0);
    });
    document.addEventListener("click", (event) => {
      if (event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
      const link = event.composedPath().find((node) => node.tagName && node.tagName.toLowerCase() === "a");
      const href = link && link.getAttribute("href");
      if (!href || !href.startsWith(state.data.base)) return;
      if (link.closest && link.closest('[data-testid="stSidebarNav"], [data-testid="stPageLink"]')) return;
      event.preventDefault();
      state.send({ href });
    });
  }
  if (data.scroll && state.scrolled !== data.scroll) {
    state.scrolled = data.scroll;
    setTimeout(() => {
      const cell = document.querySelector(".st-key-" + CSS.escape(data.scroll.split("#")[0]));
      if (cell) cell.scrollIntoView({ block: "nearest", behavior: "smooth" });
    }, 120);
  }
}
"""
_component = st.components.v2.component("stepiq.navigator", js=_SCRIPT)
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
    """Mounts the listener, and answers the link that was clicked, if one was."""

    def keep() -> None:
        sent = st.session_state.get("navigator")
        st.session_state[_EVENT] = (sent or {}).get("event")

    with st.container(key="navigator-slot"):
        _component(
            key="navigator",
            data={"commands": list(commands), "base": base_path(), "scroll": st.session_state.get(_SCROLL)},
            height=1,
            on_event_change=keep,
        )
    event = st.session_state.get(_EVENT)
    if not isinstance(event, dict) or not isinstance(event.get("href"), str):
        return None
    del st.session_state[_EVENT]
    parts = urlsplit(event["href"])
    return Target(parts.path.removeprefix(base_path()).strip("/"), dict(parse_qsl(parts.query)))


def take_command() -> str | None:
    """The command a key asked for in this rerun; asked once, answered once."""
    event = st.session_state.pop(_EVENT, None)
    command = event.get("command") if isinstance(event, dict) else None
    return command if command in COMMANDS else None


def scroll_to(key: str) -> None:
    """Brings the container with this key into view after the rerun."""
    turn = int(str(st.session_state.get(_SCROLL, "#0")).rsplit("#", 1)[1]) + 1
    st.session_state[_SCROLL] = f"{key}#{turn}"
