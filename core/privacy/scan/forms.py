"""Looking for values in a stream of bytes, as they are and in the forms that programs give them. Pure; light to load.

A value is found as text (UTF-8 in either case, UTF-16), escaped for JSON, URLs, HTML and mails, in hexadecimal, in
base64 at each of its alignments, as its SHA-256; and all of that again inside of what was compressed with deflate
(zlib, gzip, zip) or written in base64. Memory does not grow with the stream: a window of it is looked at at a time,
with as much of the one before as the longest form needs.
"""

import base64
import binascii
import hashlib
import re
import zlib
from collections.abc import Callable, Iterator, Sequence

WINDOW = 1 << 20
DEEPEST = 3
STREAMS = 8
"""Compressed streams that are followed from window to window at the same time."""
MOST_INFLATED = 1 << 28

Found = Callable[[int, str], None]
"""Is told the number of a value, and the form it was found in."""

_LOWER = bytes(range(256)).lower()
_PACKED = (re.compile(rb"\x78[\x01\x5e\x9c\xda]"), re.compile(rb"\x1f\x8b\x08"), re.compile(rb"PK\x03\x04"))
_PACKED_IN_BASE64 = (re.compile(rb"e[AFJN][A-Za-z0-9+/_-]{30,}"), re.compile(rb"H4sI[A-Za-z0-9+/_-]{30,}"))
"""How the base64 of something compressed begins; base64 of text is found as it is. One pattern is found slower."""
EMPTY = b"\0" * 64
"""So many zeros are in no form of a text. Half of a new database of PostgreSQL is nothing else."""
TASTE = 256
"""Bytes of what might be compressed that are tried first: mostly they prove that it is not."""


class Needles:
    """The forms of some values: those that are looked for as they are, and those whose case does not matter."""

    def __init__(self, values: Sequence[str]) -> None:
        exact: dict[bytes, tuple[int, str]] = {}
        folded: dict[bytes, tuple[int, str]] = {}
        escaped: dict[bytes, int] = {}
        for number, value in enumerate(values):
            for cased in dict.fromkeys((value, value.lower(), value.upper())):
                folded.setdefault(cased.encode().translate(_LOWER), (number, "text"))
                escaped.setdefault(_escapable(cased), number)
                for name, form in _folded_forms(cased):
                    folded.setdefault(form.translate(_LOWER), (number, name))
                for name, form in _exact_forms(cased):
                    exact.setdefault(form, (number, name))
        self.folded = tuple(folded.items())
        self.exact = tuple(exact.items())
        self.escaped = tuple((re.compile(pattern), number) for pattern, number in escaped.items())
        self.anchors = tuple(_anchors(values)) if any(values) else ()
        self.reach = 16 * max((len(value) for value in values), default=1) + 64
        """How far from an escaped character of a value the rest of it can be."""
        longest = max((len(form) for form in (*exact, *folded)), default=1)
        self.overlap = max(1024, 2 * longest, self.reach)


def _escapable(value: str) -> bytes:
    """A pattern, of lower-case text, for a value of which any character may be escaped in any of the ways there are.

    Escaped twice too (`%2540`, `\\\\u0040`), and broken over lines as mails do it.
    """
    return rb"(?:=\r?\n|[\r\n])?".join(b"(?:" + b"|".join(_ways(char)) + b")" for char in value)


def _ways(char: str) -> Iterator[bytes]:
    for cased in dict.fromkeys((char.lower(), char, char.upper())):
        data, points = cased.encode(), cased.encode("utf-16-be")
        yield re.escape(data.translate(_LOWER))
        yield b"".join(rb"%%(?:25)*%02x" % byte for byte in data)
        yield b"".join(rb"=%02x" % byte for byte in data)
        yield b"".join(rb"\\+u%02x%02x" % (points[i], points[i + 1]) for i in range(0, len(points), 2))
        yield b"".join(rb"\\+x%02x" % byte for byte in data)
        for point in map(ord, cased):
            yield rb"&(?:amp;)?#(?:x0*%x|0*%d);" % (point, point)
    if char in _ENTITIES:
        yield rb"&(?:amp;)?%s;" % _ENTITIES[char]
    if char == " ":
        yield rb"\+|_"
    elif not char.isalnum():
        yield rb"\\+" + re.escape(char.encode())


def _anchors(values: Sequence[str]) -> Iterator[re.Pattern[bytes]]:
    """Where a character of a value stands escaped. Each way begins with one byte, which is found at once."""
    chars = {cased for value in values for char in value for cased in (char.lower(), char, char.upper())}
    octets = b"|".join(sorted({b"%02x" % byte for char in chars for byte in char.encode()}))
    units = b"|".join(sorted({b"%04x" % unit for char in chars for unit in _units(char)}))
    points = b"|".join(sorted({form % ord(char[0]) for char in chars for form in (b"x0*%x", b"0*%d")}))
    for pattern in (
        rb"%(?:25)*(?:" + octets + b")", rb"=(?:" + octets + b")", rb"\\x(?:" + octets + b")",
        rb"\\u(?:" + units + b")", rb"#(?:" + points + b");",
    ):  # fmt: skip
        yield re.compile(pattern)
    names = [name for char, name in _ENTITIES.items() if char in chars]
    if names:
        yield re.compile(rb"(?:" + b"|".join(names) + b");")
    if chars & set("\"\\/'"):
        yield re.compile(rb"\\[\"\\/']")


def _units(char: str) -> Iterator[int]:
    data = char.encode("utf-16-be")
    yield from (int.from_bytes(data[place : place + 2]) for place in range(0, len(data), 2))


_ENTITIES = {"&": b"amp", "<": b"lt", ">": b"gt", '"': b"quot", "'": b"apos"}


def _folded_forms(value: str) -> Iterator[tuple[str, bytes]]:
    data = value.encode()
    yield "UTF-16", value.encode("utf-16-le")
    yield "UTF-16", value.encode("utf-16-be")
    yield "hexadecimal", data.hex().encode()
    yield "SHA-256", hashlib.sha256(data).hexdigest().encode()


def _exact_forms(value: str) -> Iterator[tuple[str, bytes]]:
    data, digest = value.encode(), hashlib.sha256(value.encode()).digest()
    yield "SHA-256", digest
    yield "SHA-256", base64.b64encode(digest).rstrip(b"=")
    yield "SHA-256", base64.urlsafe_b64encode(digest).rstrip(b"=")
    for shift in range(3):
        # Of the first and the last character only some bits are the value's own.
        begin, end = (shift * 8 + 5) // 6, (shift + len(data)) * 8 // 6
        for coded in (base64.b64encode, base64.urlsafe_b64encode):
            form = coded(b"\0" * shift + data)[begin:end]
            if len(form) >= 6:
                yield "base64", form


class Search:
    """Looks through one stream: `feed` it in pieces, then `end` it."""

    def __init__(self, needles: Needles, found: Found, *, depth: int = 0) -> None:
        self._needles, self._found, self._depth = needles, found, depth
        self._waiting = bytearray()
        self._kept = b""
        self._streams: list[_Inflater] = []

    def feed(self, data: bytes) -> None:
        """Take the next piece."""
        self._waiting += data
        while len(self._waiting) >= WINDOW:
            self._look(bytes(self._waiting[:WINDOW]))
            del self._waiting[:WINDOW]

    def end(self) -> None:
        """Look at the rest."""
        self._look(bytes(self._waiting))
        self._waiting.clear()
        for stream in self._streams:
            stream.end()
        self._streams.clear()
        self._kept = b""

    def _look(self, fresh: bytes) -> None:
        if not fresh:
            return
        window = self._kept + fresh
        dense = _without_empty(window)
        self._match(dense)
        if self._depth < DEEPEST:
            self._inflate(window, fresh)
            self._decode(dense)
        self._kept = window[-self._needles.overlap :]

    def _match(self, window: bytes) -> None:
        needles, folded = self._needles, window.translate(_LOWER)
        joined = window.translate(None, b"\r\n") if b"\n" in window else b""
        views = [folded]
        if joined:
            views += [joined.translate(_LOWER), folded.replace(b"=\r\n", b"").replace(b"=\n", b"")]
        for form, told in needles.folded:
            if any(form in view for view in views):
                self._tell(told)
        for form, told in needles.exact:
            if form in window or form in joined:
                self._tell(told)
        for begin, end in _neighbourhoods(folded, needles):
            for pattern, number in needles.escaped:
                for found in pattern.finditer(folded, begin, end):
                    if not any(found[0] == form for form, _ in needles.folded):
                        self._tell((number, "escaped"))
                        break

    def _tell(self, told: tuple[int, str]) -> None:
        number, form = told
        self._found(number, form if self._depth == 0 else f"{form}, packed")

    def _inflate(self, window: bytes, fresh: bytes) -> None:
        self._streams = [stream for stream in self._streams if stream.feed(fresh)]
        begun, view = len(window) - len(fresh), memoryview(window)
        for match in (match for pattern in _PACKED for match in pattern.finditer(window)):
            # What began in the part that was looked at before is followed already.
            if match.end() <= begun:
                continue
            start, wbits = match.start(), 47
            if match[0] == b"PK\x03\x04":
                head = window[start : start + 30]
                if len(head) < 30 or head[8:10] != b"\x08\x00":
                    continue
                start += 30 + int.from_bytes(head[26:28], "little") + int.from_bytes(head[28:30], "little")
                wbits = -15
            stream = _Inflater(Search(self._needles, self._found, depth=self._depth + 1), wbits)
            going_on = stream.feed(view[start : start + TASTE]) and stream.feed(view[start + TASTE :])
            if going_on and len(self._streams) < STREAMS:
                self._streams.append(stream)

    def _decode(self, window: bytes) -> None:
        joined = window.translate(None, b"\r\n")
        for match in (match for pattern in _PACKED_IN_BASE64 for match in pattern.finditer(joined)):
            coded = match[0].translate(_TO_STANDARD)
            inner = Search(self._needles, self._found, depth=self._depth + 1)
            inner.feed(binascii.a2b_base64(coded[: len(coded) // 4 * 4]))
            inner.end()


def _without_empty(window: bytes) -> bytes:
    """A window with every long run of zeros cut to a short one: never to none, a zero may be half of a character."""
    first, *others = window.split(EMPTY)
    if not others:
        return window
    *inner, last = others
    return EMPTY.join((first, *filter(None, inner), last))


def _neighbourhoods(folded: bytes, needles: Needles) -> list[tuple[int, int]]:
    """The parts of a window in which a character of a value is escaped, and the rest of the value would be."""
    places = [match.start() for anchor in needles.anchors for match in anchor.finditer(folded)]
    found: list[tuple[int, int]] = []
    for place in sorted(places):
        begin, end = max(0, place - needles.reach), place + needles.reach
        if found and begin <= found[-1][1]:
            found[-1] = (found[-1][0], end)
        else:
            found.append((begin, end))
    return found


class _Inflater:
    """A stream that seems to be compressed, until it proves not to be."""

    def __init__(self, search: Search, wbits: int) -> None:
        self._search, self._object, self._size = search, zlib.decompressobj(wbits), 0

    def feed(self, data: bytes | memoryview) -> bool:
        """Whether there is more of it to come."""
        try:
            while data and not self._object.eof and self._size < MOST_INFLATED:
                out = self._object.decompress(data, WINDOW)
                data = self._object.unconsumed_tail
                self._size += len(out)
                self._search.feed(out)
        except zlib.error:
            self.end()
            return False
        if self._object.eof or self._size >= MOST_INFLATED:
            self.end()
            return False
        return True

    def end(self) -> None:
        self._search.end()


_TO_STANDARD = bytes.maketrans(b"-_", b"+/")
