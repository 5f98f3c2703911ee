"""The ways a single character can stand in a text: raw, or escaped for URLs, JSON and HTML, one inside the other.

Percent-encoding is RFC 3986, section 2.1 (a plus for a space is HTML's form encoding), JSON escapes are RFC 8259,
section 7, character references are HTML's. Nested escapes (`%2520`, `\\\\\\"`, `\\u0026lt;`) are read as well: an
escape's own first character may itself be escaped.
"""

import re
from collections.abc import Callable, Mapping, Set
from html.entities import html5

Reading = tuple[str, int]
"""A character, and the place after it."""
Tail = tuple[list[Reading], bool]
"""What follows an introducer, and whether the text ends before that is certain."""
ReadTail = Callable[[str, int], Tail]

INTRODUCERS = frozenset("%\\&+\r")
MAX_NESTING = 8
"""Escapes within escapes: seven backslashes stand before a quote that was put in JSON three times."""
LONGEST = 128
"""No reading is longer: characters."""

_HEX = frozenset("0123456789abcdefABCDEF")
_SHORT = {'"': '"', "'": "'", "\\": "\\", "/": "/", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
_DIGITS = {"x": 2, "u": 4, "U": 8}
_CONTINUATION = re.compile(r"%(?:25){0,7}([89abAB][0-9a-fA-F])")
_CONTINUATION_CUT = re.compile(r"(?:%(?:25){0,7}(?:2|[89abAB])?)?\Z")
# The second half of a pair is looked for in the forms that its first half's encoders write.
_LOW_SURROGATE = re.compile(r"(?:\\{1,8}|%(?:25){0,7}5[cC])u([dD][c-fC-F][0-9a-fA-F]{2})")
_LOW_SURROGATE_CUT = re.compile(r"[\\%0-9a-fA-Fu]{0,24}\Z")
# `#` and `;` are percent-encoded where a reference stands in a URL.
_HASH, _END = r"(?:#|%(?:25){0,7}23)", r"(?:;|%(?:25){0,7}3[bB])"
_REFERENCE = re.compile(
    rf"(?:{_HASH}0{{0,6}}([0-9]{{1,7}})|{_HASH}[xX]0{{0,6}}([0-9a-fA-F]{{1,6}})|([A-Za-z][A-Za-z0-9]{{1,31}})){_END}"
)
_REFERENCE_CUT = re.compile(r"[#%0-9A-Za-z]{0,48}\Z")


def readings(text: str, place: int) -> tuple[list[Reading], bool]:
    """Every character that can be read at a place, the raw one first.

    The second value says that the text ends within an escape: more text may add a reading.
    """
    return _chain(text, place, _TAILS)


def escape_starts(letters: Set[str]) -> re.Pattern[str]:
    """Finds every place where an escape may begin that stands for one of these letters, and few others."""
    # After backslashes comes what they escape; of a long run of them only the last few matter to it.
    kinds = "".join(kind for kind, char in _SHORT.items() if char in letters and kind != "\\")
    starts = [r"%(?=[0-9a-fA-F])", rf"\\(?=\\{{0,{MAX_NESTING}}}[uUx%&{re.escape(kinds)}])", "&(?=[#%a-zA-Z])"]
    if "\\" in letters:
        starts.append(rf"\\(?=\\)(?!\\{{{8 * MAX_NESTING}}})")
    if " " in letters:
        starts.append(r"\+")
    if "\n" in letters:
        starts += ["\r", rf"\\(?=\\{{0,{MAX_NESTING}}}r)"]
    return re.compile("|".join(starts))


def _chain(text: str, place: int, tails: Mapping[str, ReadTail]) -> Tail:
    found: list[Reading] = [(text[place], place + 1)]
    cut = False
    for char, end in found:  # grows while it is read
        read = tails.get(char)
        if read is None:
            continue
        if len(found) > MAX_NESTING:
            break
        more, unsure = read(text, end)
        found += more
        cut = cut or unsure
    return found, cut


def _percent(text: str, place: int) -> Tail:
    digits = text[place : place + 2]
    if not _HEX.issuperset(digits):
        return [], False
    if len(digits) < 2:
        return [], True
    first, end = int(digits, 16), place + 2
    if first < 0x80:
        return [(chr(first), end)], False
    size = 2 if 0xC2 <= first < 0xE0 else 3 if 0xE0 <= first < 0xF0 else 4 if 0xF0 <= first < 0xF5 else 0
    encoded = bytes([first])
    while len(encoded) < size:
        found = _CONTINUATION.match(text, end)
        if found is None:
            return [], _CONTINUATION_CUT.match(text, end) is not None
        encoded, end = encoded + bytes.fromhex(found[1]), found.end()
    try:
        return [(encoded.decode(), end)] if size else [], False
    except UnicodeDecodeError:
        return [], False


def _backslash(text: str, place: int) -> Tail:
    if place >= len(text):
        return [], True
    kind = text[place]
    if kind in _SHORT:
        return [(_SHORT[kind], place + 1)], False
    if kind in _OUTER_TAILS:
        kinds, cut = _chain(text, place, _OUTER_TAILS)
        return [(_SHORT[kind], end) for kind, end in kinds if kind in _SHORT], cut
    if kind not in _DIGITS:
        return [], False
    end = place + 1 + _DIGITS[kind]
    digits = text[place + 1 : end]
    if not _HEX.issuperset(digits):
        return [], False
    if len(digits) < _DIGITS[kind]:
        return [], True
    code = int(digits, 16)
    if 0xD800 <= code < 0xDC00:
        return _surrogate(text, end, code)
    return [(chr(code), end)] if code < 0x110000 else [], False


def _surrogate(text: str, place: int, high: int) -> Tail:
    found = _LOW_SURROGATE.match(text, place)
    if found is None:
        return [], _LOW_SURROGATE_CUT.match(text, place) is not None
    low = int(found[1], 16)
    return [(chr(0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00)), found.end())], False


def _ampersand(text: str, place: int) -> Tail:
    found = _REFERENCE.match(text, place)
    if found is None:
        return [], _REFERENCE_CUT.match(text, place) is not None
    decimal, hexadecimal, name = found.groups()
    if name:
        char = html5.get(f"{name};", "")
        return [(char, found.end())] if len(char) == 1 else [], False
    code = int(decimal) if decimal else int(hexadecimal, 16)
    return [(chr(code), found.end())] if code < 0x110000 else [], False


def _plus(_text: str, place: int) -> Tail:
    return [(" ", place)], False


def _carriage_return(text: str, place: int) -> Tail:
    # The two characters of a line end count as the one that values are kept with.
    if place >= len(text):
        return [], True
    found, cut = _chain(text, place, _ESCAPE_TAILS)
    return [("\n", end) for char, end in found if char == "\n"], cut


_OUTER_TAILS: dict[str, ReadTail] = {"%": _percent, "&": _ampersand}
_ESCAPE_TAILS: dict[str, ReadTail] = {**_OUTER_TAILS, "\\": _backslash}
_TAILS: dict[str, ReadTail] = {**_ESCAPE_TAILS, "+": _plus, "\r": _carriage_return}
