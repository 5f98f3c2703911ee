"""The real application in its own process: raw handshakes, and what its log keeps."""

import base64
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from tests.conftest import PASSWORD
from tests.integration.web.conftest import csrf_of

ROOT = Path(__file__).parents[3]
STREAM = "/app/_stcore/stream"


@dataclass
class Served:
    """A server, its address, and the one-time token it was given."""

    process: subprocess.Popen[str]
    port: int
    log: list[str]

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    settings = {"STEPIQ_DATA_DIR": str(tmp_path_factory.mktemp("served")), "STEPIQ_BCRYPT_COST": "4"}
    env = {**os.environ, **settings, "PORT": str(port), "HOST": "127.0.0.1"}
    command = [sys.executable, "-m", "uvicorn", "app:app", "--port", str(port)]
    process = subprocess.Popen(command, cwd=ROOT, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert process.stdout is not None
    log: list[str] = []
    for line in process.stdout:
        log.append(line)
        if "Uvicorn running on" in line:
            break
    assert process.poll() is None, "".join(log)
    yield Served(process, port, log)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=20)


@pytest.fixture(scope="module")
def cookie(served: Served) -> str:
    """The owner's session, made through the forms."""
    made = subprocess.run(
        [
            sys.executable,
            "-c",
            "from core.cli import main; main()",
            "user",
            "create",
            "ada@example.org",
            "--password-stdin",
        ],
        cwd=ROOT,
        env={**os.environ, "STEPIQ_DATA_DIR": _data_dir(served), "STEPIQ_BCRYPT_COST": "4"},
        input=PASSWORD,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert made.returncode == 0, made.stderr
    with httpx.Client(base_url=served.origin) as client:
        fields = {
            "email": "ada@example.org",
            "password": PASSWORD,
            "csrf_token": csrf_of(client.get("/auth/login").text),
        }
        answer = client.post("/auth/login", data=fields)
        assert answer.status_code == 303, answer.text
        return f"stepiq_session={client.cookies['stepiq_session']}"


def _data_dir(served: Served) -> str:
    environ = Path(f"/proc/{served.process.pid}/environ").read_text().split("\0")
    return dict(entry.split("=", 1) for entry in environ if "=" in entry)["STEPIQ_DATA_DIR"]


def _handshake(served: Served, target: str = STREAM, **headers: str) -> int:
    """Send a websocket handshake as raw bytes; the status of the answer."""
    key = base64.b64encode(os.urandom(16)).decode()
    lines = [f"GET {target} HTTP/1.1", f"Host: 127.0.0.1:{served.port}", "Connection: Upgrade", "Upgrade: websocket"]
    lines += [f"Sec-WebSocket-Key: {key}", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Protocol: streamlit"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    with socket.create_connection(("127.0.0.1", served.port), timeout=10) as connection:
        connection.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        return int(connection.recv(200).split(b" ")[1])


def _get(served: Served, target: str, **headers: str) -> int:
    """Send a request whose target nobody tidies; the status of the answer."""
    lines = [f"GET {target} HTTP/1.1", f"Host: 127.0.0.1:{served.port}", "Connection: close"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    with socket.create_connection(("127.0.0.1", served.port), timeout=10) as connection:
        connection.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        return int(connection.recv(200).split(b" ")[1])


def test_raw_websockets_are_refused_without_our_session_and_origin(served: Served, cookie: str) -> None:
    assert _handshake(served, Cookie=cookie, Origin=served.origin) == 101
    refused = (
        {},
        {"Origin": served.origin},
        {"Cookie": cookie},
        {"Cookie": cookie, "Origin": "http://evil.example"},
        {"Cookie": cookie, "Origin": "null"},
        {"Cookie": "stepiq_session=unknown", "Origin": served.origin},
        {"Cookie": cookie[:-3], "Origin": served.origin},
    )
    for headers in refused:
        assert _handshake(served, **headers) == 403, headers
    for target in ("/app//_stcore/stream", "/app/%5fstcore/stream/", "/_stcore/stream", "/app/x/_stcore/stream"):
        assert _handshake(served, target, Cookie=cookie, Origin=served.origin) == 403, target


@pytest.mark.parametrize(
    "target",
    [
        "/app/_stcore/metrics",
        "/app/_stcore/agent/mcp",
        "/app/_stcore/agent/interact",
        "/app/_stcore/agent/openapi.json",
        "/app//_stcore/metrics",
        "//app/_stcore/metrics",
        "/app/../app/_stcore/metrics",
        "/app/%5Fstcore/metrics",
        "/app/_stcore%2fagent%2fmcp",
        "/app/%255fstcore/metrics",
        "/app/_stcore/METRICS",
        "http://127.0.0.1/app/_stcore/metrics",
    ],
)
def test_closed_routes_are_404_on_the_wire(served: Served, cookie: str, target: str) -> None:
    assert _get(served, target) == 404
    assert _get(served, target, Cookie=cookie) == 404


def test_the_app_opens_for_its_owner_only(served: Served, cookie: str) -> None:
    assert _get(served, "/app/", Accept="text/html") == 303
    assert _get(served, "/app/_stcore/health") == 401
    assert _get(served, "/app/", Accept="text/html", Cookie=cookie) == 200
    assert _get(served, "/app/_stcore/health", Cookie=cookie) == 200


def test_the_access_log_keeps_no_query_strings_and_no_addresses(served: Served, cookie: str) -> None:
    assert _get(served, "/setup?token=very-secret-token") == 403
    assert _handshake(served, f"{STREAM}?token=very-secret-token", Cookie=cookie, Origin=served.origin) == 101
    assert _get(served, "/api/health") == 200
    assert served.process.stdout is not None
    seen = []
    for line in served.process.stdout:
        seen.append(line)
        if "/api/health" in line:
            break
    text = "".join(seen)
    assert "GET /setup HTTP" in text and STREAM in text, "the requests were logged"
    assert "very-secret-token" not in text and "token=" not in text
    assert "127.0.0.1" not in text, "a client's address is somebody's"


@pytest.mark.parametrize("declared", [True, False])
@pytest.mark.parametrize("path", ["/api/auth/login", "/api/pipelines/x/run", "/auth/login"])
def test_five_megabytes_are_413_with_words_over_the_wire(served: Served, path: str, declared: bool) -> None:
    """A client that first sends everything and then reads hears the words: no reset comes before them."""
    body = b'{"input_data": {"text": "' + b"word " * 1_000_000 + b'"}}'
    kind = "application/json" if path.startswith("/api") else "application/x-www-form-urlencoded"
    length = f"Content-Length: {len(body)}" if declared else "Transfer-Encoding: chunked"
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{served.port}\r\nContent-Type: {kind}\r\n{length}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", served.port), timeout=20) as connection:
        connection.sendall(head.encode() + (body if declared else b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)))
        answer = b"".join(iter(lambda: connection.recv(65_536), b""))
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"A request may have 256 KB. Make it shorter, then send it again." in answer and b"BODY_TOO_LARGE" in answer
