"""What a scan reads through the databases: every row of every table, and the opened rows of people.

A value that lies across two pages of a database's file is not whole in its raw bytes, and sealed content says nothing
there. So rows are read as well: all of them as they are stored, and those of the people in question with what is
sealed in them opened.
"""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any

from sqlalchemy import Column, Connection, Engine, LargeBinary, Table, select, tuple_

from core.platform.files.queries import content_place, derived_place
from core.platform.files.sealing import read_sealed
from core.platform.runtime import Runtime
from core.platform.vault import INSTALLATION
from core.privacy.inventory import find_table, owned_by, tables
from core.shared.errors import AppError

PAGE = 1_000
Pieces = Iterator[bytes]
BETWEEN = b"\0\xff\0"
"""Stands between two values, so that they do not read as one."""


def stored_tables(engine: Engine) -> Iterator[tuple[str, Pieces]]:
    """Every table of a database by name, whoever made it, with its content as it is stored."""
    if engine.dialect.name != "sqlite":
        with engine.connect() as connection:
            named = connection.exec_driver_sql(
                "SELECT schemaname, tablename FROM pg_tables "
                "WHERE schemaname NOT IN ('pg_catalog', 'information_schema') ORDER BY 1, 2"
            ).all()
        for schema, name in named:
            yield name, _copied(engine, f'"{schema}"."{name}"')
        return
    with engine.connect() as connection:
        found = connection.exec_driver_sql("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")
        names = [name for (name,) in found]
    for name in names:
        yield name, _selected(engine, name)


def _copied(engine: Engine, name: str) -> Pieces:
    with engine.connect() as connection:
        cursor: Any = connection.connection.cursor()
        with cursor.copy(f"COPY {name} TO STDOUT (FORMAT binary)") as copy:
            for block in copy:
                yield bytes(block)


def _selected(engine: Engine, name: str) -> Pieces:
    """A page of rows a transaction: a long one would hold the write-ahead log back."""
    last = -(2**63)
    while True:
        with engine.connect() as connection:
            page = f'SELECT rowid, * FROM "{name}" WHERE rowid > ? ORDER BY rowid LIMIT {PAGE}'  # noqa: S608 - a table's name
            rows = connection.exec_driver_sql(page, (last,)).all()
        for row in rows:
            yield BETWEEN.join(_bytes_of(value) for value in row[1:] if value is not None) + BETWEEN
        if len(rows) < PAGE:
            return
        last = rows[-1][0]


def opened_rows(runtime: Runtime, account_ids: Sequence[str]) -> Iterator[tuple[str, Pieces]]:
    """The rows of people by `table.column`, with what is sealed in them opened; and the contents of their files.

    With them what the installation sealed for people without an account: mails that wait.
    """
    for account_id in account_ids:
        for entry in tables():
            if entry.owner is not None:
                table = find_table(entry.name)
                for column in table.columns:
                    yield f"{entry.name}.{column.name}", _opened(runtime, table, column, account_id)
        yield "files", _contents(runtime, account_id)
    mails = find_table("mail_outbox")
    yield "mail_outbox.content", _opened(runtime, mails, mails.c.content, None)


def _opened(runtime: Runtime, table: Table, column: Column[Any], account_id: str | None) -> Pieces:
    """Values of one column, opened where they are sealed."""
    entry = next(each for each in tables() if each.name == table.name)
    mine = table.c.account_id.is_(None) if account_id is None else owned_by(entry, account_id)
    keys = list(table.primary_key.columns)
    sealed = isinstance(column.type, LargeBinary)
    for row in _rows(runtime, select(*keys, column).where(mine, column.is_not(None)), keys):
        value = row[-1]
        if sealed:
            where = "/".join(part.hex() if isinstance(part, bytes) else str(part) for part in row[:-1])
            # An erasure under way keeps its subject under a key of the request's own, which is its row's id.
            for owner in (account_id or INSTALLATION, str(row[0])):
                with suppress(AppError):
                    value = runtime.vault.open(owner, f"{table.name}.{column.name}:{where}", row[-1])
                    break
        yield _bytes_of(value) + BETWEEN


def _rows(runtime: Runtime, wanted: Any, keys: list[Column[Any]]) -> Iterator[Any]:
    after: tuple[Any, ...] | None = None
    while True:
        page = wanted.order_by(*keys).limit(PAGE)
        if after is not None:
            page = page.where(tuple_(*keys) > tuple_(*after) if len(keys) > 1 else keys[0] > after[0])
        with runtime.database.connect() as connection:
            rows = connection.execute(page).all()
        yield from rows
        if len(rows) < PAGE:
            return
        after = tuple(rows[-1][: len(keys)])


def _contents(runtime: Runtime, account_id: str) -> Pieces:
    files = find_table("files")
    for row in _rows(runtime, select(files.c.id).where(files.c.owner_id == account_id), [files.c.id]):
        for key, where in ((row.id, content_place(row.id)), (f"{row.id}.derived", derived_place(row.id))):
            with suppress(FileNotFoundError, AppError):
                yield from read_sealed(runtime.vault, account_id, where, runtime.blobs.open(key))
                yield BETWEEN


def server_files(connection: Connection) -> tuple[str, list[str]] | None:
    """Where PostgreSQL keeps this database, and its log: (folder of the data, paths below). None where it does not say.

    Only a superuser, or a member of pg_read_all_settings, is told.
    """
    try:
        with connection.begin_nested():
            folder = str(connection.exec_driver_sql("SHOW data_directory").scalar_one())
            number = connection.exec_driver_sql("SELECT oid FROM pg_database WHERE datname = current_database()")
            return folder, [f"base/{number.scalar_one()}", "pg_wal"]
    except Exception:
        return None


def _bytes_of(value: Any) -> bytes:
    return bytes(value) if isinstance(value, bytes | memoryview | bytearray) else str(value).encode(errors="replace")
