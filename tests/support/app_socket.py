"""The app's websocket without a browser: asks for reruns in Streamlit's own messages and reads what comes back."""

from __future__ import annotations

from collections.abc import Iterable
from types import TracebackType
from typing import Self

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ClientState_pb2 import ClientState
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

SECONDS = 30.0


class AppSocket:
    """An open connection to `/app/_stcore/stream`, as whoever the cookie names."""

    def __init__(self, origin: str, cookie: str, *protocols: str) -> None:
        """`protocols` follow the first one: Streamlit reads a token and an earlier session's id from them."""
        self._socket = connect(
            origin.replace("http", "ws", 1) + "/app/_stcore/stream",
            origin=origin,  # type: ignore[arg-type]
            additional_headers={"Cookie": cookie},
            subprotocols=["streamlit", *protocols],  # type: ignore[list-item]
            proxy=None,
            max_size=None,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._socket.close()

    def rerun(self, state: ClientState | None = None) -> list[ForwardMsg]:
        """Ask for a rerun; every message up to the end of its script."""
        self._socket.send(BackMsg(rerun_script=state or ClientState()).SerializeToString())
        messages: list[ForwardMsg] = []
        while True:
            message = self._next()
            messages.append(message)
            # A script that hands over to another page, or to its own next turn, ends early: the answer goes on.
            ended = message.WhichOneof("type") == "script_finished"
            if ended and message.script_finished != ForwardMsg.FINISHED_EARLY_FOR_RERUN:
                return messages

    def until_closed(self) -> list[ForwardMsg]:
        """Every message that comes unasked until the server closes the connection."""
        messages: list[ForwardMsg] = []
        try:
            while True:
                messages.append(self._next())
        except ConnectionClosed:
            return messages

    def _next(self) -> ForwardMsg:
        received = self._socket.recv(timeout=SECONDS)
        assert isinstance(received, bytes)
        return ForwardMsg.FromString(received)


def elements_of(messages: Iterable[ForwardMsg]) -> set[bytes]:
    """What was drawn: each element, serialised."""
    return {
        message.delta.new_element.SerializeToString(deterministic=True)
        for message in messages
        if message.WhichOneof("type") == "delta" and message.delta.WhichOneof("type") == "new_element"
    }


def pages_of(messages: Iterable[ForwardMsg]) -> dict[str, str]:
    """The pages a navigation lists: URL path by page hash."""
    return {
        page.page_script_hash: page.url_pathname
        for message in messages
        if message.WhichOneof("type") == "navigation"
        for page in message.navigation.app_pages
    }


def text_of(messages: Iterable[ForwardMsg]) -> str:
    """All messages as text, to look for words in."""
    return "\n".join(str(message) for message in messages)


def fragments_of(messages: Iterable[ForwardMsg]) -> set[str]:
    """The ids of the fragments that drew something."""
    return {message.delta.fragment_id for message in messages if message.delta.fragment_id}


def session_of(messages: Iterable[ForwardMsg]) -> str:
    """Streamlit's own id of the connection's session."""
    return next(m.new_session.initialize.session_id for m in messages if m.WhichOneof("type") == "new_session")
