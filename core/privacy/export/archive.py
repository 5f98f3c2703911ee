"""A zip that is sealed while it is written: its bytes pass through memory a chunk at a time, and never lie open.

The zip is written to what cannot seek, so each entry's sizes follow it (APPNOTE.TXT 4.4.4, bit 3) in the form for
large files; every common reader takes that.
"""

import csv
import io
import json
import zipfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import IO

from core.platform.files.sealing import SealedWriter
from core.privacy.export.rows import Record
from core.shared.csv_cells import csv_cell
from core.shared.types import JsonValue

FLUSH = 64 * 1024
RENEW_BYTES = 8 * 1024 * 1024
"""How much may be written between two looks whether the request is still ours."""


class _Sink:
    """What the zip writes to. It tells no position, so nothing is ever gone back to."""

    def __init__(self, writer: SealedWriter, renew: Callable[[], None]) -> None:
        self._writer, self._renew = writer, renew
        self.size, self._since = 0, 0

    def write(self, data: bytes, /) -> int:
        self._writer.write(bytes(data))
        self.size += len(data)
        self._since += len(data)
        if self._since >= RENEW_BYTES:
            self._since = 0
            self._renew()
        return len(data)

    def flush(self) -> None:
        """Nothing waits here."""


class Archive:
    """Entries of a copy, one after the other. `renew` is called every few megabytes, and may raise."""

    def __init__(self, writer: SealedWriter, *, at: datetime, renew: Callable[[], None]) -> None:
        self._writer = writer
        self._sink = _Sink(writer, renew)
        self._zip = zipfile.ZipFile(self._sink, "w", zipfile.ZIP_DEFLATED, allowZip64=True, compresslevel=1)  # type: ignore[call-overload]
        self._at = at.timetuple()[:6]

    @property
    def size(self) -> int:
        """How many bytes there are so far."""
        return self._sink.size

    @contextmanager
    def entry(self, name: str, *, packed: bool = True) -> Iterator[IO[bytes]]:
        """One entry, to be written to. `packed`: whether it is worth compressing."""
        info = zipfile.ZipInfo(name, self._at)
        info.compress_type = zipfile.ZIP_DEFLATED if packed else zipfile.ZIP_STORED
        info.external_attr = 0o600 << 16
        with self._zip.open(info, "w", force_zip64=True) as out:
            yield out

    def add_pieces(self, name: str, pieces: Iterable[bytes], *, packed: bool = True) -> None:
        """An entry from pieces of bytes."""
        with self.entry(name, packed=packed) as out:
            for piece in pieces:
                out.write(piece)

    def add_text(self, name: str, text: str) -> None:
        """An entry of text."""
        self.add_pieces(name, [text.encode()])

    def add_json(self, name: str, value: JsonValue) -> None:
        """An entry of JSON."""
        self.add_text(name, json.dumps(value, ensure_ascii=False, indent=2) + "\n")

    def add_records(self, name: str, records: Iterable[Record]) -> int:
        """An entry of JSON: a list, with a record a line; how many."""
        count = 0
        with self.entry(name) as out:
            out.write(b"[")
            for record in records:
                out.write(b"\n" if count == 0 else b",\n")
                out.write(json.dumps(record, ensure_ascii=False, separators=(",", ":")).encode())
                count += 1
            out.write(b"\n]\n" if count else b"]\n")
        return count

    def add_csv(self, name: str, columns: Sequence[str], records: Iterable[Record]) -> None:
        """An entry of CSV (RFC 4180) with a line of names; no cell is a formula, what is no text is JSON."""
        with self.entry(name) as out:
            text = io.StringIO()
            rows = csv.writer(text)
            rows.writerow(columns)
            for record in records:
                rows.writerow([_cell(record.get(column)) for column in columns])
                if text.tell() >= FLUSH:
                    out.write(text.getvalue().encode())
                    text.seek(0)
                    text.truncate()
            out.write(text.getvalue().encode())

    def commit(self) -> None:
        """Write the directory of the zip, and put the file in its place."""
        self._zip.close()
        self._writer.commit()

    def discard(self) -> None:
        """Leave nothing behind."""
        self._zip.fp = None  # else it would write its directory when it is collected
        self._writer.discard()


def _cell(value: JsonValue) -> object:
    if isinstance(value, dict | list):
        return json.dumps(value, ensure_ascii=False)
    return csv_cell(value)
