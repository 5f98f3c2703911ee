"""A limit on request bodies, counted while they arrive: a length can be left out or lie."""

from contextlib import suppress

from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MAX_BODY = 256 * 1024
DRAIN = 32 * MAX_BODY  # what is still read and dropped, so that a client hears the answer before a reset


class _TooLarge(Exception):
    pass


class BodyLimit:
    """Answers 413 to bodies above 256 KB, but not in the app, whose uploads Streamlit limits itself."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"].startswith("/app/"):
            await self._app(scope, receive, send)
            return
        declared = Headers(scope=scope).get("content-length", "0")
        if declared.isdigit() and int(declared) > MAX_BODY:
            if int(declared) <= DRAIN:
                await _drain(receive, 0)
            await _answer(scope, receive, send)
            return
        read, refused, started = 0, False, False

        async def counted() -> Message:
            nonlocal read, refused
            message = await receive()
            read += len(message.get("body", b""))
            if read > MAX_BODY:
                refused = True
                if message.get("more_body"):
                    await _drain(receive, read)
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
            await _answer(scope, receive, send)


async def _drain(receive: Receive, read: int) -> None:
    while read <= DRAIN:
        message = await receive()
        read += len(message.get("body", b""))
        if message["type"] != "http.request" or not message.get("more_body"):
            return


async def _answer(scope: Scope, receive: Receive, send: Send) -> None:
    text = "A request may have 256 KB. Make it shorter, then send it again."
    answer = JSONResponse({"error": text, "code": "BODY_TOO_LARGE"}, 413, headers={"Connection": "close"})
    await answer(scope, receive, send)
