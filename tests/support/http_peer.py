"""A listening socket on loopback that remembers every connection and answers by path."""

from __future__ import annotations

import asyncio
import gzip
import ssl
import zlib
from dataclasses import dataclass, field


@dataclass
class PeerRequest:
    """A request as it arrived."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class HttpPeer:
    """`async with HttpPeer() as peer`: connections, requests and closed connections are counted."""

    host: str = "127.0.0.1"
    tls: ssl.SSLContext | None = None
    answers: dict[str, tuple[int, dict[str, str], bytes]] = field(default_factory=dict)
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
            await self._answer(path, reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()
            self.closed.set()

    async def _answer(self, path: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if path in self.answers:
            status, headers, body = self.answers[path]
        elif path == "/silent":
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
        writer.write("\r\n".join([*lines, "", ""]).encode() + body)
        await writer.drain()
