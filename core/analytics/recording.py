"""Writes a batch of events: whose they are is forgotten here, and whoever objects is left out."""

import random
import secrets
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache, partial

from sqlalchemy import select
from sqlalchemy.orm import Session

from core.accounts.models import AccountRow
from core.accounts.standing import analysable
from core.analytics.catalogue import Value
from core.analytics.pending import Pending, in_pieces
from core.analytics.progress import Person, doings_of, follow
from core.analytics.salts import day_of, visitor_ids
from core.analytics.waiting import add_batch, joined, pack, with_fields
from core.platform.runtime import Runtime


@dataclass(frozen=True, slots=True)
class _Counted:
    """Those whose use may be counted, and the accounts that are nobody's: the operator's own."""

    people: Mapping[str, Person]
    nobody: frozenset[str]


def record(runtime: Runtime, batch: Sequence[Pending]) -> int:
    """Write events, and what follows from them for how far people came; answers how many events that made.

    Events of those who object, are restricted, leave or left are dropped. Those of the operator, who is nobody, are
    kept without a visitor. What is written is made ready before the transaction, which only sees that it is still so.
    """
    doings = doings_of(batch)
    while True:
        with runtime.database.read() as session:
            counted = _counted(session, doings)
        kept = [each for each in batch if each.account_id is None or _counts(counted, each.account_id)]
        packed = _packed(runtime, kept, counted)
        with runtime.database.write() as session:
            if _is_still_so(session, counted):
                told = follow(session, doings, counted.people)
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


def _counted(session: Session, ids: Collection[str]) -> _Counted:
    if not ids:
        return _Counted({}, frozenset())
    row = AccountRow
    asked = select(row.id, row.plan, row.created_at, row.is_operator).where(row.id.in_(ids), analysable())
    found = session.execute(asked).tuples().all()
    people = {account_id: Person(plan, made_at) for account_id, plan, made_at, operator in found if not operator}
    return _Counted(people, frozenset(account_id for account_id, *_, operator in found if operator))


def _is_still_so(session: Session, counted: _Counted) -> bool:
    """Whether each of them may be counted, and can not object before the caller's transaction is over.

    On PostgreSQL an objection could else be written, and its person's events be forgotten, in between.
    """
    ids = [*counted.people, *counted.nobody]
    mine = select(AccountRow.id).where(AccountRow.id.in_(ids), analysable()).order_by(AccountRow.id)
    return not ids or len(session.scalars(mine.with_for_update(read=True)).all()) == len(ids)


def _counts(counted: _Counted, account_id: str) -> bool:
    return account_id in counted.people or account_id in counted.nobody


def _plan(counted: _Counted, each: Pending) -> str | None:
    person = counted.people.get(each.account_id or "")
    return person.plan if person is not None else None


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
