"""Counts every request by its route and the class of its answer, where somebody reads that."""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING

from starlette.types import ASGIApp, Message, Receive, Scope, Send

if TYPE_CHECKING:
    from core.analytics.meters import Meters

FACES = {"app": "/app", "api": "/api", "v1": "/api", "auth": "/auth"}


class Metered:
    """Outside of everything, so that what is refused before a route is found counts as well."""

    def __init__(self, app: ASGIApp, meters: Meters) -> None:
        self._app, self._meters = app, meters

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        path, began, noted = str(scope["path"]), perf_counter(), False

        async def count(message: Message) -> None:
            nonlocal noted
            if message["type"] == "http.response.start" and not noted:
                noted = True
                answer = f"{message['status'] // 100}xx"
                self._meters.answered(scope["method"], _route(scope, path), answer, perf_counter() - began)
            await send(message)

        await self._app(scope, receive, count)


def _route(scope: Scope, path: str) -> str:
    """The route as it is declared, or only the face: an address that somebody made up is no label."""
    face = FACES.get(path.strip("/").partition("/")[0], "site")
    declared = getattr(scope.get("route"), "path", None)
    if not isinstance(declared, str) or not declared:
        return face
    return f"/api{declared}" if face == "/api" and not declared.startswith("/api") else declared
