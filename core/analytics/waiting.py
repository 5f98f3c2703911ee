"""Events that are in the database and not in the lake yet, in batches as they were written."""

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast
from uuid import uuid4

from sqlalchemy import Table, delete, func, insert, select, update
from sqlalchemy.orm import Session

from core.analytics.models import BatchRow
from core.platform.runtime import Runtime

if TYPE_CHECKING:
    import duckdb

_batches = cast(Table, BatchRow.__table__)
_LOOK = 25
_MOST_BATCHES = 2_000
_encode = json.JSONEncoder(separators=(",", ":")).encode


def pack(said: Mapping[str, Any]) -> str:
    """An event, or a part of one, as a batch has it."""
    return _encode(said)


def with_fields(about: str, fields: str) -> str:
    """One event of its two parts: what is about each, and its fields."""
    return about if fields == "{}" else f"{about[:-1]},{fields[1:]}"


def joined(events: Iterable[str]) -> str:
    """A batch of them."""
    return f"[{','.join(events)}]"


def add_batch(session: Session, size: int, packed: str) -> None:
    """In the caller's transaction: so many events wait."""
    session.execute(insert(_batches), [{"name": uuid4().hex, "size": size, "events": packed}])


def waiting_batches(session: Session, most: int) -> dict[str, int]:
    """Batches with their sizes, until they have so many events together."""
    sizes = select(_batches.c.name, _batches.c.size).order_by(_batches.c.name).limit(_LOOK)
    found: dict[str, int] = {}
    while sum(found.values()) < most and len(found) < _MOST_BATCHES:
        rows = session.execute(sizes.where(_batches.c.name > max(found, default=""))).all()
        found |= {row.name: row.size for row in rows}
        if len(rows) < _LOOK:
            break
    return found


def read_batches(session: Session, names: Collection[str]) -> Sequence[str]:
    """These batches, as they were packed."""
    return session.scalars(select(_batches.c.events).where(_batches.c.name.in_(names))).all()


def read_waiting(session: Session) -> Sequence[str]:
    """Every batch that waits, the same way."""
    return session.scalars(select(_batches.c.events)).all()


def load_waiting(connection: "duckdb.DuckDBPyConnection", batches: Sequence[str]) -> None:
    """Make the table `waiting` of them. Not by way of Arrow: its Python side loads pandas for a list of strings."""
    connection.execute("CREATE TEMP TABLE waiting (events VARCHAR)")
    for batch in batches:
        connection.execute("INSERT INTO waiting VALUES (?)", [batch])


def state_of_waiting(session: Session) -> tuple[object, ...]:
    """What changes when other events wait than before: how many there are, and the first and last of the batches."""
    name = _batches.c.name
    return tuple(session.execute(select(func.sum(_batches.c.size), func.min(name), func.max(name))).one())


def count_waiting(runtime: Runtime) -> int:
    """How many events wait."""
    with runtime.database.read() as session:
        return session.scalar(select(func.sum(_batches.c.size))) or 0


def delete_batches(session: Session, names: Collection[str]) -> int:
    """Delete batches, whose events are in the lake from this transaction on; answers how many events those were."""
    gone = delete(_batches).where(_batches.c.name.in_(names)).returning(_batches.c.size)
    return sum(session.scalars(gone).all())


def delete_visitor(session: Session, visitor: str) -> int:
    """Delete the events of the visitor of a day; answers how many."""
    done = 0
    theirs = select(_batches).where(_batches.c.events.contains(visitor, autoescape=True)).with_for_update()
    for row in session.execute(theirs).all():
        events = json.loads(row.events)
        others = [each for each in events if each.get("visitor") != visitor]
        this = _batches.c.name == row.name
        changed = update(_batches).where(this).values(size=len(others), events=joined(map(pack, others)))
        session.execute(changed if others else delete(_batches).where(this))
        done += len(events) - len(others)
    return done
