"""What was slow: statements of the database and pages, without a value of anybody's.

A statement is told by its shape, with every value taken out, by the tables it names and by a digest of that shape.
The last ones are in memory, for admins; each is in the log as well. What is quick costs two looks at the clock.
Statements of the hot path (`hot`) go round SQLAlchemy's events and are not looked at: each is one row by its key.
"""

import hashlib
import re
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from threading import Lock
from time import perf_counter
from typing import Any, Literal

from sqlalchemy import Engine, event

from core.platform.logging import get_logger
from core.shared.clock import Clock
from core.shared.thread_times import ThreadTimes

REMEMBERED = 200
SHAPE_LENGTH = 500
_TEXT = re.compile(r"'(?:[^']|'')*'")
_PLACE = re.compile(r"%\(\w+\)s(?:::[A-Z]+(?:\([\d, ]+\))?)?|%s|:\w+|\$\d+|\?|(?<![\w.\"])\d+(?:\.\d+)?\b")
_LIST = re.compile(r"\(\?(?:, \?)+\)")
_TABLES = re.compile(r"\b(?:FROM|JOIN|INTO|UPDATE)\s+\"?([a-z_][a-z0-9_]*)", re.IGNORECASE)

log = get_logger("slow")

Kind = Literal["statement", "page"]


@dataclass(frozen=True, slots=True)
class Slow:
    """A statement or a page that was slow. `rows`: as its driver counts them, -1 where it does not."""

    kind: Kind
    name: str
    """`SELECT runs, step_runs`, or the page."""
    digest: str
    shape: str
    times: int
    worst_ms: int
    last_ms: int
    last_at: datetime
    rows: int = -1


def shape_of(statement: str) -> str:
    """A statement without values: texts, numbers and parameters are each `?`, lists of them one."""
    found = _PLACE.sub("?", _TEXT.sub("?", " ".join(statement.split())))
    return _LIST.sub("(?)", found)


def name_of(shape: str) -> str:
    """The kind of a statement and the tables it names."""
    tables = list(dict.fromkeys(name.lower() for name in _TABLES.findall(shape)))
    return " ".join((shape.partition(" ")[0].upper()[:10], ", ".join(tables[:6]))).strip()


class SlowLog:
    """Notes what takes longer than it should. 0 switches a kind off."""

    def __init__(self, clock: Clock, *, query_ms: int, page_ms: int, tick: Callable[[], float] = perf_counter) -> None:
        self._clock, self._query_ms, self._page_ms, self._tick = clock, query_ms, page_ms, tick
        self._known: OrderedDict[tuple[Kind, str], Slow] = OrderedDict()
        self._lock = Lock()

    def watch(self, engine: Engine) -> None:
        """Look at every statement of an engine."""
        if not self._query_ms:
            return
        tick, limit = self._tick, self._query_ms / 1000

        @event.listens_for(engine, "before_cursor_execute")
        def _begin(_connection: Any, _cursor: Any, _statement: str, _values: Any, context: Any, _many: bool) -> None:
            if context is not None:
                context.stepiq_began = tick()

        @event.listens_for(engine, "after_cursor_execute")
        def _end(_connection: Any, cursor: Any, statement: str, _values: Any, context: Any, _many: bool) -> None:
            if context is not None and (took := tick() - context.stepiq_began) >= limit:
                self._statement(statement, took * 1000, cursor.rowcount)

    def page(self, page: str, took: ThreadTimes) -> None:
        """Note a page that was drawn, if it was slow. The log says how much of it was work, and how much a queue."""
        if self._page_ms and took.clock >= self._page_ms:
            self._note("page", page, page, page, took.clock, -1)
            shares = {"processor_ms": round(took.processor), "queued_ms": round(took.queued)}
            log.warning("page.slow", page=page, duration_ms=round(took.clock), **shares)

    def slowest(self, kind: Kind | None = None, limit: int = 50) -> tuple[Slow, ...]:
        """What was slow in this process since it began, the worst first."""
        with self._lock:
            known = [each for each in self._known.values() if kind in (None, each.kind)]
        return tuple(sorted(known, key=lambda each: each.worst_ms, reverse=True)[:limit])

    def _statement(self, statement: str, took_ms: float, rows: int) -> None:
        shape = shape_of(statement)
        digest, name = hashlib.sha256(shape.encode()).hexdigest()[:12], name_of(shape)
        self._note("statement", name, digest, shape[:SHAPE_LENGTH], took_ms, rows)
        log.warning("query.slow", statement=name, digest=digest, duration_ms=round(took_ms), rows=rows)

    def _note(self, kind: Kind, name: str, digest: str, shape: str, took_ms: float, rows: int) -> None:
        took, now = round(took_ms), self._clock.now()
        with self._lock:
            known = self._known.pop((kind, digest), None) or Slow(kind, name, digest, shape, 0, 0, 0, now)
            self._known[kind, digest] = replace(
                known, times=known.times + 1, worst_ms=max(known.worst_ms, took), last_ms=took, last_at=now, rows=rows
            )
            if len(self._known) > REMEMBERED:
                self._known.popitem(last=False)
