"""A CEL expression taken apart: what it refers to, how deep it is nested, what it repeats.

The library tells the names an expression uses, but not the paths after them, and it ends the process for
an expression nested too deep, so both are found here. The lexis is that of the language definition,
https://github.com/google/cel-spec/blob/master/doc/langdef.md#syntax.
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass

from core.pipelines.references import Reference

EXPRESSION_ROOTS = ("input", "vars", "steps")
MACROS = ("all", "exists", "exists_one", "filter", "map")
BUILDING = ("filter", "map")

TOKEN = re.compile(
    r"""
      (?P<text>(?:[bB]?[rR][bB]?)(?:'''.*?'''|\"\"\".*?\"\"\"|'[^'\n]*'|"[^"\n]*")
        |[bB]?(?:'''(?:\\.|[^\\])*?'''|\"\"\"(?:\\.|[^\\])*?\"\"\"|'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*"))
    | (?P<skip>\s+|//[^\n]*)
    | (?P<number>0[xX][0-9a-fA-F]+[uU]?|(?:\d+(?:\.\d+)?|\.\d+)(?:[eE][+-]?\d+)?[uU]?)
    | (?P<name>[A-Za-z_]\w*)
    | (?P<sign>&&|\|\||[=!<>]=|.)
    """,
    re.VERBOSE | re.DOTALL | re.ASCII,
)


@dataclass(frozen=True, slots=True)
class Token:
    """`kind` is text, number, name or sign."""

    kind: str
    text: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class ExpressionParts:
    """`loops` is how deep loops stand in loops; `builds` whether one of them makes a list.

    `variables` are the names that loops give their items. `work` counts what goes through a whole text:
    calls and additions.
    """

    tokens: tuple[Token, ...]
    references: tuple[Reference, ...]
    variables: frozenset[str]
    depth: int
    loops: int
    builds: bool
    work: int


def take_apart(text: str, roots: tuple[str, ...] = EXPRESSION_ROOTS) -> ExpressionParts:
    """The parts of an expression, which need not be a valid one. `roots` begin references."""
    tokens = _tokens(text)
    depth = loops = deepest = most_loops = 0
    builds = False
    variables = set()
    opened: list[bool] = []
    for at, token in enumerate(tokens):
        if token.kind != "sign":
            continue
        if token.text in "([{":
            macro = _macro(tokens, at) if token.text == "(" else None
            if macro is not None:
                builds = builds or macro in BUILDING
                variables.add(tokens[at + 1].text)
            opened.append(macro is not None)
            depth, loops = depth + 1, loops + (macro is not None)
            deepest, most_loops = max(deepest, depth), max(most_loops, loops)
        elif token.text in ")]}" and opened:
            depth, loops = depth - 1, loops - opened.pop()
    work = sum(token.kind == "sign" and token.text in "+(" for token in tokens)
    references = tuple(_references(text, tokens, roots))
    return ExpressionParts(tokens, references, frozenset(variables), deepest, most_loops, builds, work)


def _tokens(text: str) -> tuple[Token, ...]:
    found = []
    for match in TOKEN.finditer(text):
        kind = match.lastgroup or "sign"
        if kind != "skip":
            found.append(Token(kind, match.group(), match.start(), match.end()))
    return tuple(found)


def _macro(tokens: tuple[Token, ...], at: int) -> str | None:
    """The loop that this bracket opens, or None."""
    if at < 2 or at + 2 >= len(tokens) or tokens[at - 2].text != "." or tokens[at - 1].text not in MACROS:
        return None
    return tokens[at - 1].text if tokens[at + 1].kind == "name" and tokens[at + 2].text == "," else None


def _references(text: str, tokens: tuple[Token, ...], roots: tuple[str, ...]) -> list[Reference]:
    found = []
    for at, token in enumerate(tokens):
        if token.kind != "name" or token.text not in roots:
            continue
        before = tokens[at - 1].text if at else ""
        if before != "." and not _is(tokens, at + 1, "("):
            found.append(_reference(text, tokens, at))
    return found


def _reference(text: str, tokens: tuple[Token, ...], at: int) -> Reference:
    root = tokens[at]
    path: list[str] = []
    spans: list[tuple[int, int]] = []
    end = root.end
    while True:
        step = _segment(tokens, at + 1)
        if step is None:
            break
        name, token, at = step
        path.append(name)
        spans.append((token.start, token.end))
        end = tokens[at].end
    written = text[root.start : end]
    return Reference(root.text, tuple(path), written, root.start, end, "if", tuple(spans))


def _segment(tokens: tuple[Token, ...], at: int) -> tuple[str, Token, int] | None:
    """The `.name`, `["name"]` or `[0]` that begins here: its name, its token, and where it ends."""
    if _is(tokens, at, ".") and at + 1 < len(tokens) and tokens[at + 1].kind == "name":
        return None if _is(tokens, at + 2, "(") else (tokens[at + 1].text, tokens[at + 1], at + 1)
    if not (_is(tokens, at, "[") and _is(tokens, at + 2, "]")):
        return None
    token = tokens[at + 1]
    if token.kind == "text":
        name = _text_value(token.text)
        return None if name is None else (name, token, at + 2)
    return (token.text, token, at + 2) if token.kind == "number" and token.text.isdigit() else None


def _text_value(literal: str) -> str | None:
    """The text behind a literal; None for bytes and for escapes that only CEL has."""
    try:
        value = ast.literal_eval(literal)
    except (ValueError, SyntaxError):
        return None
    return value if isinstance(value, str) else None


def _is(tokens: tuple[Token, ...], at: int, sign: str) -> bool:
    return at < len(tokens) and tokens[at].kind == "sign" and tokens[at].text == sign
