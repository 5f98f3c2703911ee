"""Documents of the installation as HTML: a text, and what changed between two."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from core.privacy.policies.diff import ChangedBlock, Words
from core.privacy.policies.rendering import to_html
from pages.ui.words import count

_TAGS = {"added": "ins", "removed": "del"}


def document_html(text: str) -> str:
    """A document in Markdown, as it is published."""
    return f'<div class="sq-doc">{to_html(text)}</div>'


def changes_html(changed: Sequence[ChangedBlock]) -> str:
    """What is added and taken out, word by word; unchanged stretches are counted only."""
    if not changed:
        return '<div class="sq-empty">Nothing changes: the draft says what counts now.</div>'
    return f'<div class="sq-doc">{"".join(_block(block) for block in changed)}</div>'


def _block(block: ChangedBlock) -> str:
    if block.left_out:
        return f'<p class="sq-left-out">{count(block.left_out, "paragraph")} without a change</p>'
    body = "".join(_words(words) for words in block.words)
    tag = "h2" if block.kind == "heading" else "p"
    return f"<{tag}>{body}</{tag}>"


def _words(words: Words) -> str:
    tag = _TAGS.get(words.change)
    text = escape(words.text)
    return f"<{tag}>{text}</{tag}>" if tag else text
