"""What a newcomer's machine pays: a fresh install, the first start, and the memory of an idle server."""

import os
import subprocess
import tempfile
import time
from pathlib import Path

from benchmarks.memory import resident_mb
from benchmarks.table import Row
from tests.support.app_socket import AppSocket
from tests.support.server import ROOT, ServerProcess

EMAIL, PASSWORD = "bench@example.org", "a long benchmark password"
IDLE_SECONDS = 10.0
GIGABYTE = 1e9


def rows() -> list[Row]:
    """Install into a clone of this project, start it there with no data, visit it once, and let it rest."""
    with tempfile.TemporaryDirectory() as folder:
        clone = Path(folder) / "stepiq"
        subprocess.run(["git", "clone", "-q", "--no-hardlinks", str(ROOT), str(clone)], check=True)
        found = [*_install(clone)]
        server = ServerProcess(Path(folder) / "data", root=clone, python=clone / ".venv" / "bin" / "python")
        before = time.perf_counter()
        server.start()
        found.append(Row("cold start to healthy", time.perf_counter() - before, "s", "limit", 6, 1))
        try:
            found.append(Row("idle memory, after a visit", _rest(server), "MB", "limit", 350, 1))
        finally:
            server.stop()
    return found


def _install(clone: Path) -> list[Row]:
    # What `make run` needs, and no more. Without pip's cache: a fresh machine has none.
    environment = {**os.environ, "PIP_NO_CACHE_DIR": "1"}
    before = time.perf_counter()
    subprocess.run(["make", "-s", "-C", str(clone), ".venv/installed"], env=environment, check=True)
    seconds = time.perf_counter() - before
    size = sum(path.lstat().st_size for path in (clone / ".venv").rglob("*") if not path.is_dir())
    return [
        Row("fresh install, time", seconds, "s", "limit", 60, 1),
        Row("fresh install, size", size / GIGABYTE, "GB", "limit", 0.9, 1),
    ]


def _rest(server: ServerProcess) -> float:
    """Resident memory in MB, some time after somebody opened the notebook and left."""
    made = server.command("user", "create", EMAIL, "--password-stdin", stdin=PASSWORD + "\n")
    assert made.returncode == 0, made.stderr
    with AppSocket(server.url, server.sign_in(EMAIL, PASSWORD)) as visit:
        visit.rerun()
    time.sleep(IDLE_SECONDS)
    return resident_mb(server.pid)
