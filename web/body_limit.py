"""A limit on request bodies, counted while they arrive: a length can be left out or lie."""

from contextlib import suppress
from dataclasses import dataclass

from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MAX_BODY = 256 * 1024
DRAIN = 32 * MAX_BODY  # what is still read and dropped, so that a client hears the answer before a reset
MEGABYTE = 1024 * 1024
FILE_OVERHEAD = 64 * 1024  # what multipart puts around a file
FILE_PATHS = ("/api/files", "/v1/api/files")


@dataclass(frozen=True, slots=True)
class _Limit:
    """How much is taken, how much is read at all, and what is answered above it."""

    most: int
    drain: int
    code: str
    text: str


class _TooLarge(Exception):
    pass


class BodyLimit:
    """Answers 413 to bodies above 256 KB, and above the size of a file where files are sent.

    Not in the app, whose uploads Streamlit limits itself.
    """

    def __init__(self, app: ASGIApp, *, largest_file: int) -> None:
        """`largest_file`: bytes."""
        self._app = app
        text = "A request may have 256 KB. Make it shorter, then send it again."
        self._usual = _Limit(MAX_BODY, DRAIN, "BODY_TOO_LARGE", text)
        text = f"A file may have {largest_file // MEGABYTE} MB. Make it smaller or split it, then send it again."
        most = largest_file + FILE_OVERHEAD
        self._file = _Limit(most, 2 * most, "FILE_TOO_LARGE", text)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"].startswith("/app/"):
            await self._app(scope, receive, send)
            return
        limit = self._file if scope["method"] == "POST" and scope["path"] in FILE_PATHS else self._usual
        declared = Headers(scope=scope).get("content-length", "0")
        if declared.isdigit() and int(declared) > limit.most:
            if int(declared) <= limit.drain:
                await _drain(receive, 0, limit.drain)
            await _answer(limit, scope, receive, send)
            return
        read, refused, started = 0, False, False

        async def counted() -> Message:
            nonlocal read, refused
            message = await receive()
            read += len(message.get("body", b""))
            if read > limit.most:
                refused = True
                if message.get("more_body"):
                    await _drain(receive, read, limit.drain)
                raise _TooLarge
            return message

        async def send_unless_refused(message: Message) -> None:
            # What reads the body may turn the exception into its own answer; ours is the right one.
            nonlocal started
            if not refused or started:
                started = started or message["type"] == "http.response.start"
                await send(message)

        with suppress(_TooLarge):
            await self._app(scope, counted, send_unless_refused)
        if refused and not started:
            await _answer(limit, scope, receive, send)


async def _drain(receive: Receive, read: int, most: int) -> None:
    while read <= most:
        message = await receive()
        read += len(message.get("body", b""))
        if message["type"] != "http.request" or not message.get("more_body"):
            return


async def _answer(limit: _Limit, scope: Scope, receive: Receive, send: Send) -> None:
    body = {"error": limit.text, "code": limit.code}
    await JSONResponse(body, 413, headers={"Connection": "close"})(scope, receive, send)
