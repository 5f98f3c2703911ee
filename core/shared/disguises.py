"""The forms a secret takes on its way: as it is, in hexadecimal, and in base64 at each of the three alignments.

Each form is a sequence of units, a unit being the characters that may stand in one place. In base64 a value that
begins or ends within a group of four characters shares its first or last character with its neighbour, so
only some bits of that one are known (RFC 4648, section 4).
"""

import json
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from string import ascii_lowercase, ascii_uppercase

STANDARD = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
LOWER = str.maketrans(ascii_uppercase, ascii_lowercase)
URL_SAFE = str.maketrans("+/", "-_")


@dataclass(frozen=True, slots=True)
class Disguise:
    """One form of a secret.

    `lead` and `trail` are the characters possible at a shared edge, empty without one; `padding` is how many `=` may
    follow. `any_case`: the letters of `core` (which is in lower case) may stand in either case.
    """

    name: str
    core: str
    lead: str = ""
    trail: str = ""
    padding: int = 0
    any_case: bool = False

    def units(self) -> Iterator[str]:
        """The characters possible in each place, padding apart."""
        if self.lead:
            yield self.lead
        for char in self.core:
            yield either_case(char) if self.any_case else char
        if self.trail:
            yield self.trail


def disguises(name: str, value: str) -> list[Disguise]:
    """Every form of a value, without repeats."""
    text = value.replace("\r\n", "\n")  # in texts a line end is read as one character, however it is written
    # Host names come back in lower case, and models like to shout.
    found = [Disguise(name, folded(text), any_case=True)]
    # What is encoded as a whole was often put in JSON before.
    for body in [form for known in (value, text) for form in (known, _in_json(known), _in_json(known, ascii=False))]:
        encoded = body.encode(errors="surrogatepass")
        found.append(Disguise(name, encoded.hex(), any_case=True))
        for offset in range(3):
            found += _base64(name, encoded, offset)
    return list(dict.fromkeys(found))


def either_case(char: str) -> str:
    """A character of a core, as it may stand in a text of any case."""
    upper = char.upper()
    return char + upper if len(upper) == 1 else char


def folded(text: str) -> str:
    """The text in lower case, every character in its place."""
    lower = text.lower()
    # A few letters become two in lower case: where one occurs, only ASCII is folded.
    return lower if len(lower) == len(text) else text.translate(LOWER)


def _in_json(value: str, *, ascii: bool = True) -> str:
    return json.dumps(value, ensure_ascii=ascii)[1:-1]


def _base64(name: str, encoded: bytes, offset: int) -> list[Disguise]:
    """The form with `offset` bytes before it in its group of three, in both alphabets."""
    over = (offset + len(encoded)) % 3
    chars = b64encode(bytes(offset) + encoded).decode().rstrip("=")
    lead, trail = "", ""
    if offset:
        # The group's first characters hold the neighbour's bits, and this one the last 6 - 2 * offset known.
        known = 16 if offset == 1 else 4
        lead = STANDARD[STANDARD.index(chars[offset]) % known :: known]
        chars = chars[offset + 1 :]
    if over:
        free = 16 if over == 1 else 4
        start = STANDARD.index(chars[-1]) // free * free
        trail = STANDARD[start : start + free]
        chars = chars[:-1]
    padding = (3 - over) % 3
    core = chars.translate(URL_SAFE)
    if core == chars:
        return [Disguise(name, chars, _either(lead), _either(trail), padding)]
    url_safe = Disguise(name, core, lead.translate(URL_SAFE), trail.translate(URL_SAFE), padding)
    return [Disguise(name, chars, lead, trail, padding), url_safe]


def _either(chars: str) -> str:
    return "".join(dict.fromkeys(chars + chars.translate(URL_SAFE)))
