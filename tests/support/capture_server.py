"""A stand-in for PostHog on loopback: keeps every request as it came, and answers as it is told to."""

import gzip
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class CaptureServer:
    """`requests`: method, path, headers and body of each. `silent`: take the request, and say nothing until the end."""

    status: int = 200
    location: str = ""
    silent: bool = False
    requests: list[tuple[str, str, dict[str, str], bytes]] = field(default_factory=list)
    released: threading.Event = field(default_factory=threading.Event)
    port: int = 0

    @property
    def host(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def bodies(self) -> list[dict[str, Any]]:
        return [json.loads(body) for *_, body in self.requests]

    @property
    def events(self) -> list[dict[str, Any]]:
        return [event for body in self.bodies for event in body["batch"]]


@contextmanager
def capture_server(**how: Any) -> Iterator[CaptureServer]:
    """The server in threads of its own."""
    server = CaptureServer(**how)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            server.requests.append((self.command, self.path, dict(self.headers), body))
            if server.silent:
                server.released.wait(30)
            self.send_response(server.status)
            if server.location:
                self.send_header("Location", server.location)
            said = b'{"status": "Ok"}'
            self.send_header("Content-Length", str(len(said)))
            self.end_headers()
            self.wfile.write(said)

        do_GET = do_POST = do_PUT = answer  # the names that the server looks for

        def log_message(self, *_: object) -> None:
            pass

    class Quiet(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: object) -> None:  # a client that went away
            pass

    listening = Quiet(("127.0.0.1", 0), Handler)
    server.port = listening.server_port
    thread = threading.Thread(target=listening.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.released.set()
        listening.shutdown()
        listening.server_close()
