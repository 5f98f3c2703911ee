"""Placeholders: `[EMAIL_1]` leaves in the place of an address, and the address comes back where the answer says it.

    masks = Placeholders()
    masks.mask("write to ada@example.org", find(...))     # write to [EMAIL_1]
    masks.restore("Done: [EMAIL_1]")                      # Done: ada@example.org

A value has one placeholder for as long as the same `Placeholders` is used: that of a run. What is found holds no double
quote, no backslash and no line break, so it is put back inside JSON as it is.
"""

import re
from collections.abc import Iterable, Mapping

from core.shared.personal_data.kinds import KINDS, Finding
from core.shared.types import JsonValue

_NAMES = "|".join(sorted(KINDS, key=len, reverse=True))
# Models write `[email_1]`, `[EMAIL 1]` and, in Markdown, `\[EMAIL\_1\]`; in JSON the backslash is doubled.
_ESCAPE = r"\\{0,2}"
PLACEHOLDER = re.compile(
    rf"{_ESCAPE}\[\s?({'|'.join(name.replace('_', rf'{_ESCAPE}[_ ]') for name in _NAMES.split('|'))})"
    rf"{_ESCAPE}[_ ](\d{{1,6}})\s?{_ESCAPE}\]",
    re.IGNORECASE,
)
LONGEST = 40
_MAY_GO_ON = re.compile(r"\\{1,2}|\\{0,2}\[[A-Za-z0-9_\\ ]{0,36}")


class Placeholders:
    """The placeholders of one run. Not for several threads at once."""

    def __init__(self, known: Mapping[str, str] | None = None) -> None:
        """`known`: placeholders given out before, with what each stands for."""
        self._values: dict[tuple[str, int], str] = {}
        self._numbers: dict[tuple[str, str], int] = {}
        self._last: dict[str, int] = {}
        for placeholder, value in (known or {}).items():
            found = PLACEHOLDER.fullmatch(placeholder)
            if found is not None:
                self._keep(_kind(found[1]), int(found[2]), value)

    def __bool__(self) -> bool:
        return bool(self._values)

    def mask(self, text: str, findings: Iterable[Finding]) -> str:
        """The text with a placeholder for each finding. A number that the text already uses is left out."""
        parts, reached = [], 0
        for finding in findings:
            parts += [text[reached : finding.start], self._placeholder(finding, text)]
            reached = finding.end
        return "".join((*parts, text[reached:]))

    def restore(self, text: str) -> str:
        """The text with what each placeholder stands for. One that was never given out stays."""
        return PLACEHOLDER.sub(self._value, text) if self._values and "[" in text else text

    def restore_json(self, value: JsonValue) -> JsonValue:
        """A JSON value with its texts restored, names of fields too."""
        if isinstance(value, str):
            return self.restore(value)
        if isinstance(value, list):
            return [self.restore_json(item) for item in value]
        if isinstance(value, dict):
            return {self.restore(name): self.restore_json(item) for name, item in value.items()}
        return value

    def named_in(self, text: str) -> dict[str, str]:
        """The placeholders in a text, with what each stands for."""
        found = ((_kind(each[1]), int(each[2])) for each in PLACEHOLDER.finditer(text))
        return {written(*key): self._values[key] for key in found if key in self._values}

    def _placeholder(self, finding: Finding, text: str) -> str:
        value = text[finding.start : finding.end]
        number = self._numbers.get((finding.kind, value))
        if number is None:
            number = self._last.get(finding.kind, 0) + 1
            while written(finding.kind, number) in text:
                number += 1
            self._keep(finding.kind, number, value)
        return written(finding.kind, number)

    def _keep(self, kind: str, number: int, value: str) -> None:
        self._values[kind, number] = value
        self._numbers[kind, value] = number
        self._last[kind] = max(number, self._last.get(kind, 0))

    def _value(self, found: re.Match[str]) -> str:
        return self._values.get((_kind(found[1]), int(found[2])), found[0])


class StreamRestorer:
    """Restores a text that arrives in pieces: holds back only what may be the beginning of a placeholder."""

    def __init__(self, placeholders: Placeholders) -> None:
        self._placeholders = placeholders
        self._held = ""

    def feed(self, piece: str) -> str:
        """Takes the next piece; gives what is certain by now."""
        text = self._held + piece
        cut = _unfinished(text)
        self._held = text[cut:]
        return self._placeholders.restore(text[:cut])

    def flush(self) -> str:
        """The rest, when no more will come."""
        rest, self._held = self._held, ""
        return self._placeholders.restore(rest)


def written(kind: str, number: int) -> str:
    """A placeholder."""
    return f"[{kind}_{number}]"


def _kind(name: str) -> str:
    return re.sub(r"\\*[_ ]", "_", name).upper()


def _unfinished(text: str) -> int:
    """Where a placeholder may begin that is not whole yet; the length of the text when none may."""
    bracket = text.rfind("[", max(0, len(text) - LONGEST))
    start = len(text) - (len(text) - len(text.rstrip("\\"))) if bracket < 0 else bracket
    while start > 0 and text[start - 1] == "\\" and bracket >= 0 and bracket - start < 2:
        start -= 1
    return start if start < len(text) and _MAY_GO_ON.fullmatch(text, start) else len(text)
