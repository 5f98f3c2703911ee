"""Events that are in the database and not in the lake yet."""

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, cast

from sqlalchemy import Table, delete, func, select
from sqlalchemy.orm import Session

from core.analytics.models import EventRow
from core.platform.database import AnyRow
from core.platform.runtime import Runtime

if TYPE_CHECKING:
    import pyarrow

_events = cast(Table, EventRow.__table__)
_LOOK = 25
_MOST_BATCHES = 2_000
_READ = (_events.c.event, _events.c.hour, _events.c.visitor, _events.c.plan, _events.c.fields)


def waiting_batches(session: Session, most: int) -> dict[str, int]:
    """Batches with their sizes, until they have so many rows together."""
    counted = select(_events.c.batch, func.count()).group_by(_events.c.batch).order_by(_events.c.batch).limit(_LOOK)
    found: dict[str, int] = {}
    while sum(found.values()) < most and len(found) < _MOST_BATCHES:
        after = max(found, default="")
        rows = session.execute(counted.where(_events.c.batch > after)).all()
        found |= {row[0]: row[1] for row in rows}
        if len(rows) < _LOOK:
            break
    return found


def read_batches(session: Session, batches: Collection[str]) -> "pyarrow.Table":
    """Their rows, as `waiting` is read."""
    return as_arrow(session.execute(select(*_READ).where(_events.c.batch.in_(batches))).all())


def read_waiting(session: Session) -> "pyarrow.Table":
    """Every row that waits."""
    return as_arrow(session.execute(select(*_READ)).all())


def state_of_waiting(session: Session) -> tuple[object, ...]:
    """What changes when other rows wait than before: how many there are, and the first and last of their batches."""
    batch = _events.c.batch
    return tuple(session.execute(select(func.count(), func.min(batch), func.max(batch))).one())


def count_waiting(runtime: Runtime) -> int:
    """How many rows wait."""
    with runtime.database.read() as session:
        return session.scalar(select(func.count()).select_from(_events)) or 0


def delete_batches(session: Session, batches: Collection[str]) -> int:
    """Delete their rows, which are in the lake from this transaction on; answers how many."""
    done = session.execute(delete(_events).where(_events.c.batch.in_(batches)))
    return cast(int, done.rowcount)  # type: ignore[attr-defined]


def delete_visitor(session: Session, day: str, visitor: str) -> int:
    """Delete the events of a visitor of a day; answers how many."""
    mine = (_events.c.visitor == visitor, _events.c.hour.startswith(day))
    return cast(int, session.execute(delete(_events).where(*mine)).rowcount)  # type: ignore[attr-defined]


def as_arrow(rows: Sequence[AnyRow]) -> "pyarrow.Table":
    """Rows of the table of events as DuckDB reads them."""
    import pyarrow

    columns = list(zip(*rows, strict=True)) if rows else [()] * len(_READ)
    text = pyarrow.string()
    return pyarrow.table(
        {column.name: pyarrow.array(values, text) for column, values in zip(_READ, columns, strict=True)}
    )
