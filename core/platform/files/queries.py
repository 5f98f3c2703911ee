"""Reading files. Ownership is a condition of every query: somebody else's file is no file."""

from __future__ import annotations

import io
from collections.abc import Collection, Iterator
from typing import Any, cast

from sqlalchemy import select

from core.platform.files import errors, tables
from core.platform.files.domain import TABULAR, TEXTUAL, FileView, ImageContent, Kind
from core.platform.files.models import FileRow
from core.platform.files.sealing import read_sealed
from core.platform.runtime import Runtime
from core.shared.pages import Page
from core.shared.types import JsonValue


def get_file(runtime: Runtime, owner_id: str, file_id: str) -> FileView:
    """A file without its content. Raises NotFound."""
    return next(iter(find_files(runtime, owner_id, [file_id]).values()), None) or _missing()


def find_files(runtime: Runtime, owner_id: str, file_ids: Collection[str]) -> dict[str, FileView]:
    """Those of these files that exist and are the owner's, by id."""
    mine = select(FileRow).where(FileRow.owner_id == owner_id, FileRow.id.in_(list(file_ids)))
    with runtime.database.read() as session:
        rows = session.scalars(mine).all()
    return {row.id: file_view(runtime, row) for row in rows}


def list_files(runtime: Runtime, owner_id: str, *, limit: int = 50, cursor: str | None = None) -> Page[FileView]:
    """A person's files, newest first."""
    mine = select(FileRow).where(FileRow.owner_id == owner_id).order_by(FileRow.id.desc()).limit(limit + 1)
    if cursor:
        mine = mine.where(FileRow.id < cursor)
    with runtime.database.read() as session:
        rows = session.scalars(mine).all()
    items = tuple(file_view(runtime, row) for row in rows[:limit])
    return Page(items, items[-1].id if len(rows) > limit else None)


def read_file(runtime: Runtime, owner_id: str, file_id: str) -> Iterator[bytes]:
    """The content as it was uploaded, in pieces. Raises NotFound at the call, not at the first piece."""
    return stored_content(runtime, owner_id, get_file(runtime, owner_id, file_id).id)


def file_text(runtime: Runtime, owner_id: str, file_id: str) -> str:
    """The text of a CSV, JSON, text or PDF file. Raises NotFound, InvalidInput for other kinds."""
    file = get_file(runtime, owner_id, file_id)
    if file.kind not in TEXTUAL:
        raise errors.has_no_text(file.kind)
    if file.kind == "pdf":
        return _derived(runtime, file).decode()
    content = b"".join(stored_content(runtime, owner_id, file_id))
    return content.decode(str(file.facts["encoding"])).replace("\r\n", "\n")


def file_rows(runtime: Runtime, owner_id: str, file_id: str) -> Iterator[dict[str, JsonValue]]:
    """The rows of a CSV, JSON, JSON lines or Parquet file; see core.platform.files.tables for their types.

    A CSV and JSON lines are read as they are decrypted; the others are in memory while their rows are read.
    Raises NotFound, InvalidInput for other kinds, both at the call.
    """
    file = get_file(runtime, owner_id, file_id)
    if file.kind not in TABULAR:
        raise errors.has_no_rows(file.kind)
    pieces = stored_content(runtime, owner_id, file_id)
    if file.kind == "parquet":
        return tables.read_parquet(b"".join(pieces))
    facts = cast(dict[str, Any], file.facts)
    lines = io.TextIOWrapper(io.BufferedReader(_Pieces(pieces)), encoding=facts["encoding"], newline="")
    if file.kind == "csv":
        return tables.read_csv(lines, facts)
    if facts["form"] == "lines":
        return (row for value in tables.read_json_lines(lines) for row in tables.json_rows([value]))
    return tables.json_rows(tables.read_json(lines.read()))


def image_bytes(runtime: Runtime, owner_id: str, file_id: str) -> ImageContent:
    """An image as models are sent it. Raises NotFound, InvalidInput for other kinds."""
    file = get_file(runtime, owner_id, file_id)
    if file.kind != "image":
        raise errors.not_an_image(file.kind)
    rendition = cast(dict[str, Any], file.facts["rendition"])
    return ImageContent(
        rendition["media_type"], _derived(runtime, file), int(rendition["width"]), int(rendition["height"])
    )


def file_view(runtime: Runtime, row: FileRow) -> FileView:
    """A frozen view of a row, with its name and facts opened."""
    vault, owner = runtime.vault, row.owner_id
    return FileView(
        id=row.id,
        owner_id=owner,
        name=vault.open_text(owner, f"files.name:{row.id}", row.name),
        kind=cast(Kind, row.kind),
        media_type=row.media_type,
        size=row.size,
        created_at=row.created_at,
        last_used_at=row.last_used_at,
        fingerprint=row.fingerprint,
        facts=cast(dict[str, JsonValue], vault.open_json(owner, f"files.facts:{row.id}", row.facts)),
    )


def content_place(file_id: str) -> str:
    """What the associated data of a content's chunks begins with."""
    return f"files.content:{file_id}"


def derived_place(file_id: str) -> str:
    """The same for what was derived from it."""
    return f"files.derived:{file_id}"


def stored_content(runtime: Runtime, owner_id: str, file_id: str) -> Iterator[bytes]:
    """The content of a file that is known to be the owner's. Raises NotFound FILE_GONE."""
    return _open(runtime, owner_id, file_id, content_place(file_id))


def _derived(runtime: Runtime, file: FileView) -> bytes:
    return b"".join(_open(runtime, file.owner_id, f"{file.id}.derived", derived_place(file.id)))


def _open(runtime: Runtime, owner_id: str, key: str, place: str) -> Iterator[bytes]:
    try:
        blob = runtime.blobs.open(key)
    except FileNotFoundError:
        raise errors.file_gone() from None
    return read_sealed(runtime.vault, owner_id, place, blob)


def _missing() -> FileView:
    raise errors.file_not_found()


class _Pieces(io.RawIOBase):
    """Pieces of bytes as a file to read from."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces, self._waiting = pieces, memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._waiting:
            piece = next(self._pieces, None)
            if piece is None:
                return 0
            self._waiting = memoryview(piece)
        count = min(len(buffer), len(self._waiting))
        buffer[:count] = self._waiting[:count]
        self._waiting = self._waiting[count:]
        return count
