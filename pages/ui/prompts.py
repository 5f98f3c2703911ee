"""Prompts as they are written, with the references set off."""

from __future__ import annotations

import re
from html import escape

_REFERENCE = re.compile(r"\{\{[^{}]*\}\}")
_QUOTED = re.compile(r"`([^`]+)`")
PREVIEW_CHARACTERS = 1_200
_LONG_LINES = 9


def highlight(template: str) -> str:
    """The template as HTML: everything escaped, every `{{...}}` marked."""
    pieces: list[str] = []
    at = 0
    for match in _REFERENCE.finditer(template):
        pieces.append(escape(template[at : match.start()]))
        pieces.append(f'<span class="sq-ref">{escape(match.group())}</span>')
        at = match.end()
    pieces.append(escape(template[at:]))
    return "".join(pieces)


def with_code(message: str) -> str:
    """A message of ours as HTML: escaped, what stands in backticks as code."""
    return _QUOTED.sub(r"<code>\1</code>", escape(message))


def prompt_html(template: str, *, href: str | None = None, label: str = "", code: bool = False) -> str:
    """A block with the start of a prompt; with `href` the whole block opens the cell. `code`: a program."""
    template = template.strip()
    shown = template[:PREVIEW_CHARACTERS]
    long = len(template) > PREVIEW_CHARACTERS or template.count("\n") > _LONG_LINES
    classes = f"sq-prompt{' sq-long' if long else ''}{' sq-code' if code else ''}"
    body = highlight(shown) if shown.strip() else '<span class="sq-facts">Nothing written yet</span>'
    if href is None:
        return f'<div class="{classes}">{body}</div>'
    return f'<a class="{classes}" href="{escape(href)}" target="_self" aria-label="{escape(label)}">{body}</a>'
