"""What a content is, told from its bytes. A name or a declared type only decides between kinds of text."""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass

from core.platform.files.errors import unsupported
from core.shared.errors import InvalidInput

PDF, PARQUET = b"%PDF-", b"PAR1"
TEXT_TYPES = {
    "csv": ("text/csv", "application/csv"),
    "tsv": ("text/tab-separated-values",),
    "json": ("application/json",),
    "jsonl": ("application/jsonl", "application/x-ndjson", "application/x-jsonlines", "application/json-lines"),
    "md": ("text/markdown",),
    "html": ("text/html",),
}
ENDINGS = {"ndjson": "jsonl", "markdown": "md", "htm": "html", "text": "txt", "tab": "tsv", "log": "txt"}
HINTS = frozenset({*TEXT_TYPES, "txt"})

# The beginnings of what is refused by name. A shared object, an archive or a film is never a slip of the pen.
_REFUSED: tuple[tuple[tuple[bytes, ...], str], ...] = (
    ((b"MZ", b"\x7fELF", b"\xfe\xed\xfa", b"\xce\xfa\xed\xfe", b"\xcf\xfa\xed\xfe", b"\xca\xfe\xba\xbe", b"\0asm"),
     "Programs are not accepted."),
    ((b"PK\x03\x04", b"PK\x05\x06", b"\x1f\x8b", b"BZh", b"\xfd7zXZ", b"7z\xbc\xaf", b"Rar!", b"\x28\xb5\x2f\xfd"),
     "Archives, and office documents, which are archives, are not accepted: unpack it, or export a PDF or CSV."),
    ((b"\xd0\xcf\x11\xe0",), "Old office documents are not accepted: export a PDF or CSV."),
)  # fmt: skip
_BOMS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
# Control characters that do occur in text: tab, line ends, form feed, backspace, escape, the old end-of-file mark.
_CONTROL = re.compile(r"[\x00-\x07\x0b\x0e-\x19\x1c-\x1f]")
_PROLOGUE = re.compile(r"\s+|<\?xml[^>]*>|<!--.*?-->|<!DOCTYPE[^\[>]*(?:\[.*?\]\s*)?>", re.DOTALL | re.IGNORECASE)
_SVG = re.compile(r"<(?:\w+:)?svg[\s/>]", re.IGNORECASE)
MOST_ACCENTS = 0.25  # of the characters: more of them and the text is in another old encoding than Western


@dataclass(frozen=True, slots=True)
class Text:
    """A content that is text, and the name of its encoding."""

    text: str
    encoding: str


def image_type(content: bytes) -> str | None:
    """The media type of an image by its magic bytes; None for anything else."""
    if content.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if content.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if content.startswith((b"GIF87a", b"GIF89a")):
        return "image/gif"
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return "image/webp"
    return None


def hint_of(name: str, declared: str) -> str | None:
    """The kind of text that a name's ending, or else a declared media type, claims."""
    ending = name.rpartition(".")[2].lower() if "." in name else ""
    ending = ENDINGS.get(ending, ending)
    if ending in HINTS:
        return ending
    declared = declared.split(";")[0].strip().lower()
    return next((hint for hint, types in TEXT_TYPES.items() if declared in types), None)


def read_text(content: bytes) -> Text:
    """Decode a content: by its byte order mark, as UTF-8, or as Western Latin. Raises InvalidInput for no text."""
    for mark, encoding in _BOMS:
        if content.startswith(mark):
            return _checked(_decode(content, encoding), encoding)
    try:
        return _checked(content.decode("utf-8"), "utf-8")
    except UnicodeDecodeError:
        pass
    # Windows-1252 holds all that Latin-1 prints, and what Western Windows programs write instead of it.
    text = _decode(content, "cp1252")
    if sum(byte >= 0x80 for byte in content) > MOST_ACCENTS * len(content):
        raise unsupported("This is text in an encoding that cannot be told: save it as UTF-8.")
    return _checked(text, "cp1252")


def refuse_active(text: str) -> None:
    """Refuse text that a browser or a shell would run: SVG pictures and scripts."""
    if text.startswith("#!"):
        raise unsupported("Programs are not accepted.")
    place, head = 0, text[:65_536]
    while (found := _PROLOGUE.match(head, place)) is not None:
        place = found.end()
    if _SVG.match(head, place):
        raise unsupported("SVG pictures can hold scripts and are not accepted: export a PNG.")


def _decode(content: bytes, encoding: str) -> str:
    try:
        return content.decode(encoding)
    except UnicodeDecodeError:
        raise _refused(content) from None


def _checked(text: str, encoding: str) -> Text:
    if _CONTROL.search(text):
        raise _refused(text[:64].encode("latin-1", "replace"))
    return Text(text, encoding)


def _refused(content: bytes) -> InvalidInput:
    for beginnings, said in _REFUSED:
        if content.startswith(beginnings):
            return unsupported(said)
    return unsupported("This is not a kind of file that can be read.")
