"""A way to a server that breaks: it cuts the first answers that hold a mark, in the middle of what they send."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress


class CuttingProxy:
    """`with CuttingProxy(port, b"/stream", b"id: 3", cuts=2) as proxy: proxy.url`; `requests` are what came.

    An answer to a request with `path` in its first line is cut right after the first piece that holds `mark`.
    """

    def __init__(self, port: int, path: bytes, mark: bytes, *, cuts: int = 1) -> None:
        self._port, self._path, self._mark = port, path, mark
        self.cuts = cuts
        self.requests: list[bytes] = []
        self._listener = socket.create_server(("127.0.0.1", 0))

    @property
    def url(self) -> str:
        """The address that stands for the server's."""
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def __enter__(self) -> CuttingProxy:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *exc: object) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(near,), daemon=True).start()

    def _serve(self, near: socket.socket) -> None:
        with near, socket.create_connection(("127.0.0.1", self._port)) as far, suppress(OSError):
            asked: list[bytes] = []
            answers = threading.Thread(target=self._answer, args=(far, near, asked), daemon=True)
            answers.start()
            while piece := near.recv(65_536):
                self.requests.append(piece)
                asked.append(piece.split(b"\r\n", 1)[0])
                far.sendall(piece)
            far.shutdown(socket.SHUT_WR)
            answers.join(timeout=10)

    def _answer(self, far: socket.socket, near: socket.socket, asked: list[bytes]) -> None:
        with suppress(OSError):
            while piece := far.recv(65_536):
                near.sendall(piece)
                if self.cuts and self._path in asked[-1] and self._mark in piece:
                    self.cuts -= 1
                    break
            near.shutdown(socket.SHUT_RDWR)
            far.shutdown(socket.SHUT_RDWR)
