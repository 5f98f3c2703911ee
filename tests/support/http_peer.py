"""A listening socket on loopback that remembers every connection and answers by path.

`/echo` answers with all that it was sent, as it came and in the usual encodings; `/echo/503` with that status,
`/echo.json` as JSON.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import ssl
import threading
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from tests.support.encodings import encodings


@dataclass
class PeerRequest:
    """A request as it arrived."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


Answer = tuple[int, dict[str, str], bytes]


@dataclass
class HttpPeer:
    """`async with HttpPeer() as peer`: connections, requests and closed connections are counted."""

    host: str = "127.0.0.1"
    tls: ssl.SSLContext | None = None
    answers: dict[str, Answer] = field(default_factory=dict)
    connections: int = 0
    requests: list[PeerRequest] = field(default_factory=list)
    closed: asyncio.Event = field(default_factory=asyncio.Event)
    arrived: asyncio.Event = field(default_factory=asyncio.Event)
    sent_bytes: int = 0

    async def __aenter__(self) -> HttpPeer:
        self._server = await asyncio.start_server(self._serve, self.host, 0, ssl=self.tls)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()

    def redirect(self, path: str, to: str, status: int = 302) -> None:
        self.answers[path] = (status, {"Location": to}, b"")

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            method, path, _ = head[0].split(" ", 2)
            headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:] if line)}
            body = await reader.readexactly(int(headers.get("content-length", "0")))
            self.requests.append(PeerRequest(method, path, headers, body))
            self.arrived.set()
            await self._answer(path, reader, writer, _echo(path, headers, body))
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()
            self.closed.set()

    async def _answer(
        self, path: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, echo: Answer | None
    ) -> None:
        if path in self.answers:
            status, headers, body = self.answers[path]
        elif echo is not None:
            status, headers, body = echo
        elif path.partition("?")[0] == "/silent":
            await reader.read()  # until the other side goes away
            return
        elif path == "/drip":
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nfirst")
            await writer.drain()
            await reader.read()
            return
        elif path == "/endless":
            writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
            while True:
                writer.write(b"x" * 65_536)
                await writer.drain()
                self.sent_bytes += 65_536
        elif path == "/gzip":
            status, headers, body = 200, {"Content-Encoding": "gzip"}, gzip.compress(b"squeezed " * 1000)
        elif path == "/two-members":
            status, headers, body = 200, {"Content-Encoding": "gzip"}, gzip.compress(b"one ") + gzip.compress(b"two")
        elif path == "/raw-deflate":
            squeezer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
            body = squeezer.compress(b"squeezed") + squeezer.flush()
            status, headers = 200, {"Content-Encoding": "deflate"}
        elif path == "/cut-gzip":
            status, headers, body = 200, {"Content-Encoding": "gzip"}, gzip.compress(bytes(range(256)) * 40)[:-20]
        elif path == "/short":
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nfirst")
            return
        else:
            status, headers, body = 200, {"X-Path": path}, b"hello"
        lines = [f"HTTP/1.1 {status} Some", f"Content-Length: {len(body)}", *(f"{k}: {v}" for k, v in headers.items())]
        writer.write("\r\n".join([*lines, "", ""]).encode("latin-1") + body)
        await writer.drain()


def _echo(path: str, headers: dict[str, str], body: bytes) -> Answer | None:
    place = path.partition("?")[0]
    if not place.startswith("/echo"):
        return None
    status = int(place.rpartition("/")[2]) if place.count("/") == 2 else 200
    told = [path, *headers.values()]
    forms = [form for text in told for form in encodings(text.encode("latin-1", "replace").decode(errors="replace"))]
    forms += encodings(body.decode(errors="replace"))
    kind = "application/json" if place.endswith(".json") else "text/plain; charset=utf-8"
    answer = json.dumps(forms) if place.endswith(".json") else "\n".join(forms)
    return status, {"Content-Type": kind, "X-Echo": headers.get("authorization", "")}, answer.encode()


@contextmanager
def peer_in_thread() -> Iterator[HttpPeer]:
    """A peer in a loop of its own, for tests that have none."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    peer = HttpPeer()
    asyncio.run_coroutine_threadsafe(peer.__aenter__(), loop).result()
    try:
        yield peer
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(timeout=5)
        loop.close()
