"""Keeping price books: the one of now, taken when prices are not those of a book that is kept, and the older ones.

Books are only ever added. A run notes the version it began with and is priced by it to its end.
"""

from collections.abc import Collection, Sequence
from threading import Lock
from typing import cast

from sqlalchemy import Table, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection

from core.credits.models import PriceBookRow
from core.credits.prices import PriceBook, content_of, digest_of, read_book, version_of
from core.platform.database import AnyRow
from core.platform.runtime import Runtime
from core.shared.errors import InvariantViolated, NotFound

BOOKS = cast(Table, PriceBookRow.__table__)


class PriceBooks:
    """The books that this process knows: a run that begins asks for the newest, so a look costs no query."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._known: dict[str, PriceBook] = {}
        self._now: tuple[object, PriceBook] | None = None

    def current(self, runtime: Runtime) -> PriceBook:
        """The book of now; written when its prices are new. Not to be called inside a write transaction."""
        edition = runtime.catalogue.edition
        now = self._now
        if now is not None and now[0] == edition:
            return now[1]
        with self._lock:
            content = content_of(runtime.catalogue.prices())
            book = self._keep(runtime, content)
            self._now = edition, book
            return book

    def find(self, runtime: Runtime, version: str) -> PriceBook:
        """The book of a version. Raises NotFound."""
        known = self._known.get(version)
        if known is None:
            with runtime.database.connect() as connection:
                row = connection.execute(select(BOOKS).where(BOOKS.c.version == version)).one_or_none()
            if row is None:
                raise _unknown()
            known = self._read(row)
        return known

    def content(self, runtime: Runtime, version: str) -> str:
        """The canonical text of a book. Raises NotFound."""
        with runtime.database.connect() as connection:
            content = connection.execute(select(BOOKS.c.content).where(BOOKS.c.version == version)).scalar()
        if content is None:
            raise _unknown()
        return str(content)

    def of_run(self, runtime: Runtime, version: str | None) -> PriceBook:
        """The book that a run is pinned to; the one of now for runs that were made before there were books."""
        if version is None:
            return self.current(runtime)
        try:
            return self.find(runtime, version)
        except NotFound:
            raise InvariantViolated("PRICE_BOOK_LOST", "The price book that this run began with is gone.") from None

    def _keep(self, runtime: Runtime, content: str) -> PriceBook:
        same = select(BOOKS).where(BOOKS.c.digest == digest_of(content))
        with runtime.database.connect() as connection:
            row = connection.execute(same).one_or_none()
        if row is None:
            now = runtime.clock.now()
            values = {"version": version_of(content, now), "digest": digest_of(content), "taken_at": now}
            insert = sqlite.insert if runtime.database.is_sqlite else postgresql.insert
            with runtime.database.write() as session:  # another process may have been first: theirs stays
                session.connection().execute(insert(BOOKS).on_conflict_do_nothing(), {**values, "content": content})
                row = session.connection().execute(same).one()
        return self._read(row)

    def _read(self, row: AnyRow) -> PriceBook:
        book = self._known[row.version] = read_book(row.version, row.taken_at, row.content)
        return book


def _unknown() -> NotFound:
    return NotFound("PRICE_BOOK_NOT_FOUND", "There is no price book of this version.")


def all_books(runtime: Runtime) -> dict[str, PriceBook]:
    """Every price book that is kept, by version."""
    with runtime.database.connect() as connection:
        rows = connection.execute(select(BOOKS)).all()
    return {row.version: read_book(row.version, row.taken_at, row.content) for row in rows}


def book_rows(connection: Connection, versions: Collection[str]) -> Sequence[AnyRow]:
    """Some price books as they are stored, for whoever wants to check their names."""
    return connection.execute(select(BOOKS).where(BOOKS.c.version.in_(versions)).order_by(BOOKS.c.version)).all()
