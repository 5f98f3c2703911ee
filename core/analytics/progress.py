"""How far each person came, from signing up to the tenth run, and in which week they were last counted.

Each step and each week is told once, by an event of its own.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import cast

from sqlalchemy import Table, delete, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from core.analytics.catalogue import STAGES, Value, check_event
from core.analytics.models import ProgressRow
from core.analytics.pending import Pending, in_pieces
from core.analytics.salts import day_of

_progress = cast(Table, ProgressRow.__table__)
RUNS = 10
ENDED, USED = "run.ended", "feature.used"
MADE = "pipeline.created"


@dataclass(frozen=True, slots=True)
class Person:
    """What is asked of a person whose use may be counted."""

    plan: str
    made_at: datetime


@dataclass(slots=True)
class Doings:
    """What a person did in a batch, as far as it tells how far they came. `last`: the hour of the last event."""

    last: str = ""
    made: bool = False
    ended: int = 0
    completed: bool = False

    def add(self, event: str, hour: str, fields: Mapping[str, Value]) -> None:
        """They did this too."""
        if hour > self.last:
            self.last = hour
        if event == ENDED:
            self.ended += 1
            self.completed = self.completed or fields.get("status") == "completed"
        elif event == USED:
            self.made = self.made or fields.get("feature") == MADE


def doings_of(batch: Sequence[Pending]) -> dict[str, Doings]:
    """What each did of whom there are events."""
    found: dict[str, Doings] = {}
    for piece in in_pieces(batch):
        for event, hour, account_id, fields, _ in piece:
            if account_id is not None:
                if (did := found.get(account_id)) is None:
                    did = found[account_id] = Doings()
                did.add(event, hour, fields)
    return found


def follow(session: Session, doings: Mapping[str, Doings], people: Mapping[str, Person]) -> list[Pending]:
    """In the caller's transaction: the events that are told once a person or once a week, and a note that they were."""
    known = _begin(session, set(people))
    found: list[Pending] = []
    for account_id, (week, stages, runs) in sorted(known.items()):
        did = doings[account_id]
        now_in = _monday(date.fromisoformat(day_of(did.last)))
        made = people[account_id].made_at.date()
        runs_now = min(RUNS, runs + did.ended)
        reached = (True, did.made, did.ended > 0, did.completed, runs_now >= RUNS)
        stages_now = stages | sum(1 << place for place, is_so in enumerate(reached) if is_so)
        fields: dict[str, object]
        for place, stage in enumerate(STAGES):
            if (stages_now & ~stages) >> place & 1:
                fields = {"stage": stage, "days": (date.fromisoformat(day_of(did.last)) - made).days}
                found.append(_told(account_id, did.last, "stage.reached", fields))
        if now_in.isoformat() > week:
            fields = {"cohort": _monday(made).isoformat(), "weeks": (now_in - _monday(made)).days // 7}
            found.append(_told(account_id, did.last, "person.returned", fields))
        now = (max(week, now_in.isoformat()), stages_now, runs_now)
        if now != (week, stages, runs):
            mine_is = update(_progress).where(_progress.c.account_id == account_id)
            session.execute(mine_is.values(week=now[0], stages=now[1], runs=now[2]))
    return found


def forget_progress(session: Session, account_id: str) -> None:
    """In the caller's transaction: forget how far a person came."""
    session.execute(delete(_progress).where(_progress.c.account_id == account_id))


def _begin(session: Session, account_ids: set[str]) -> dict[str, tuple[str, int, int]]:
    """How far each of them is, locked; those who are new begin."""
    if not account_ids:
        return {}
    mine = select(_progress).where(_progress.c.account_id.in_(account_ids))
    rows = session.execute(mine.with_for_update()).all()
    fresh = account_ids - {row.account_id for row in rows}
    if fresh:
        module = sqlite if session.get_bind().dialect.name == "sqlite" else postgresql
        values = [{"account_id": each, "week": "", "stages": 0, "runs": 0} for each in sorted(fresh)]
        session.execute(module.insert(_progress).on_conflict_do_nothing(), values)
        rows = session.execute(mine.with_for_update()).all()
    return {row.account_id: (row.week, row.stages, row.runs) for row in rows}


def _told(account_id: str, hour: str, event: str, fields: dict[str, object]) -> Pending:
    kept: dict[str, Value] = check_event(event, fields)
    return Pending(event, hour, account_id, kept)


def _monday(day: date) -> date:
    return day - timedelta(days=day.weekday())
