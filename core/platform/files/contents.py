"""From bytes to what they are: the kind, its facts, and what is derived from it."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable

from core.platform.files import sniffing, tables
from core.platform.files.domain import Inspection
from core.platform.files.errors import empty_file, too_complex
from core.shared.errors import AppError, InvalidInput
from core.shared.types import JsonValue

PLAIN_TYPES = {"md": "text/markdown", "html": "text/html"}


def inspect_content(content: bytes, name: str, declared: str) -> Inspection:
    """Tell what a content is. Raises InvalidInput for what is not accepted or cannot be read.

    The bytes decide. The name's ending (else the declared media type) only chooses between kinds of text, and
    a text that claims to be JSON or CSV has to be it.
    """
    if not content:
        raise empty_file()
    if content.startswith(sniffing.PDF):
        return _read("PDF", lambda: _inspect_pdf(content))
    if (media_type := sniffing.image_type(content)) is not None:
        return _read("image", lambda: _inspect_image(content, media_type))
    if content.startswith(sniffing.PARQUET) and content.endswith(sniffing.PARQUET):
        return _read("Parquet file", lambda: _inspect_parquet(content))
    read = sniffing.read_text(content)
    if not read.text.strip():
        raise empty_file()
    sniffing.refuse_active(read.text)
    return _inspect_text(read, sniffing.hint_of(name, declared))


def _read(what: str, inspect: Callable[[], Inspection]) -> Inspection:
    try:
        return inspect()
    except AppError:
        raise
    except MemoryError:
        raise too_complex() from None
    except Exception:  # what damage makes of a reader's assumptions is of no one kind; the bytes are at fault
        said = f"The {what} is damaged, or uses a feature that cannot be read. Save it anew, then send it again."
        raise InvalidInput("FILE_INVALID", said, field="file") from None


def _inspect_pdf(content: bytes) -> Inspection:
    from core.platform.files.pdf import pdf_text  # readers are large: only where there is such a file

    text, pages = pdf_text(content)
    return Inspection("pdf", "application/pdf", {"pages": pages, "characters": len(text)}, text.encode())


def _inspect_parquet(content: bytes) -> Inspection:
    return Inspection("parquet", "application/vnd.apache.parquet", tables.describe_parquet(content))


def _inspect_image(content: bytes, media_type: str) -> Inspection:
    from core.platform.files.images import image_size, render_image

    data, rendered_type, width, height = render_image(content, media_type)
    rendered_width, rendered_height = image_size(data)
    rendition: dict[str, JsonValue] = {
        "media_type": rendered_type,
        "width": rendered_width,
        "height": rendered_height,
    }
    return Inspection("image", media_type, {"width": width, "height": height, "rendition": rendition}, data)


def _inspect_text(read: sniffing.Text, hint: str | None) -> Inspection:
    encoding: dict[str, JsonValue] = {"encoding": read.encoding}
    if hint in ("json", "jsonl") or (hint is None and read.text.lstrip()[:1] in ("{", "[")):
        found = _json(read.text, claimed=hint)
        if found is not None:
            media_type = "application/x-ndjson" if found["form"] == "lines" else "application/json"
            return Inspection("json", media_type, encoding | found)
    if hint in ("csv", "tsv", None) and (found := _csv(read.text, claimed=hint)) is not None:
        tabs = found["delimiter"] == "\t"
        return Inspection("csv", "text/tab-separated-values" if tabs else "text/csv", encoding | found)
    media_type = PLAIN_TYPES.get(hint or "", "text/plain")
    return Inspection("text", media_type, encoding | {"characters": len(read.text)})


def _json(text: str, *, claimed: str | None) -> dict[str, JsonValue] | None:
    problem: ValueError | None = None
    if claimed != "jsonl":
        try:
            value = tables.read_json(text)
        except ValueError as error:
            problem = error
        else:
            return {"form": "value", "rows": len(value) if isinstance(value, list) else 1}
    try:
        return {"form": "lines", "rows": _count(text)}
    except InvalidInput as wrong:
        if claimed is None and wrong.code == "FILE_INVALID":
            return None
        if problem is None or wrong.code != "FILE_INVALID":
            raise
    said = f"The name says JSON, but it does not parse: {tables.reason_of(problem)}."
    raise InvalidInput("FILE_INVALID", said, field="file") from None


def _count(text: str) -> int:
    if sum(text.count(sign) for sign in "[{,\n") > tables.MOST_VALUES:
        raise too_complex()
    return _length(tables.read_json_lines(io.StringIO(text)))


def _length(values: Iterable[object]) -> int:
    return sum(1 for _ in values)


def _csv(text: str, *, claimed: str | None) -> dict[str, JsonValue] | None:
    delimiter = tables.sniff_delimiter(text, claimed=claimed is not None)
    if delimiter is None:
        return None
    try:
        return tables.describe_csv(text, delimiter)
    except InvalidInput:
        if claimed is None:
            return None  # a text with commas in it
        raise
