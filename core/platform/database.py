"""The database: one engine, one declarative base, two kinds of transaction.

SQLite is opened in WAL mode. A write transaction begins IMMEDIATE: two writers queue at the start
instead of failing half-way, which a deferred transaction that upgrades would (SQLite, "Isolation").
`secure_delete` overwrites deleted content in the file.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from threading import Lock
from typing import Any

from psycopg import DataError
from sqlalchemy import (
    Connection,
    DateTime,
    Dialect,
    Engine,
    ExceptionContext,
    MetaData,
    Row,
    create_engine,
    event,
)
from sqlalchemy.orm import DeclarativeBase, Session
from sqlalchemy.types import TypeDecorator

from core.platform.annotations import NotPersonal, Personal
from core.shared.errors import InvalidInput

AnyRow = Row[*tuple[Any, ...]]
"""A row of a statement on the tables themselves, with its columns as attributes."""

BUSY_SECONDS = 10.0
"""How long a writer waits for another on SQLite."""

IDLE_SECONDS = 10
"""How long a transaction may do nothing on PostgreSQL before its locks are given up."""

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s",
    "pk": "pk_%(table_name)s",
}


class Base(DeclarativeBase):
    """The base of every table."""

    metadata = MetaData(naming_convention=NAMING)


class UtcDateTime(TypeDecorator[datetime]):
    """Aware datetimes in UTC; a naive one is a programming error and is refused."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("naive datetime: use the runtime's clock")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def undeclared_columns(metadata: MetaData) -> list[str]:
    """`table.column` of every column without a privacy annotation."""
    return [
        f"{table.name}.{column.name}"
        for table in metadata.sorted_tables
        for column in table.columns
        if not isinstance(column.info.get("privacy"), Personal | NotPersonal)
    ]


class Database:
    """The engine with the two kinds of transaction that exist: read and write."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.is_sqlite = url.startswith("sqlite")
        self.engine = open_engine(url)
        self._turn = Lock()
        self.waits = 0
        """How often somebody of this process had to wait for the one writer of SQLite."""
        self.writes = 0
        """How many write transactions of this process were begun, or waited for: who works much sees that others do."""

    @contextmanager
    def read(self) -> Iterator[Session]:
        """A short read transaction. Nothing written here is kept; rows stay readable after it."""
        with Session(self.engine, expire_on_commit=False) as session:
            yield session

    @contextmanager
    def connect(self) -> Iterator[Connection]:
        """A short read transaction on the tables themselves: what every request asks costs half of a Session here."""
        with self.engine.connect() as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[Session]:
        """A write transaction: committed when the block ends, rolled back when it raises."""
        self.writes += 1
        with self._one_at_a_time(), Session(self.engine, expire_on_commit=False) as session:
            session.connection(execution_options={"stepiq_write": True})
            try:
                yield session
                session.commit()
            except BaseException:
                session.rollback()
                raise

    @contextmanager
    def _one_at_a_time(self) -> Iterator[None]:
        """SQLite has one writer. Who waits for it in SQLite sleeps, longer each time; who waits here is woken at once.

        After the time that SQLite itself would wait, it is asked all the same, and says what is the matter.
        """
        mine = self.is_sqlite and self._turn.acquire(blocking=False)
        if self.is_sqlite and not mine:
            self.waits += 1
            mine = self._turn.acquire(timeout=BUSY_SECONDS)
        try:
            yield
        finally:
            if mine:
                self._turn.release()

    def fold_log(self) -> None:
        """Fold SQLite's write-ahead log back into its file as far as nobody reads it; nothing on PostgreSQL.

        SQLite does so by itself at the end of whichever transaction makes the log long, while others wait for it.
        """
        if self.is_sqlite:
            raw = self.engine.raw_connection()
            try:
                raw.cursor().execute("PRAGMA wal_checkpoint(PASSIVE)").close()
            finally:
                raw.close()

    def dispose(self) -> None:
        """Close every pooled connection."""
        self.engine.dispose()


def _limit_idle(connection: Any, _record: Any) -> None:
    # A process that froze between two statements would keep its locks for ever, and everybody else waiting.
    connection.execute(f"SET idle_in_transaction_session_timeout = '{IDLE_SECONDS}s'")
    connection.commit()


def open_engine(url: str) -> Engine:
    if not url.startswith("sqlite"):
        engine = create_engine(url, hide_parameters=True, pool_size=10, max_overflow=20, pool_pre_ping=True)
        event.listen(engine, "connect", _limit_idle)
        return _refuse_nul(engine)
    engine = create_engine(
        url, hide_parameters=True, pool_size=20, max_overflow=40, connect_args={"check_same_thread": False}
    )

    @event.listens_for(engine, "connect")
    def _configure(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # the driver must not begin transactions of its own
        for pragma in (
            f"busy_timeout={round(BUSY_SECONDS * 1000)}",
            "journal_mode=WAL",
            "synchronous=NORMAL",
            "foreign_keys=ON",
            "secure_delete=ON",
            "temp_store=MEMORY",
        ):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def _begin(connection: Any) -> None:
        write = connection.get_execution_options().get("stepiq_write")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")

    return engine


def _refuse_nul(engine: Engine) -> Engine:
    """PostgreSQL's text holds no NUL character: an id or a name with one is what was sent, no failure of ours."""

    @event.listens_for(engine, "handle_error")
    def _translate(context: ExceptionContext) -> None:
        if isinstance(context.original_exception, DataError) and "NUL" in str(context.original_exception):
            raise InvalidInput(
                "NUL_CHARACTER", "A text sent here holds a NUL character (U+0000): take it out."
            ) from None

    return engine
