"""The handle on the fork server: started with the first call, and again should it ever end."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import threading
from pathlib import Path

from core.execution.sandbox.wire import LANGUAGES, Language

ROOT = Path(__file__).resolve().parents[3]
START = (
    "import sys; sys.path.insert(0, sys.argv[1]); "
    "from core.execution.sandbox.worker.fork_server import main; main(int(sys.argv[2]))"
)
STOP_SECONDS = 5.0


class WorkerServer:
    """One fork server of this process. Safe from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None
        self._owner = 0

    @property
    def is_running(self) -> bool:
        """Whether a call can be opened without starting a process first."""
        return self._process is not None and self._process.poll() is None and self._owner == os.getpid()

    @property
    def pid(self) -> int | None:
        """The process id of the fork server; None while there is none."""
        return self._process.pid if self._process is not None and self.is_running else None

    def open_call(self, language: Language) -> tuple[socket.socket, socket.socket]:
        """The line to a worker of this call's own, and its leash: the worker lives no longer than that is held.

        May take a tenth of a second when `is_running` is false. Raises OSError.
        """
        line, its_line = socket.socketpair()
        leash, its_leash = socket.socketpair()
        with its_line, its_leash, self._lock:
            try:
                for last_try in (False, True):
                    if not self.is_running:
                        self._start()
                    assert self._control is not None
                    try:
                        number = bytes([LANGUAGES.index(language)])
                        socket.send_fds(self._control, [number], [its_line.fileno(), its_leash.fileno()])
                        break
                    except OSError:
                        self._discard()
                        if last_try:
                            raise
            except BaseException:
                line.close()
                leash.close()
                raise
        line.setblocking(False)
        leash.setblocking(False)
        return line, leash

    def stop(self) -> None:
        """End the fork server and all its workers. The next call starts another."""
        with self._lock:
            self._discard()

    def _start(self) -> None:
        self._discard()
        self._control, theirs = socket.socketpair()
        with theirs:
            command = [sys.executable, "-I", "-X", "utf8", "-c", START, str(ROOT), str(theirs.fileno())]
            # No environment but one that keeps each thread from reserving memory of its own.
            self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
                command,
                env={"MALLOC_ARENA_MAX": "1"},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )
        self._owner = os.getpid()

    def _discard(self) -> None:
        control, process, owned = self._control, self._process, self._owner == os.getpid()
        self._control = self._process = None
        if control is not None:
            control.close()
        if process is not None and owned:
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
                process.wait()


SERVER = WorkerServer()
