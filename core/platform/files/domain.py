"""What a file is to every room above, and the limits that hold for all of them. Pure."""

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from core.shared.types import JsonValue

Kind = Literal["csv", "json", "parquet", "text", "pdf", "image"]
KINDS: tuple[Kind, ...] = ("csv", "json", "parquet", "text", "pdf", "image")
TABULAR: tuple[Kind, ...] = ("csv", "json", "parquet")
TEXTUAL: tuple[Kind, ...] = ("csv", "json", "text", "pdf")

ACCEPTED = "CSV, JSON, JSON lines, Parquet, plain text, Markdown, HTML, PDF, PNG, JPEG, WebP and GIF"
MEGABYTE = 1024 * 1024
NAME_LIMIT = 200


@dataclass(frozen=True, slots=True)
class FileView:
    """A stored file. `facts` is what its content was found to be: rows, columns, pages, width, height, encoding.

    `fingerprint` is a hash of the content under the owner's key: equal for equal content of one owner.
    """

    id: str
    owner_id: str
    name: str = field(repr=False)
    kind: Kind
    media_type: str
    size: int
    created_at: datetime
    last_used_at: datetime
    fingerprint: bytes = field(repr=False)
    facts: Mapping[str, JsonValue] = field(repr=False)


@dataclass(frozen=True, slots=True)
class ImageContent:
    """A picture as models are sent it: upright, without metadata, within the vendors' limits. Sizes in pixels."""

    media_type: str
    data: bytes = field(repr=False)
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Inspection:
    """What the inspection of a content found. `derived`: the text of a PDF, the rendition of an image."""

    kind: Kind
    media_type: str
    facts: Mapping[str, JsonValue] = field(repr=False)
    derived: bytes | None = field(default=None, repr=False)


def clean_name(given: str) -> str:
    """A name to show: no folders, no control or direction characters, at most 200 characters."""
    last = re.split(r"[/\\]", unicodedata.normalize("NFC", given))[-1]
    shown = "".join(char for char in last if unicodedata.category(char) not in ("Cc", "Cf", "Cs", "Co", "Zl", "Zp"))
    shown = " ".join(shown.split())
    if len(shown) > NAME_LIMIT:
        stem, dot, ending = shown.rpartition(".")
        keep = NAME_LIMIT - len(dot + ending)
        shown = stem[:keep] + dot + ending if dot and len(ending) <= 10 else shown[:NAME_LIMIT]
    return shown if shown.strip(".") else "file"
