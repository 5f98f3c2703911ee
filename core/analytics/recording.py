"""Writes a batch of events: whose they are is forgotten here, and whoever objects is left out."""

import random
import secrets
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cache, lru_cache, partial
from typing import cast

from sqlalchemy import Table, delete, func, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from core.accounts.models import AccountRow
from core.accounts.standing import analysable
from core.analytics.catalogue import STAGES, Value, check_event
from core.analytics.models import ProgressRow
from core.analytics.pending import Pending, in_pieces
from core.analytics.salts import day_of, visitor_ids
from core.analytics.waiting import add_batch, joined, pack, with_fields
from core.platform.runtime import Runtime

_progress = cast(Table, ProgressRow.__table__)
RUNS = 10
ENDED, USED = "run.ended", "feature.used"
MADE = "pipeline.created"


@dataclass(frozen=True, slots=True)
class _Person:
    """What is asked of a person whose use may be counted."""

    plan: str
    made_at: datetime


@dataclass(frozen=True, slots=True)
class _Counted:
    """Those whose use may be counted, and the accounts that are nobody's: the operator's own."""

    people: Mapping[str, _Person]
    nobody: frozenset[str]


@dataclass(slots=True)
class _Doings:
    """What a person did in a batch, as far as it tells how far they came. `last`: the hour of the last event."""

    last: str = ""
    made: bool = False
    ended: int = 0
    completed: bool = False

    def add(self, event: str, hour: str, fields: Mapping[str, Value]) -> None:
        if hour > self.last:
            self.last = hour
        if event == ENDED:
            self.ended += 1
            self.completed = self.completed or fields.get("status") == "completed"
        elif event == USED:
            self.made = self.made or fields.get("feature") == MADE


def record(runtime: Runtime, batch: Sequence[Pending]) -> int:
    """Write events, and what follows from them for how far people came; answers how many events that made.

    Events of those who object, are restricted, leave or left are dropped. Those of the operator, who is nobody, are
    kept without a visitor. What is written is made ready before the transaction, which only sees that it is still so.
    """
    doings = _doings(batch)
    while True:
        with runtime.database.read() as session:
            counted = _counted(session, doings)
        kept = [each for each in batch if each.account_id is None or _counts(counted, each.account_id)]
        packed = _packed(runtime, kept, counted)
        with runtime.database.write() as session:
            if _is_still_so(session, counted):
                told = _follow(session, doings, counted.people)
                for events, text in ((kept, packed), (told, _packed(runtime, told, counted))):
                    if events:
                        add_batch(session, len(events), text)
                break
    if runtime.events.sink is not None:  # only what was written goes on
        runtime.events.sink.take([each._replace(plan=_plan(counted, each)) for each in _shuffled(kept + told)])
    return len(kept) + len(told)


def may_be_counted(runtime: Runtime, account_ids: set[str]) -> set[str]:
    """Of these accounts, those of which events may still be told, the operator's own included."""
    with runtime.database.read() as session:
        counted = _counted(session, account_ids)
    return counted.people.keys() | counted.nobody


def forget_progress(session: Session, account_id: str) -> None:
    """In the caller's transaction: forget how far a person came."""
    session.execute(delete(_progress).where(_progress.c.account_id == account_id))


def _counted(session: Session, ids: Collection[str]) -> _Counted:
    if not ids:
        return _Counted({}, frozenset())
    row = AccountRow
    asked = select(row.id, row.plan, row.created_at, row.is_operator).where(row.id.in_(ids), analysable())
    found = session.execute(asked).tuples().all()
    people = {account_id: _Person(plan, made_at) for account_id, plan, made_at, operator in found if not operator}
    return _Counted(people, frozenset(account_id for account_id, *_, operator in found if operator))


def _is_still_so(session: Session, counted: _Counted) -> bool:
    """Whether each of them may be counted now."""
    ids = [*counted.people, *counted.nobody]
    asked = select(func.count()).select_from(AccountRow).where(AccountRow.id.in_(ids), analysable())
    return not ids or session.scalar(asked) == len(ids)


def _counts(counted: _Counted, account_id: str) -> bool:
    return account_id in counted.people or account_id in counted.nobody


def _plan(counted: _Counted, each: Pending) -> str | None:
    person = counted.people.get(each.account_id or "")
    return person.plan if person is not None else None


def _doings(batch: Sequence[Pending]) -> dict[str, _Doings]:
    """What each did of whom there are events."""
    found: dict[str, _Doings] = {}
    for piece in in_pieces(batch):
        for event, hour, account_id, fields, _ in piece:
            if account_id is not None:
                if (did := found.get(account_id)) is None:
                    did = found[account_id] = _Doings()
                did.add(event, hour, fields)
    return found


def _packed(runtime: Runtime, events: Sequence[Pending], counted: _Counted) -> str:
    """The events in random order, as they wait for the lake."""

    @cache
    def about(event: str, hour: str, account_id: str | None) -> str:
        said = {"event": event, "hour": hour}
        if account_id is not None and (person := counted.people.get(account_id)) is not None:
            said |= {"visitor": visitors(day_of(hour))(account_id), "plan": person.plan}
        return pack(said)

    visitors = cache(partial(visitor_ids, runtime.vault))
    lines: list[str] = []
    for piece in in_pieces(_shuffled(events)):
        for event, hour, account_id, fields, _ in piece:
            said = _fields(tuple(fields), tuple(fields.values()))
            lines.append(with_fields(about(event, hour, account_id), said))
    return joined(lines)


@lru_cache(maxsize=10_000)
def _fields(names: tuple[str, ...], values: tuple[Value, ...]) -> str:
    """Remembered, since words and coarse numbers come in the same company again and again."""
    return pack(dict(zip(names, values, strict=True)))


def _shuffled(events: Sequence[Pending]) -> list[Pending]:
    chance = random.Random(secrets.randbits(256)).random  # noqa: S311 - the seed is the system's own
    return sorted(events, key=lambda _: chance())


def _follow(session: Session, doings: Mapping[str, _Doings], people: Mapping[str, _Person]) -> list[Pending]:
    """The events that are told once a person or once a week, and the note that they were told."""
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
