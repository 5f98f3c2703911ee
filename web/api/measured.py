"""Counts what the API answers: the route as it is declared, the class of the answer, how long until it began.

A stream that goes on for minutes was answered when it began.
"""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING

from starlette.types import ASGIApp, Message, Receive, Scope, Send

if TYPE_CHECKING:
    from core.platform.runtime import Runtime

METHODS = frozenset(("GET", "POST", "PUT", "PATCH", "DELETE"))
ACCOUNT = "account_id"
ERROR = "error_code"
UNCOUNTED = ("/health", "/ready", "/metrics")


class Measured:
    """Only requests of people who are known are counted: of others nothing is known that would say they are several."""

    def __init__(self, app: ASGIApp, runtime: Runtime) -> None:
        self._app, self._runtime = app, runtime

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] not in METHODS:
            await self._app(scope, receive, send)
            return
        began, status, took = perf_counter(), 500, 0.0
        state = scope.setdefault("state", {})

        async def noted(message: Message) -> None:
            nonlocal status, took
            if message["type"] == "http.response.start":
                status, took = message["status"], perf_counter() - began
            await send(message)

        try:
            await self._app(scope, receive, noted)
        finally:
            self._count(scope, state, status, (took or perf_counter() - began) * 1000)

    def _count(self, scope: Scope, state: dict[str, str], status: int, took_ms: float) -> None:
        account_id = state.get(ACCOUNT)
        route = getattr(scope.get("route"), "path", None)
        if account_id is None or route is None or route in UNCOUNTED:
            return
        emit = self._runtime.events.emit
        answer = f"{status // 100}xx"
        emit("api.answered", account_id, method=scope["method"], route=route, answer=answer, duration_ms=took_ms)
        if ERROR in state:
            emit("error.met", account_id, error=state[ERROR], surface="api")
