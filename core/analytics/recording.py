"""Writes a batch of events: whose they are is forgotten here, and whoever objects is left out."""

import random
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cache
from json import JSONEncoder
from typing import cast
from uuid import uuid4

from sqlalchemy import Table, delete, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from core.accounts.models import AccountRow
from core.accounts.standing import analysable
from core.analytics.catalogue import STAGES, Value, check_event
from core.analytics.models import EventRow, ProgressRow
from core.analytics.pending import Pending
from core.analytics.salts import day_of, visitor_ids
from core.platform.runtime import Runtime

_progress = cast(Table, ProgressRow.__table__)
_events = cast(Table, EventRow.__table__)
RUNS = 10
ENDED = "run.ended"
MADE = "pipeline.created"
_COLUMNS = ("batch", "place", "event", "hour", "visitor", "plan", "fields")
_INSERT = f"INSERT INTO {_events.name} ({', '.join(_COLUMNS)}) VALUES"
_as_json = JSONEncoder(separators=(",", ":")).encode


@dataclass(frozen=True, slots=True)
class _Person:
    """What is asked of a person whose use may be counted."""

    plan: str
    made_at: datetime


def record(runtime: Runtime, batch: Sequence[Pending]) -> int:
    """Write events, and what follows from them for how far people came; answers how many rows that made.

    Events of those who object, are restricted, leave or left are dropped. Those of the operator, who is nobody, are
    kept without a visitor.
    """
    visitors = {day: cache(visitor_ids(runtime.vault, day)) for day in {day_of(each.hour) for each in batch}}
    with runtime.database.write() as session:
        people, nobody = _people(session, {each.account_id for each in batch if each.account_id is not None})
        known = {None, *nobody, *people}
        told = [each for each in batch if each.account_id in known]
        told += _follow(session, [each for each in told if each.account_id in people], people)
        counted = [
            each._replace(plan=people[each.account_id].plan) if each.account_id in people else each for each in told
        ]
        random.Random(secrets.randbits(256)).shuffle(counted)  # noqa: S311 - the seed is the system's own
        name = uuid4().hex
        if counted:
            rows = [
                (
                    name,
                    place,
                    each.event,
                    each.hour,
                    visitors[day_of(each.hour)](each.account_id) if each.account_id in people else None,
                    each.plan,
                    _as_json(each.fields),
                )
                for place, each in enumerate(counted)
            ]
            # As the driver takes them: SQLAlchemy would look at the names of each row first.
            mark = "?" if runtime.database.is_sqlite else "%s"
            session.connection().exec_driver_sql(f"{_INSERT} ({', '.join([mark] * len(_COLUMNS))})", rows)
    if runtime.events.sink is not None:  # only what was written goes on
        runtime.events.sink.take(counted)
    return len(counted)


def may_be_counted(runtime: Runtime, account_ids: set[str]) -> set[str]:
    """Of these accounts, those of which events may still be told, the operator's own included."""
    with runtime.database.read() as session:
        people, nobody = _people(session, account_ids)
    return people.keys() | nobody


def forget_progress(session: Session, account_id: str) -> None:
    """In the caller's transaction: forget how far a person came."""
    session.execute(delete(_progress).where(_progress.c.account_id == account_id))


def _people(session: Session, ids: set[str]) -> tuple[dict[str, _Person], set[str]]:
    """Those whose use may be counted, and the accounts that are nobody's."""
    if not ids:
        return {}, set()
    row = AccountRow
    asked = select(row.id, row.plan, row.created_at, row.is_operator).where(row.id.in_(ids), analysable())
    found = session.execute(asked).tuples().all()
    people = {account_id: _Person(plan, made_at) for account_id, plan, made_at, operator in found if not operator}
    return people, {account_id for account_id, *_, operator in found if operator}


def _follow(session: Session, batch: Sequence[Pending], people: dict[str, _Person]) -> list[Pending]:
    """The events that are told once a person or once a week, and the note that they were told."""
    if not batch:
        return []
    theirs: dict[str, list[Pending]] = {}
    for each in batch:
        theirs.setdefault(str(each.account_id), []).append(each)
    known = _begin(session, set(theirs))
    found: list[Pending] = []
    for account_id, mine in sorted(theirs.items()):
        week, stages, runs = known[account_id]
        at = max(each.hour for each in mine)
        now_in = _monday(date.fromisoformat(day_of(at)))
        made = people[account_id].made_at.date()
        ended = [each for each in mine if each.event == ENDED]
        runs_now = min(RUNS, runs + len(ended))
        reached = (
            True,
            any(each.fields.get("feature") == MADE for each in mine),
            bool(ended),
            any(each.fields.get("status") == "completed" for each in ended),
            runs_now >= RUNS,
        )
        stages_now = stages | sum(1 << place for place, is_so in enumerate(reached) if is_so)
        fields: dict[str, object]
        for place, stage in enumerate(STAGES):
            if (stages_now & ~stages) >> place & 1:
                fields = {"stage": stage, "days": (date.fromisoformat(day_of(at)) - made).days}
                found.append(_told(account_id, at, "stage.reached", fields))
        if now_in.isoformat() > week:
            fields = {"cohort": _monday(made).isoformat(), "weeks": (now_in - _monday(made)).days // 7}
            found.append(_told(account_id, at, "person.returned", fields))
        now = (max(week, now_in.isoformat()), stages_now, runs_now)
        if now != (week, stages, runs):
            mine_is = update(_progress).where(_progress.c.account_id == account_id)
            session.execute(mine_is.values(week=now[0], stages=now[1], runs=now[2]))
    return found


def _begin(session: Session, account_ids: set[str]) -> dict[str, tuple[str, int, int]]:
    """How far each of them is, locked; those who are new begin."""
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
