"""The forms in which receivers, vendors and libraries repeat what they were sent."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping
from functools import cache
from html import escape, unescape
from urllib.parse import quote, quote_plus, unquote_to_bytes

LARGEST_TEXT = 400_000


def encodings(text: str) -> list[str]:
    """A text as it is, escaped for JSON, URLs and HTML, in hexadecimal, and in base64 at each of its alignments."""
    data = text.encode()
    coded = [b"-" * shift + data for shift in range(3)]
    return [
        text,
        json.dumps(text),
        json.dumps(json.dumps(text, ensure_ascii=False)),
        quote(text, safe=""),
        quote_plus(text),
        escape(text),
        data.hex(),
        data.hex().upper(),
        *(base64.b64encode(piece).decode() for piece in coded),
        *(base64.urlsafe_b64encode(piece).decode() for piece in coded),
    ]


def traces_of(secrets: Mapping[str, str], data: bytes) -> list[str]:
    """Which of the secrets are in the data, and in which form. Made apart from the code that masks."""
    # Data of that size is no text that anybody escaped: a database, its log.
    views = {data} if len(data) > LARGEST_TEXT else _views(data)
    return [
        f"{name} ({form})"
        for name, secret in secrets.items()
        for looked_for, form in _forms(secret).items()
        if any(looked_for in view for view in views)
    ]


@cache
def _forms(secret: str) -> dict[bytes, str]:
    return {looked_for: form for form, looked_for in reversed(_named_forms(secret).items())}


def _named_forms(secret: str) -> dict[str, bytes]:
    found = {
        "as it is": secret.encode(),
        "upper case": secret.upper().encode(),
        "lower case": secret.lower().encode(),
        "UTF-16": secret.encode("utf-16-le"),
    }
    for kind, text in (
        ("", secret),
        (" of JSON", json.dumps(secret)[1:-1]),
        (" of JSON in UTF-8", json.dumps(secret, ensure_ascii=False)[1:-1]),
    ):
        data = text.encode()
        found |= {f"hex{kind}": data.hex().encode(), f"HEX{kind}": data.hex().upper().encode()}
        for shift in range(3):
            # Of the first and the last character only some bits are the secret's own.
            begin, end = (shift * 8 + 5) // 6, (shift + len(data)) * 8 // 6
            coded = base64.b64encode(b"\0" * shift + data)[begin:end]
            found[f"base64{kind}, {shift}"] = coded
            found[f"base64 for URLs{kind}, {shift}"] = coded.replace(b"+", b"-").replace(b"/", b"_")
    return found


def _views(data: bytes) -> set[bytes]:
    """The data, and what its escapes say: each way of escaping taken off, up to twice and in every order."""
    found, newest = {data}, {data}
    for _ in range(2):
        newest = {taken_off(view) for view in newest for taken_off in _UNESCAPES} - found
        found |= newest
    return found


def _without_backslashes(data: bytes) -> bytes:
    if b"\\" not in data:
        return data

    def said(match: re.Match[bytes]) -> bytes:
        what = match[1]
        return chr(int(what[1:], 16)).encode(errors="replace") if len(what) == 5 else _LETTERS.get(what, what)

    return _BACKSLASHED.sub(said, data)


def _without_entities(data: bytes) -> bytes:
    return unescape(data.decode(errors="surrogateescape")).encode(errors="surrogateescape") if b"&" in data else data


_BACKSLASHED = re.compile(rb"\\(u[0-9a-fA-F]{4}|.)", re.DOTALL)
_LETTERS = {b"n": b"\n", b"t": b"\t", b"r": b"\r"}
_UNESCAPES = (
    _without_backslashes,
    _without_entities,
    unquote_to_bytes,
    lambda data: unquote_to_bytes(data.replace(b"+", b" ")),
)
