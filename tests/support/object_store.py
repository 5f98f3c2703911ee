"""An S3-compatible object store of the test's own, over loopback HTTP. It checks signatures, as real ones do.

One server serves every test of a process; each test has a bucket of its own. A server that a test stops is its own.
"""

import atexit
import shutil
import socket
import tempfile
import threading
from functools import cache
from pathlib import Path
from time import monotonic, sleep
from typing import Any
from uuid import uuid4

import uvicorn
from nanio.app import build_app
from nanio.auth.credentials import StaticCredentialResolver
from nanio.config import Settings

from tests.support.memory import memory_folder

KEY, SECRET = "lake-key-of-tests", "lake-secret-of-tests-0123456789"


class ObjectStore:
    """A server with its buckets in a folder."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="stepiq-objects-", dir=memory_folder()))
        self.port = 0
        self.start()
        atexit.register(self.close)

    def start(self) -> None:
        """Answer, on the same port as before."""
        bound = socket.socket()
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(("127.0.0.1", self.port))
        self.port = int(bound.getsockname()[1])
        app = build_app(Settings(data_dir=self.folder, credentials=StaticCredentialResolver({KEY: SECRET})))
        config = uvicorn.Config(app, log_level="critical", access_log=False, lifespan="off", loop="asyncio")
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, kwargs={"sockets": [bound]}, daemon=True)
        self._thread.start()
        end = monotonic() + 20
        while not self._server.started:
            assert monotonic() < end, "the object store did not start"
            sleep(0.005)

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self.port}"

    def new_bucket(self) -> "TestBucket":
        """An empty bucket."""
        bucket = TestBucket(self, f"bucket-{uuid4().hex[:12]}")
        (self.folder / bucket.name).mkdir()
        return bucket

    def stop(self) -> None:
        """Answer nobody any more."""
        self._server.should_exit = True
        self._server.force_exit = True
        self._thread.join(timeout=20)

    def close(self) -> None:
        """Stop, and delete what was kept."""
        atexit.unregister(self.close)
        if self._thread.is_alive():
            self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)


class TestBucket:
    """A bucket as its test sees it: a folder."""

    __test__ = False

    def __init__(self, store: ObjectStore, name: str) -> None:
        self.store, self.name = store, name

    def settings(self, **values: Any) -> dict[str, Any]:
        """The settings of a lake that is in it."""
        return {
            "lake_url": f"s3://{self.name}/some/prefix",
            "lake_s3_endpoint": self.store.url,
            "lake_s3_region": "eu-west-3",
            "lake_s3_access_key_id": KEY,
            "lake_s3_secret_access_key": SECRET,
            **values,
        }

    @property
    def root(self) -> Path:
        """The folder that has what the lake has, below its prefix."""
        return self.store.folder / self.name / "some" / "prefix"

    def objects(self) -> list[str]:
        """Every object of the lake."""
        return sorted(str(path.relative_to(self.root)) for path in self.root.rglob("*") if path.is_file())


@cache
def shared_store() -> ObjectStore:
    """The server of this process."""
    return ObjectStore()
