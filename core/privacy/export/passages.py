"""Passages that are left out of a copy wherever they stand: words about another person (GDPR Art. 15(4)). Pure.

A passage is found in any case, with any white space between its words, a number however it is grouped; and in the
forms that text takes inside other text: escapes of JSON, HTML and URLs, composed letters and decomposed ones. It is not
found in what is encoded as a whole, as base64 is.
"""

import html
import json
import re
import unicodedata
from collections.abc import Iterable, Sequence
from urllib.parse import quote

from core.shared.errors import InvalidInput
from core.shared.types import JsonValue

LEFT_OUT = "[left out: data of another person, Art. 15(4)]"
AS_A_WORD = "left_out"
"""The same where only letters and lines may stand: in ids, and names of files."""
SHORTEST, SHORTEST_NUMBER, LONGEST, MOST = 3, 6, 200, 50
STANDS_ALONE = 6
"""A passage of fewer letters is found by chance inside of words: it counts where no letter stands beside it."""
BETWEEN = r"(?:\s|&nbsp;|&#160;|%20|%0[9AD]|%C2%A0|\+|\\[nrt]|\\u00a0){1,20}"
LONGEST_BETWEEN = 20 * 6
LETTER = r"[^\W\d_]"
GROUPED = r"(?:\s|%20|[+().\-/]){0,3}"
"""What may stand between the digits of a number: of a telephone, an account, a day."""


class Passages:
    """What is left out, and how often it was."""

    def __init__(self, texts: Iterable[str] = ()) -> None:
        self.texts = tuple(sorted(set(texts), key=lambda text: (-len(text), text)))
        self.count = 0
        self._pattern = re.compile("|".join(map(_pattern_of, self.texts)), re.IGNORECASE) if self.texts else None
        self._numbers = {digits for text in self.texts if (digits := _digits(text))}

    def __bool__(self) -> bool:
        return self._pattern is not None

    def stand_in(self, text: str) -> bool:
        """Whether one of them is in a text."""
        return self._pattern is not None and self._pattern.search(text) is not None

    def clean_text(self, text: str, instead: str = LEFT_OUT) -> str:
        """A text without them."""
        if self._pattern is None:
            return text
        cleaned, found = self._pattern.subn(lambda _match: instead, text)
        self.count += found
        return cleaned

    def clean(self, value: JsonValue, instead: str = LEFT_OUT) -> JsonValue:
        """A value without them: in its texts and in its keys; a number where it is one of them as a whole."""
        if not self:
            return value
        if isinstance(value, str):
            return self.clean_text(value, instead)
        if isinstance(value, list):
            return [self.clean(each, instead) for each in value]
        if isinstance(value, dict):
            found: dict[str, JsonValue] = {}
            for key, each in value.items():
                name, number = self.clean_text(key, instead), 2
                while name in found:
                    name, number = f"{self.clean_text(key, instead)} {number}", number + 1
                found[name] = self.clean(each, instead)
            return found
        if isinstance(value, int | float) and not isinstance(value, bool) and str(value) in self._numbers:
            self.count += 1
            return instead
        return value

    def clean_name(self, name: str) -> str:
        """The name of a file without them."""
        return self.clean_text(name, AS_A_WORD)


def clean_passages(said: Sequence[str]) -> tuple[str, ...]:
    """Passages as they are kept, each once. Raises InvalidInput for one that would be found by chance, or too many."""
    found = tuple(dict.fromkeys(text for each in said if (text := " ".join(each.split()))))
    if len(found) > MOST:
        raise InvalidInput("TOO_MANY_PASSAGES", f"Name at most {MOST} passages.", field="passages")
    for text in found:
        least = SHORTEST if re.search(LETTER, text) else SHORTEST_NUMBER
        if not least <= len(text) <= LONGEST:
            message = (
                f"Each passage has {SHORTEST} to {LONGEST} characters, one of digits at least {SHORTEST_NUMBER}: a "
                "shorter one is found everywhere by chance."
            )
            raise InvalidInput("PASSAGE_LENGTH", message, field="passages")
    return found


def _pattern_of(text: str) -> str:
    if not re.search(LETTER, text) and len(digits := re.findall(r"\d", text)) >= SHORTEST_NUMBER:
        return rf"(?<!\d)\+?{GROUPED.join(digits)}(?!\d)"
    words = text.split()
    whole = BETWEEN.join(
        f"(?:{'|'.join(sorted(map(re.escape, _forms(word)), key=len, reverse=True))})" for word in words
    )
    letters = re.findall(LETTER, text)
    if letters and len(text) < STANDS_ALONE:
        return f"(?<!{LETTER}){whole}(?!{LETTER})"
    return whole


def _forms(word: str) -> set[str]:
    """A word as it is written, and as it is escaped."""
    forms = set()
    for shape in ("NFC", "NFD", "NFKC"):
        plain = unicodedata.normalize(shape, word)
        forms |= {
            plain, json.dumps(plain)[1:-1], json.dumps(plain, ensure_ascii=False)[1:-1], html.escape(plain),
            quote(plain, safe=""), quote(plain),
        }  # fmt: skip
    return forms


def _digits(text: str) -> str:
    """The number that a passage is, if it is one: `+33 6 12` is 33612."""
    return "" if re.search(LETTER, text) else re.sub(r"\D", "", text).lstrip("0")
