"""One writer of all machines: a row in the database says whose turn it is, and until when.

A process that dies loses its turn when its time is over. One that only froze finds out before it lists anything: each
transaction that does looks, and holds the row, so that whoever took over meanwhile is not undone.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from time import monotonic, sleep
from uuid import uuid4

from sqlalchemy import or_, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from core.analytics.lake import busy
from core.analytics.models import TurnRow
from core.platform.logging import get_logger
from core.platform.repeating import repeating
from core.platform.runtime import Runtime
from core.shared.errors import Conflict

LASTS = timedelta(seconds=60)
"""Renewed three times as often. After a crash nobody writes for so long."""
LOOK_SECONDS = 0.2

log = get_logger("analytics")


class Turn:
    """The right to write to something of one name."""

    def __init__(self, runtime: Runtime, name: str) -> None:
        self._runtime, self._name = runtime, name
        self._token = uuid4().hex

    @contextmanager
    def taken(self, until: float) -> Iterator[None]:
        """Have it for as long as the block takes. Raises Conflict when others have it until a moment (monotonic)."""
        while not self._take():
            if monotonic() > until:
                raise busy()
            sleep(LOOK_SECONDS)
        try:
            with repeating("lake-turn", LASTS / 3, self._renew):
                yield
        finally:
            self._give_up()

    def check(self, session: Session) -> None:
        """See that it is ours until the caller's transaction ends. Raises Conflict."""
        mine = (TurnRow.name == self._name, TurnRow.token == self._token)
        held = update(TurnRow).where(*mine).values(until=self._runtime.clock.now() + LASTS).returning(TurnRow.name)
        if session.scalar(held) is None:
            raise Conflict(
                "LAKE_TAKEN_OVER",
                "Another machine took over writing to the lake. Nothing was lost; the next run goes on.",
            )

    def _take(self) -> bool:
        now = self._runtime.clock.now()
        insert = sqlite.insert if self._runtime.database.is_sqlite else postgresql.insert
        mine = {"token": self._token, "until": now + LASTS}
        free = or_(TurnRow.token.is_(None), TurnRow.until < now)
        row = insert(TurnRow).values(name=self._name, **mine)
        taken = row.on_conflict_do_update(index_elements=["name"], set_=mine, where=free).returning(TurnRow.token)
        with self._runtime.database.write() as session:
            return session.scalar(taken) == self._token

    def _give_up(self) -> None:
        mine = (TurnRow.name == self._name, TurnRow.token == self._token)
        try:
            with self._runtime.database.write() as session:
                session.execute(update(TurnRow).where(*mine).values(token=None, until=None))
        except Exception as error:  # the database is away: the turn is over in a minute by itself
            log.warning("analytics.turn_not_given_up", exc_info=error)

    def _renew(self) -> bool:
        try:
            with self._runtime.database.write() as session:
                self.check(session)
        except Conflict:
            return False  # taken over: what is listed next finds out
        return True


def forget_turns(runtime: Runtime) -> None:
    """Nobody writes: what a backup said of whoever did is over."""
    with runtime.database.write() as session:
        session.execute(update(TurnRow).values(token=None, until=None))
