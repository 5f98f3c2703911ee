"""Masking: puts `[secret NAME]` in the place of every secret, in whatever form it comes along.

    masker = Masker({"API_KEY": "s3cr3t-value"})
    masker.mask_text("the key is s3cr3t-value")        # the key is [secret API_KEY]
    masker.mask_json({"echo": ["czNjcjN0LXZhbHVl"]})    # {"echo": ["[secret API_KEY]"]}

Found are the value itself, in upper and lower case, its percent-encoded, JSON-escaped and HTML-escaped forms, whole or
in part and one inside the other, and its hexadecimal and base64 forms (any alignment, both alphabets, alone or within
longer data). What was transformed in another way (reversed, hashed, encrypted, split up, spelt out) is not found.

A text without a secret is returned unchanged. A marker is never masked itself, so masking twice is the same
as masking once, unless a value shares a bracket with a marker: then it is masked again, to be safe.

Pure, and independent of everything else: the engine masks before it stores, logs or sends anything.
"""

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice

from core.shared.disguises import Disguise, disguises, either_case, folded
from core.shared.escapes import INTRODUCERS, LONGEST, escape_starts, readings
from core.shared.types import JsonValue

MIN_LENGTH = 4
"""Shorter values would be found everywhere: they are not masked, and cannot be saved."""

Span = tuple[int, int, str]
"""Where a secret begins and ends, and its name."""

_PLAIN = re.compile(r"[^%\\&+\r]{1,64}")
_ESCAPE_LETTERS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz%\\&+#;\r\n"
_NUMBER = re.compile(r"[-+.0-9eE]+")


class Masker:
    """Masks the values of a set of secrets. Immutable, and safe to share between threads."""

    def __init__(self, secrets: Mapping[str, str]) -> None:
        """`secrets` maps names to values. White space around a value is not part of what is looked for."""
        values = {name: value.strip() for name, value in secrets.items()}
        values = {name: value for name, value in values.items() if len(value) >= MIN_LENGTH}
        longest_first = sorted(values.items(), key=lambda item: (-len(item[1]), item[0]))
        self._disguises = [form for name, value in longest_first for form in disguises(name, value)]
        self._rank = {name: rank for rank, (name, _) in enumerate(longest_first)}
        self._markers = tuple(marker(name) for name in secrets)
        self._marker = re.compile("|".join(map(re.escape, sorted(self._markers, key=len, reverse=True))))
        self._numeric = any(_NUMBER.fullmatch(value) for value in values.values())
        letters = {char for form in self._disguises for unit in form.units() for char in unit}
        self._letters = letters | {"="}
        self._may_stand = "".join(sorted(self._letters | set(_ESCAPE_LETTERS)))
        self._escapes = escape_starts(letters)
        self._by_first: dict[str, list[Disguise]] = {}
        self._by_two: dict[str, list[Disguise]] = {}
        for form in self._disguises:
            first, second = islice(form.units(), 2)
            for char in first:
                self._by_first.setdefault(char, []).append(form)
                for after in second:
                    self._by_two.setdefault(char + after, []).append(form)
        self._inside: dict[str, list[tuple[Disguise, int]]] = {}

    def __bool__(self) -> bool:
        return bool(self._disguises)

    def mask_text(self, text: str) -> str:
        """The text with every secret replaced by its marker."""
        return _replaced(text, self._clusters(text)) if self._disguises else text

    def mask_bytes(self, data: bytes) -> bytes:
        """As `mask_text`, for UTF-8 with anything else in between."""
        if not self._disguises:
            return data
        text = data.decode(errors="surrogateescape")
        masked = self.mask_text(text)
        return data if masked is text else masked.encode(errors="surrogateescape")

    def mask_json(self, value: JsonValue) -> JsonValue:
        """A JSON value with every text masked, names of fields too; a number that holds a secret becomes a text."""
        if isinstance(value, str):
            return self.mask_text(value)
        if isinstance(value, list):
            return [self.mask_json(item) for item in value]
        if isinstance(value, dict):
            masked: dict[str, JsonValue] = {}
            for name, item in value.items():
                masked[_unused(self.mask_text(name), masked)] = self.mask_json(item)
            return masked
        if self._numeric and isinstance(value, int | float) and not isinstance(value, bool):
            shown = self.mask_text(str(value))
            return value if shown == str(value) else shown
        return value

    def split(self, text: str) -> tuple[str, str]:
        """The masked text up to where a secret might begin that is not whole yet, and the rest as it came."""
        if not self._disguises:
            return text, ""
        held = self._unfinished(text)
        if held == 0:
            return "", text
        clusters = self._clusters(text)
        ranges = [(cluster[0][0], cluster[-1][1]) for cluster in clusters]
        ranges += [found.span() for found in self._marker.finditer(text)]
        for begin, end in sorted(ranges, reverse=True):
            if begin < held < end:
                held = begin
        return _replaced(text[:held], [cluster for cluster in clusters if cluster[-1][1] <= held]), text[held:]

    def _clusters(self, text: str) -> list[list[Span]]:
        """Secrets in order; those that overlap together, without those that lie inside another."""
        spans = sorted(set(self._spans(text)), key=lambda span: (span[0], -span[1], self._rank[span[2]]))
        if not spans:
            return []
        markers = [found.span() for found in self._marker.finditer(text)]
        clusters: list[list[Span]] = []
        reached = 0
        for begin, end, name in spans:
            nearest = bisect_right(markers, (begin, len(text))) - 1
            if nearest >= 0 and end <= markers[nearest][1]:
                continue
            if not clusters or begin >= reached:
                clusters.append([(begin, end, name)])
            elif end > reached:
                clusters[-1].append((begin, end, name))
            reached = max(reached, end)
        return clusters

    def _spans(self, text: str) -> Iterator[Span]:
        # A form without an escape holds its core as it is. In any other, all before its first escape is.
        in_lower = folded(text)
        for form in self._disguises:
            view = in_lower if form.any_case else text
            place = view.find(form.core)
            while place >= 0:
                yield from _whole(form, text, place)
                place = view.find(form.core, place + 1)
        for found in self._escapes.finditer(text):
            place = found.start()
            for char in {char for char, _ in readings(text, place)[0][1:]} & self._letters:
                for form, index in self._places(char):
                    begin = place - index
                    view = in_lower if form.any_case else text
                    near = max(0, index - 8)
                    if begin < 0 or not view.startswith(form.core[near:index], begin + near):
                        continue
                    if view.startswith(form.core[:near], begin):
                        yield from _whole(form, text, begin)

    def _places(self, char: str) -> list[tuple[Disguise, int]]:
        """The forms whose core holds a character, and where."""
        found = self._inside.get(char)
        if found is None:
            lower = char.lower()
            found = [
                (form, index)
                for form in self._disguises
                for index, known in enumerate(form.core)
                if known == char or (form.any_case and known == lower)
            ]
            self._inside[char] = found
        return found

    def _unfinished(self, text: str) -> int:
        """The first place from which a secret or marker may go on after the text; its length when none may."""
        size = len(text)
        first = len(text.rstrip(self._may_stand))
        held = next((place for place in range(first, size) if self._may_go_on(text, place)), size)
        bracket = text.rfind("[")
        if bracket >= 0 and any(known.startswith(text[bracket:]) for known in self._markers):
            ends_here = any(known == text[bracket:] for known in self._markers)
            held = held if ends_here else min(held, bracket)
        return held

    def _may_go_on(self, text: str, place: int) -> bool:
        two = text[place : place + 2]
        if len(two) == 2 and INTRODUCERS.isdisjoint(two):
            return any(_match(form, text, place)[1] for form in self._by_two.get(two, ()))
        found, cut = readings(text, place)
        return cut or any(_match(form, text, place)[1] for char, _ in found for form in self._by_first.get(char, ()))


class StreamMasker:
    """Masks a text that arrives in pieces: what it gives, joined, is the masked text, however it was cut.

    It holds back only the end of a piece with which a secret might begin.
    """

    def __init__(self, masker: Masker) -> None:
        self._masker = masker
        self._held = ""

    def feed(self, piece: str) -> str:
        """Takes the next piece; gives what is certain by now, often less than the piece, sometimes nothing."""
        masked, self._held = self._masker.split(self._held + piece)
        return masked

    def flush(self) -> str:
        """The rest, when no more will come."""
        rest, self._held = self._held, ""
        return self._masker.mask_text(rest)


def marker(name: str) -> str:
    """What stands in the place of a secret."""
    return f"[secret {name}]"


def _whole(form: Disguise, text: str, core_at: int) -> Iterator[Span]:
    """Occurrences of a form whose core begins at a place."""
    for begin in _before(text, core_at) if form.lead else (core_at,):
        end, _ = _match(form, text, begin)
        if end is not None:
            yield begin, end, form.name


def _before(text: str, place: int) -> list[int]:
    """Where the character that ends at a place may begin."""
    return [
        begin
        for begin in range(place - 1, max(-1, place - 1 - LONGEST), -1)
        if begin == place - 1
        or (text[begin] in INTRODUCERS and any(end == place for _, end in readings(text, begin)[0]))
    ]


def _match(form: Disguise, text: str, place: int) -> tuple[int | None, bool]:
    """Where a form that begins at a place ends, at most; and whether more text might add to it."""
    ends, unsure = {place}, False
    if form.lead:
        ends, unsure = _step(text, ends, form.lead)
    index, size = 0, len(form.core)
    while index < size and ends:
        if len(ends) == 1:
            # Where neither has an introducer there is one way to read it, which is compared at once.
            (at,) = ends
            known, seen = _PLAIN.match(form.core, index), _PLAIN.match(text, at)
            if known and seen:
                length = min(len(known[0]), len(seen[0]))
                shown = seen[0][:length]
                if form.any_case and shown.isascii():
                    shown = shown.lower()
                if known[0][:length] == shown:
                    index, ends = index + length, {at + length}
                    continue
        char = form.core[index]
        ends, cut = _step(text, ends, either_case(char) if form.any_case else char)
        unsure, index = unsure or cut, index + 1
    if form.trail and ends:
        ends, cut = _step(text, ends, form.trail)
        unsure = unsure or cut
    last = max(ends, default=None)
    for _ in range(form.padding):
        ends, cut = _step(text, ends, "=")
        unsure = unsure or cut
        last = max(ends, default=last)
    return last, unsure


def _step(text: str, places: Iterable[int], wanted: str) -> tuple[set[int], bool]:
    """Where one of the wanted characters ends that begins at one of the places."""
    ends: set[int] = set()
    unsure = False
    for place in places:
        if place >= len(text):
            unsure = True
        elif text[place] in INTRODUCERS:
            found, cut = readings(text, place)
            ends.update(end for char, end in found if char in wanted)
            unsure = unsure or cut
        elif text[place] in wanted:
            ends.add(place + 1)
    return ends, unsure


def _replaced(text: str, clusters: list[list[Span]]) -> str:
    if not clusters:
        return text
    parts, reached = [], 0
    for cluster in clusters:
        parts.append(text[reached : cluster[0][0]])
        parts += dict.fromkeys(marker(name) for _, _, name in cluster)
        reached = cluster[-1][1]
    parts.append(text[reached:])
    return "".join(parts)


def _unused(name: str, taken: Mapping[str, JsonValue]) -> str:
    found, number = name, 2
    while found in taken:
        found, number = f"{name} ({number})", number + 1
    return found
