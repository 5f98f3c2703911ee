"""Requests that are carried out once, however often they are sent (draft-ietf-httpapi-idempotency-key-header).

A client that hears no answer sends its request again under the same key. The key is written in the transaction
that makes the thing, so there is never one without the other, and a request that was refused leaves no key behind.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any, cast

from sqlalchemy import delete, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import CursorResult
from sqlalchemy.orm import Session

from core.platform.models import IdempotencyKey
from core.platform.runtime import Runtime
from core.shared.errors import Conflict

KEPT = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Once:
    """One request of a client: its key, the route the key counts for, and all that was sent."""

    route: str
    key: str
    sent: bytes


def answer_once(runtime: Runtime, session: Session, owner_id: str, once: Once | None, made_id: str) -> str:
    """In the caller's transaction: the id that answers a request. Make the thing only when it is `made_id`.

    Otherwise an earlier request under this key made it, in the last 24 hours. Of two at the same time the second
    waits here for the first to commit. Raises Conflict when something else was sent under this key.
    """
    if once is None:
        return made_id
    key, sent = _hashes(runtime, owner_id, once)
    now = runtime.clock.now()
    mine = (IdempotencyKey.owner_id == owner_id, IdempotencyKey.key == key)
    session.execute(delete(IdempotencyKey).where(*mine, IdempotencyKey.created_at <= now - KEPT))
    insert = sqlite.insert if runtime.database.is_sqlite else postgresql.insert
    row = insert(IdempotencyKey).values(owner_id=owner_id, key=key, sent=sent, answer_id=made_id, created_at=now)
    session.execute(row.on_conflict_do_nothing())
    return _answer(session.scalars(select(IdempotencyKey).where(*mine)).one(), sent)


def answered_before(runtime: Runtime, session: Session, owner_id: str, once: Once | None) -> str | None:
    """What answered an earlier request under this key in the last 24 hours, for who must know before anything is made.

    None for the first request, which notes its answer with `answer_once`: of two at the same time only that tells which
    is first, unless what they act on is locked by then. Raises Conflict as that does.
    """
    if once is None:
        return None
    key, sent = _hashes(runtime, owner_id, once)
    since = runtime.clock.now() - KEPT
    mine = (IdempotencyKey.owner_id == owner_id, IdempotencyKey.key == key, IdempotencyKey.created_at > since)
    row = session.scalar(select(IdempotencyKey).where(*mine))
    return None if row is None else _answer(row, sent)


def _hashes(runtime: Runtime, owner_id: str, once: Once) -> tuple[bytes, bytes]:
    """The key and what was sent, as they are stored."""
    hash_ = runtime.vault.keyed_hash(owner_id, "idempotency")
    return hash_(f"{once.route}\n{once.key}".encode()), hash_(once.sent)


def _answer(row: IdempotencyKey, sent: bytes) -> str:
    if row.sent != sent:
        raise Conflict(
            "IDEMPOTENCY_KEY_REUSED",
            "This Idempotency-Key came with another request in the last 24 hours. Nothing was done. "
            "Send a new key with a new request, or exactly what was sent before to get its answer.",
        )
    return row.answer_id


def forget_old_keys(runtime: Runtime) -> int:
    """Delete the keys that are older than a day; returns how many."""
    with runtime.database.write() as session:
        old = delete(IdempotencyKey).where(IdempotencyKey.created_at <= runtime.clock.now() - KEPT)
        return cast(CursorResult[Any], session.execute(old)).rowcount
