"""The real server as a process of its own, for tests that kill it or drive it from a browser."""

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, sleep

import httpx

from tests.support.warm_cli import run_cli

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 60.0
PATIENCE = 3
"""How many times longer than a quiet machine needs a busy one may take."""


def free_port() -> int:
    """A port of loopback that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class ServerProcess:
    """`stepiq serve` over a data folder; may be killed and started again on the same port."""

    def __init__(
        self, data_dir: Path, *, root: Path = ROOT, python: Path = Path(sys.executable), **environment: str
    ) -> None:
        self._root, self._python = root, str(python)
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.data_dir = data_dir
        inherited = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ}
        self.environment = {
            **inherited,
            "STEPIQ_DATA_DIR": str(data_dir),
            "PORT": str(self.port),
            "STEPIQ_BCRYPT_COST": "4",
            "PYTHONUNBUFFERED": "1",
            **environment,
        }
        self.log = data_dir.parent / "server.log"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start and wait until it is healthy."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [self._python, "-m", "core.cli", "serve"], cwd=self._root, env=self.environment, stdout=log, stderr=log
            )
        poll_until(self._is_healthy, START_SECONDS, "the server did not become healthy:\n" + self._tail())

    @property
    def pid(self) -> int:
        """The server's process id while it runs."""
        assert self._process is not None
        return self._process.pid

    def _is_healthy(self) -> bool:
        assert self._process is not None
        if self._process.poll() is not None:
            raise AssertionError("the server ended:\n" + self._tail())
        try:
            return httpx.get(self.url + "/api/health", timeout=2, trust_env=False).status_code == 200
        except httpx.HTTPError:
            return False

    def _tail(self) -> str:
        return self.log.read_text()[-3000:] if self.log.exists() else ""

    def kill(self) -> None:
        """kill -9."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """Ctrl-C."""
        self._end(signal.SIGINT)

    def _end(self, sign: signal.Signals) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(sign)
            try:
                self._process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
                raise
        self._process = None

    def command(self, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        """Run `stepiq` beside the server."""
        return run_cli(arguments, self.environment, stdin)

    def sign_in(self, email: str, password: str) -> str:
        """Sign in through the form; the session as the text of a Cookie header."""
        with httpx.Client(base_url=self.url, trust_env=False) as client:
            found = re.search(r'name="csrf_token" value="([^"]+)"', client.get("/auth/login").text)
            assert found is not None, "the page has a form with a token"
            form = {"email": email, "password": password, "csrf_token": found[1]}
            answer = client.post("/auth/login", data=form)
            assert answer.status_code == 303, answer.text
            return f"stepiq_session={client.cookies['stepiq_session']}"


def poll_until(condition: object, seconds: float, otherwise: str) -> None:
    """Ask a condition of another process until it holds. Only for what cannot be waited for in this process."""
    assert callable(condition)
    end = monotonic() + PATIENCE * seconds
    while not condition():
        if monotonic() > end:
            raise AssertionError(otherwise)
        sleep(0.02)


@contextmanager
def listening(url: str, command: list[str], **environment: str) -> Iterator[str]:
    """A server as a process of its own, from when its address answers anything; gives the address."""
    own = {**os.environ, **environment}
    process = subprocess.Popen(command, cwd=ROOT, env=own, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def answers() -> bool:
        try:
            httpx.get(url, trust_env=False)
        except httpx.HTTPError:
            return False
        return True

    try:
        poll_until(answers, 30, f"nothing answers at {url}: {' '.join(command)}")
        yield url
    finally:
        process.kill()
        process.wait()


@contextmanager
def vendor_process(delay_ms: int) -> Iterator[str]:
    """The vendor stand-in as a process of its own; gives its address."""
    port = free_port()
    command = [sys.executable, "-m", "tests.support.vendor_stub", "--port", str(port), "--delay-ms", str(delay_ms)]
    with listening(f"http://127.0.0.1:{port}", command) as url:
        yield url
