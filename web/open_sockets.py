"""Websockets end with the session they were opened with.

A websocket outlives its handshake by hours. Every rerun looks the session up, so a socket without one gets nothing
new; but what was drawn stays on the screen. So all open sockets of the process are looked up together once a second,
whatever they send. One whose session has ended gets a last rerun: it draws the signed-out page over what was there,
and that page leads the browser to the sign-in form. What is still open a moment later is closed.
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING

from anyio import to_thread
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ClientState_pb2 import ClientState

from core.accounts.queries import live_sessions
from core.platform.logging import get_logger

if TYPE_CHECKING:
    from core.platform.runtime import Runtime

log = get_logger("web.sockets")

POLICY_VIOLATION = 1008  # RFC 6455, section 7.4.1
LOOK_SECONDS = 1.0
FAREWELL_SECONDS = 1.5
RERUN = BackMsg(rerun_script=ClientState()).SerializeToString()


class OpenSockets:
    """The open websockets of this process, by session."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._open: dict[_Socket, str] = {}
        self._watcher: asyncio.Task[None] | None = None

    async def serve(self, session_id: str, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a websocket until it ends, or its session does."""
        socket = _Socket(receive, send)
        self._open[socket] = session_id
        if self._watcher is None:
            self._watcher = asyncio.create_task(self._watch())
        try:
            await app(scope, socket.receive, socket.send)
        finally:
            del self._open[socket]

    async def _watch(self) -> None:
        try:
            while self._open:
                await asyncio.sleep(LOOK_SECONDS)
                await self._look()
        finally:
            self._watcher = None

    async def _look(self) -> None:
        asked = frozenset(self._open.values())
        if not asked:
            return
        try:
            live = await to_thread.run_sync(partial(live_sessions, self._runtime, asked))
        except Exception as error:  # a database that does not answer now ends nobody's session
            log.warning("sockets.look_failed", exc_info=error)
            return
        for socket, session_id in self._open.items():
            if session_id in asked - live:
                socket.end()


class _Socket:
    """A websocket's two ends, with a way to end it from outside."""

    def __init__(self, receive: Receive, send: Send) -> None:
        self._receive, self._send = receive, send
        self._ended = asyncio.Event()
        self._farewell = False
        self._closed = False

    def end(self) -> None:
        self._ended.set()

    async def receive(self) -> Message:
        if not self._farewell:
            message = await self._receive_unless_ended()
            if message is not None:
                return message
            self._farewell = True
            return {"type": "websocket.receive", "bytes": RERUN}
        await asyncio.sleep(FAREWELL_SECONDS)
        self._closed = True
        await self._send({"type": "websocket.close", "code": POLICY_VIOLATION, "reason": ""})
        return {"type": "websocket.disconnect", "code": POLICY_VIOLATION}

    async def _receive_unless_ended(self) -> Message | None:
        arriving, ending = asyncio.ensure_future(self._receive()), asyncio.ensure_future(self._ended.wait())
        try:
            await asyncio.wait((arriving, ending), return_when=asyncio.FIRST_COMPLETED)
            return None if ending.done() else arriving.result()
        finally:
            arriving.cancel()
            ending.cancel()

    async def send(self, message: Message) -> None:
        if not self._closed:
            await self._send(message)
