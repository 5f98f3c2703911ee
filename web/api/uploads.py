"""Bodies that are files, read as they arrive: `multipart/form-data` with a part `file`, or the bare content.

Starlette's own form reader would put parts above a megabyte into temporary files, unencrypted. Here nothing
is written but sealed, and no more than a chunk of a request is in memory until its file is whole.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import unquote

import anyio
from anyio import CapacityLimiter, to_thread
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import ClientDisconnect, Request

from core.platform.files.commands import Upload
from core.platform.files.domain import FileView
from core.platform.idempotency import Once
from core.shared.errors import AppError, InvalidInput

if TYPE_CHECKING:
    from core.platform.runtime import Runtime

SECONDS = 600  # a whole upload; 20 MB then need 35 KB/s
PIECE = 256 * 1024
FIELD = "file"
MULTIPART = "multipart/form-data"


async def receive_file(
    request: Request, runtime: Runtime, owner_id: str, judging: CapacityLimiter, once: Once | None = None
) -> FileView:
    """Store the file of a request. Raises InvalidInput, LimitExceeded.

    `judging` bounds how many whole files are looked at, so that those that wait hold no thread.
    """
    body = _body_of(request)
    try:
        with await to_thread.run_sync(Upload, runtime, owner_id) as upload:
            with anyio.fail_after(SECONDS):
                await _take(request, body, upload)
            return await to_thread.run_sync(upload.finish, body.name, body.media_type, once, limiter=judging)
    except TimeoutError:
        raise InvalidInput("UPLOAD_TIMEOUT", "The upload took more than ten minutes. Try again.") from None
    except ClientDisconnect:
        raise InvalidInput("MALFORMED_UPLOAD", "The upload was cut off.") from None


async def _take(request: Request, body: _Bare | _Multipart, upload: Upload) -> None:
    refused: AppError | None = None
    waiting = bytearray()
    async for chunk in request.stream():
        if refused is not None:
            continue  # a client hears the answer once it has sent everything
        try:
            waiting += body.feed(chunk)
            if len(waiting) >= PIECE:
                await to_thread.run_sync(upload.write, bytes(waiting))
                waiting.clear()
        except AppError as error:
            refused = error
    if refused is not None:
        raise refused
    body.end()
    await to_thread.run_sync(upload.write, bytes(waiting))


class _Bare:
    """The body is the file; its name stands in `X-File-Name` or `Content-Disposition`."""

    def __init__(self, request: Request) -> None:
        headers = request.headers
        self.media_type = headers.get("content-type", "")
        self.name = unquote(headers.get("x-file-name", "")) or _name_in(headers.get("content-disposition", ""))

    def feed(self, chunk: bytes) -> bytes:
        return chunk

    def end(self) -> None:
        pass


class _Multipart:
    """The file is the one part `file`."""

    def __init__(self, boundary: bytes) -> None:
        self.name = self.media_type = ""
        self._header, self._value = bytearray(), bytearray()
        self._headers: dict[str, str] = {}
        self._found = bytearray()
        self._parts, self._ended = 0, False
        self._parser = MultipartParser(
            boundary,
            {
                "on_part_begin": self._begin,
                "on_header_field": lambda data, start, end: self._header.extend(data[start:end]),
                "on_header_value": lambda data, start, end: self._value.extend(data[start:end]),
                "on_header_end": self._end_header,
                "on_headers_finished": self._end_headers,
                "on_part_data": lambda data, start, end: self._found.extend(data[start:end]),
                "on_end": self._end,
            },
        )

    def feed(self, chunk: bytes) -> bytes:
        """What of the file a piece of the body holds."""
        try:
            self._parser.write(chunk)
        except FormParserError:
            raise _malformed() from None
        found = bytes(self._found)
        self._found.clear()
        return found

    def end(self) -> None:
        """Check that the body was whole."""
        if not self._ended:
            raise _malformed()
        if not self._parts:
            raise _missing()

    def _begin(self) -> None:
        self._parts += 1
        if self._parts > 1:
            raise InvalidInput("INVALID_REQUEST", "Send one file a request, and nothing else with it.", field=FIELD)
        self._headers.clear()

    def _end_header(self) -> None:
        self._headers[self._header.decode("latin-1").lower()] = _text_of(bytes(self._value))
        self._header.clear()
        self._value.clear()

    def _end_headers(self) -> None:
        disposition = self._headers.get("content-disposition", "")
        if _option(disposition, b"name") != FIELD:
            raise _missing()
        self.name = _option(disposition, b"filename").replace("%22", '"')
        self.media_type = self._headers.get("content-type", "")

    def _end(self) -> None:
        self._ended = True


def _body_of(request: Request) -> _Bare | _Multipart:
    kind, options = parse_options_header(request.headers.get("content-type"))
    if kind.decode("latin-1") != MULTIPART:
        return _Bare(request)
    boundary = options.get(b"boundary", b"")
    if not 1 <= len(boundary) <= 70:  # RFC 2046, section 5.1.1
        raise _malformed()
    return _Multipart(boundary)


def _option(header: str, name: bytes) -> str:
    # The parser knows latin-1; the names are UTF-8 (HTML, "multipart/form-data encoding").
    _, options = parse_options_header(header.encode().decode("latin-1"))
    return _text_of(options.get(name, b""))


def _name_in(disposition: str) -> str:
    for part in disposition.split(";"):  # RFC 6266: the extended name is the better one
        key, _, value = part.strip().partition("=")
        if key.lower() == "filename*" and value.lower().startswith("utf-8'"):
            return unquote(value.split("'", 2)[-1])
    return _option(disposition.encode("latin-1", "replace").decode("utf-8", "replace"), b"filename")


def _text_of(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data.decode("latin-1")


def _malformed() -> InvalidInput:
    return InvalidInput("MALFORMED_UPLOAD", "The body is not whole multipart/form-data. Send it again.")


def _missing() -> InvalidInput:
    return InvalidInput("FILE_MISSING", "Send the file as the part `file`.", field=FIELD)
