"""Compiled statements, kept for the whole test process.

SQLAlchemy keeps them with the engine, which a process of ours has one of for its life. Tests make one for each Runtime,
and would compile the same statements thousands of times over. Engines of one kind of database compile alike, so here
they share what was compiled; the text of a statement and what it is run on stay as they were.
"""

from typing import Any

from sqlalchemy import Engine
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite
from sqlalchemy.util import LRUCache

KEPT = 20_000
_compiled: LRUCache[Any, Any] = LRUCache(KEPT)


def share_compiled_statements() -> None:
    """Let all engines share them. The dialect is part of a statement's key: alike is equal."""
    for dialect in (PGDialect_psycopg, SQLiteDialect_pysqlite):
        dialect.__eq__ = lambda self, other: type(self) is type(other)  # type: ignore[method-assign, assignment]
        dialect.__hash__ = lambda self: hash(type(self))  # type: ignore[method-assign, assignment]
    # A property, as what an engine is made with is read off its constructor's signature.
    Engine._compiled_cache = property(lambda self: _compiled, lambda self, own: None)  # type: ignore[assignment]
