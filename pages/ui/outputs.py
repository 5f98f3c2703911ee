"""The output of a step by its kind: Markdown, a table, a JSON tree or plain text.

A large output shows its beginning and a download, so that a page with a megabyte on it stays quick.
"""

from __future__ import annotations

import json
import re
from html import escape
from typing import Any

import streamlit as st

from core.shared.types import JsonValue
from pages.ui.download import download_button
from pages.ui.words import count, size

PREVIEW_CHARACTERS = 12_000
TREE_CHARACTERS = 60_000
PREVIEW_ROWS = 500

_CODE = re.compile(r"(```.*?(?:```|\Z)|`[^`\n]+`)", re.DOTALL)
_DIRECTIVE = re.compile(r":(?=[a-z][a-z-]*(?:\[|/))")


def draw_output(value: JsonValue, *, markdown: bool, key: str, file_name: str) -> None:
    """Draws a value. `markdown` says whether text is Markdown; `key` must be unique on the page."""
    if value is None:
        st.html('<div class="sq-empty">No output (null)</div>')
    elif isinstance(value, str):
        _draw_text(value, markdown=markdown, key=key, file_name=file_name)
    elif is_table(value):
        _draw_table(value, key=key, file_name=file_name)
    elif isinstance(value, dict | list):
        _draw_json(value, key=key, file_name=file_name)
    else:
        draw_plain(json.dumps(value), key=key, file_name=file_name)


def draw_plain(text: str, *, key: str, file_name: str) -> None:
    """Plain text as it is, with a preview and a download when it is long."""
    st.html(f'<pre class="sq-plaintext" tabindex="0">{escape(text[:PREVIEW_CHARACTERS])}</pre>')
    _offer_rest(text, key=key, file_name=f"{file_name}.txt", mime="text/plain")


def is_table(value: Any) -> bool:
    """Whether a list reads better as a table: rows are objects with plain values."""
    return (
        isinstance(value, list)
        and len(value) > 1
        and all(isinstance(row, dict) and row for row in value)
        and not any(isinstance(cell, dict | list) for row in value[:50] for cell in row.values())
    )


def safe_markdown(text: str) -> str:
    """Markdown of a model without what Streamlit would read as its own: formulas, colours and icons."""
    pieces = _CODE.split(text)
    pieces[::2] = [_DIRECTIVE.sub("\\:", piece.replace("$", "\\$")) for piece in pieces[::2]]
    return "".join(pieces)


def _draw_text(text: str, *, markdown: bool, key: str, file_name: str) -> None:
    if not markdown:
        draw_plain(text, key=key, file_name=file_name)
        return
    st.markdown(safe_markdown(text[:PREVIEW_CHARACTERS]))
    _offer_rest(text, key=key, file_name=f"{file_name}.md", mime="text/markdown")


def _draw_table(rows: Any, *, key: str, file_name: str) -> None:
    # Mixed types in one column cannot become an Arrow column; text can.
    columns = list(dict.fromkeys(name for row in rows[:PREVIEW_ROWS] for name in row))
    table = {name: _column([row.get(name) for row in rows[:PREVIEW_ROWS]]) for name in columns}
    st.dataframe(table, hide_index=True, height="content" if len(rows) <= 10 else 320, alt=f"{len(rows)} rows")
    if len(rows) > PREVIEW_ROWS:
        st.html(f'<div class="sq-facts">The first {PREVIEW_ROWS} of {count(len(rows), "row")}.</div>')
    text = json.dumps(rows, ensure_ascii=False, indent=2)
    download_button("Download JSON", text, file_name=f"{file_name}.json", mime="application/json", key=f"{key}-file")


def _column(values: list[Any]) -> list[Any]:
    kinds = {type(value) for value in values if value is not None}
    return values if len(kinds) <= 1 else [None if value is None else str(value) for value in values]


def _draw_json(value: JsonValue, *, key: str, file_name: str) -> None:
    text = json.dumps(value, ensure_ascii=False, indent=2)
    if len(text) <= TREE_CHARACTERS:
        st.json(value, expanded=2)
        return
    st.html(f'<pre class="sq-plaintext" tabindex="0">{escape(text[:PREVIEW_CHARACTERS])}</pre>')
    _offer_rest(text, key=key, file_name=f"{file_name}.json", mime="application/json")


def _offer_rest(text: str, *, key: str, file_name: str, mime: str) -> None:
    if len(text) <= PREVIEW_CHARACTERS:
        return
    st.html(f'<div class="sq-facts">The first {PREVIEW_CHARACTERS:,} of {size(len(text))}.</div>')
    download_button("Download all", text, file_name=file_name, mime=mime, key=f"{key}-file")
