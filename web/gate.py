"""The gate in front of the app: nobody gets a Streamlit session, or a file of it, without one of ours."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import quote

from anyio import to_thread
from starlette.datastructures import Headers
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from core.accounts.domain import SessionView
from core.accounts.queries import find_session
from web.choices import note_signal_of, sends_signal
from web.open_sockets import POLICY_VIOLATION, OpenSockets
from web.origins import is_own_origin, safe_next, segments_of
from web.sessions import cookie_token

if TYPE_CHECKING:
    from core.platform.runtime import Runtime

STREAM = "/app/_stcore/stream"
CLOSED = (["_stcore", "agent"], ["_stcore", "metrics"])


class Gate:
    """Refuses everything under `/app`, and every websocket, that brings no live session.

    A navigation is led to the sign-in page, anything else gets 401. Streamlit's agent and metrics routes
    do not exist for anybody. A websocket must also come from a page of ours (Streamlit itself accepts one
    without `Origin`), and ends with its session.
    """

    def __init__(self, app: ASGIApp, runtime: Runtime) -> None:
        self._app, self._runtime = app, runtime
        self._sockets = OpenSockets(runtime)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            session = await self._session_of_socket(scope)
            if session is not None:
                await self._sockets.serve(session.id, self._app, scope, receive, send)
            else:
                await receive()
                await send({"type": "websocket.close", "code": POLICY_VIOLATION, "reason": ""})
            return
        refusal = await self._refusal(scope) if scope["type"] == "http" else None
        await (refusal or self._app)(scope, receive, send)

    async def _refusal(self, scope: Scope) -> Response | None:
        segments = segments_of(scope["path"])
        if any(segments[at : at + 2] in CLOSED for at in range(len(segments))):
            return PlainTextResponse("Not Found", 404)
        if segments[:1] != ["app"] and "_stcore" not in segments:
            return None
        headers = Headers(scope=scope)
        session = await self._session(headers)
        if session is not None:
            if sends_signal(headers) and _is_navigation(scope["method"], headers):
                await to_thread.run_sync(partial(note_signal_of, self._runtime, session.account.id))
            return None
        if _is_navigation(scope["method"], headers):
            return RedirectResponse(_login_address(scope), 303)
        return JSONResponse({"error": "Sign in first.", "code": "UNAUTHENTICATED"}, 401)

    async def _session_of_socket(self, scope: Scope) -> SessionView | None:
        headers = Headers(scope=scope)
        if scope["path"] != STREAM or not is_own_origin(headers, self._runtime.settings.public_url):
            return None
        return await self._session(headers)

    async def _session(self, headers: Headers) -> SessionView | None:
        token = cookie_token(self._runtime, headers)
        if token is None:
            return None
        return await to_thread.run_sync(partial(find_session, self._runtime, token))


def _is_navigation(method: str, headers: Headers) -> bool:
    if method not in ("GET", "HEAD"):
        return False
    return headers.get("sec-fetch-mode") == "navigate" or "text/html" in headers.get("accept", "").lower()


def _login_address(scope: Scope) -> str:
    query = scope.get("query_string", b"").decode("latin-1")
    wanted = quote(scope["path"], safe="/~!$&'()*+,=:@") + (f"?{query}" if query else "")
    return "/auth/login?next=" + quote(safe_next(wanted), safe="/")
