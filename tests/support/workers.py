"""Workers as processes of their own on a PostgreSQL, for tests that kill, freeze and stop them."""

import os
import signal
import subprocess
import sys
from pathlib import Path

from tests.support.server import ROOT, poll_until


class WorkerProcess:
    """`stepiq worker` over given settings."""

    def __init__(
        self, data_dir: Path, name: str, concurrency: int = 50, *, port: int | None = None, **environment: str
    ) -> None:
        inherited = {key: os.environ[key] for key in ("PATH", "HOME", "LANG", "TMPDIR") if key in os.environ}
        self.environment = {
            **inherited,
            "STEPIQ_DATA_DIR": str(data_dir),
            "STEPIQ_BCRYPT_COST": "4",
            "PYTHONUNBUFFERED": "1",
            **environment,
        }
        self.concurrency, self.port = concurrency, port
        self.log = data_dir.parent / f"{name}.log"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start, and wait until it takes runs."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "core.cli", "worker", "--concurrency", str(self.concurrency)),
                    *(() if self.port is None else ("--port", str(self.port))),
                ],
                cwd=ROOT, env=self.environment, stdout=log, stderr=log,
            )  # fmt: skip
        process = self._process
        poll_until(lambda: self._takes_runs() or process.poll() is not None, 60, "the worker did not start")
        assert self._takes_runs(), f"the worker ended with {process.returncode}"

    def _takes_runs(self) -> bool:
        return b"takes runs" in self.log.read_bytes()

    @property
    def pid(self) -> int:
        """Its process id."""
        assert self._process is not None
        return self._process.pid

    def send(self, sign: signal.Signals) -> None:
        """Send a signal: SIGSTOP freezes, SIGCONT thaws."""
        os.kill(self.pid, sign)

    def end(self, sign: signal.Signals = signal.SIGKILL) -> None:
        """End it and wait; SIGTERM hands its runs over."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGCONT)
            self._process.send_signal(sign)
            self._process.wait(timeout=30)
