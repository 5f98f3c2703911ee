"""Documents as HTML, and as the plain blocks that two versions are compared by. Pure.

HTML in a text is shown as it is written, never taken as HTML; links with schemes that run code are refused by the
Markdown library.
"""

import re
from dataclasses import dataclass
from html import escape
from typing import Literal

from markdown_it import MarkdownIt
from markdown_it.token import Token

from core.privacy.policies.domain import anchor_of

BlockKind = Literal["heading", "item", "row", "text"]
_IDS = re.compile(r"\s*\{([^}\n]*)\}\s*$")
_TAGS = re.compile(r"<[^>]+>")

_markdown = MarkdownIt("commonmark", {"html": False}).enable("table")


@dataclass(frozen=True, slots=True)
class Block:
    """A piece of a document: a heading, an item of a list, a row of a table, a paragraph."""

    kind: BlockKind
    text: str


def to_html(text: str, *, promises_at: str = "/privacy") -> str:
    """A document as HTML. Headings of sections get their address and links to the promises they make."""
    tokens = _markdown.parse(text)
    for at, token in enumerate(tokens):
        if token.type == "table_open":
            token.attrSet("class", "facts")
        if token.type != "heading_open":
            continue
        inline = tokens[at + 1]
        title, ids = _split_heading(inline.content)
        if token.tag == "h2":
            token.attrSet("id", anchor_of(title))
        inline.content = title
        inline.children = _markdown.parseInline(title)[0].children or []
        for promise in ids:
            inline.children.append(_link(promise, promises_at))
    html: str = _markdown.renderer.render(tokens, _markdown.options, {})
    return html.replace('<table class="facts">', '<div class="scroll"><table class="facts">').replace(
        "</table>", "</table></div>"
    )


def blocks(text: str) -> tuple[Block, ...]:
    """A document as plain text in pieces, in order."""
    found: list[Block] = []
    row: list[str] | None = None
    depth = 0
    for token in _markdown.parse(text):
        if token.type in ("bullet_list_open", "ordered_list_open"):
            depth += 1
        elif token.type in ("bullet_list_close", "ordered_list_close"):
            depth -= 1
        elif token.type == "tr_open":
            row = []
        elif token.type == "tr_close" and row is not None:
            found.append(Block("row", " · ".join(row)))
            row = None
        elif token.type == "inline":
            plain = _plain(token)
            if row is not None:
                row.append(plain)
            elif token.level == 1 and found_heading(token, text):
                found.append(Block("heading", _split_heading(plain)[0]))
            else:
                found.append(Block("item" if depth else "text", plain))
        elif token.type in ("fence", "code_block", "html_block"):
            found.append(Block("text", token.content.strip()))
    return tuple(found)


def found_heading(token: Token, text: str) -> bool:
    """Whether an inline token is the content of a heading: its source line begins with #."""
    if token.map is None:
        return False
    return text.splitlines()[token.map[0]].lstrip().startswith("#")


def _plain(token: Token) -> str:
    parts = []
    for child in token.children or ():
        if child.type in ("text", "code_inline"):
            parts.append(child.content)
        elif child.type in ("softbreak", "hardbreak"):
            parts.append(" ")
    return "".join(parts)


def _split_heading(content: str) -> tuple[str, list[str]]:
    found = _IDS.search(content)
    if found is None:
        return content.strip(), []
    return content[: found.start()].strip(), found[1].replace(",", " ").split()


def _link(promise: str, at: str) -> Token:
    name = escape(promise, quote=True)
    link = Token("html_inline", "", 0)
    link.content = f' <a class="promise" href="{at}#{name}">{name}</a>'
    return link
