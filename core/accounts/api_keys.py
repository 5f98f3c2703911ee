"""API keys: made and shown once, kept as a keyed hash, looked up at every request."""

import secrets
from base64 import urlsafe_b64encode
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, cast

from sqlalchemy import delete, func, select, update
from sqlalchemy.engine import CursorResult

from core.accounts.audit import record_act
from core.accounts.domain import SCOPES, Account, ApiKeyView, KeyHolder, NewApiKey
from core.accounts.models import AccountRow, ApiKeyRow
from core.accounts.plans import check_automation
from core.accounts.postings import lock_person
from core.accounts.queries import account_view
from core.accounts.standing import suspended
from core.platform.idempotency import Once, answer_once
from core.platform.runtime import Runtime
from core.shared.errors import Forbidden, InvalidInput, LimitExceeded, NotFound

START = "sk_live_"
SHOWN = len(START) + 4
SECRET_BYTES = 32
KEYS_A_PERSON = 50
LONGEST_NAME = 100
USED_EVERY = timedelta(minutes=1)  # a key that is used all the time need not be written all the time


def create_api_key(
    runtime: Runtime,
    owner: Account,
    name: str,
    scopes: Sequence[str],
    *,
    expires_at: datetime | None = None,
    max_micros_per_month: int | None = None,
    by_operator: bool = False,
    once: Once | None = None,
) -> NewApiKey:
    """Make a key; `by_operator`: from the command line, not by its owner.

    The same request sent `once` more answers the key that it made, whole: who did not hear of it could not use it.

    Raises InvalidInput, Forbidden PLAN_LIMIT on the Free plan, LimitExceeded.
    """
    check_automation(owner.plan)
    shown, now = name.strip(), runtime.clock.now()
    if not shown or len(shown) > LONGEST_NAME or not shown.isprintable():
        raise InvalidInput("INVALID_NAME", f"Give the key a name of 1 to {LONGEST_NAME} characters.", field="name")
    unknown = sorted(set(scopes) - set(SCOPES))
    if unknown or not scopes:
        raise InvalidInput("INVALID_SCOPES", f"Choose some of the scopes {', '.join(SCOPES)}.", field="scopes")
    if expires_at is not None and expires_at <= now:
        raise InvalidInput("INVALID_EXPIRY", "Choose a time to come, or none.", field="expires_at")
    key_id = runtime.ids.new()
    key = _new_key(runtime, owner.id, key_id, once)
    row = ApiKeyRow(
        id=key_id,
        account_id=owner.id,
        key_hash=_hash(runtime, key),
        prefix=key[:SHOWN],
        name=runtime.vault.seal_text(owner.id, f"api_keys.name:{key_id}", shown),
        scopes=",".join(scope for scope in SCOPES if scope in scopes),
        created_at=now,
        expires_at=expires_at,
        max_micros_per_month=max_micros_per_month,
    )
    with runtime.database.write() as session:
        answer_id = answer_once(runtime, session, owner.id, once, key_id)
        if answer_id != key_id:
            known = session.get(ApiKeyRow, answer_id)
            if known is None:
                raise NotFound("KEY_NOT_FOUND", "The key that this request made is deleted. Make one under a new key.")
            return NewApiKey(_new_key(runtime, owner.id, answer_id, once), _view(runtime, known))
        lock_person(session, owner.id)  # two at once would both be the last
        mine = select(func.count()).select_from(ApiKeyRow).where(ApiKeyRow.account_id == owner.id)
        if (session.scalar(mine) or 0) >= KEYS_A_PERSON:
            raise LimitExceeded("TOO_MANY_KEYS", f"There are {KEYS_A_PERSON} keys already. Delete one you do not use.")
        session.add(row)
        actor = None if by_operator else owner.id
        record_act(
            runtime, session, "api_key.made", actor_id=actor, subject_id=key_id, owner=owner.id, scopes=row.scopes
        )
    runtime.events.used("api_key.created", owner.id)
    return NewApiKey(key, _view(runtime, row))


def delete_api_key(runtime: Runtime, owner_id: str, key_id: str) -> None:
    """End a key: the next request that brings it is refused. Raises NotFound."""
    mine = delete(ApiKeyRow).where(ApiKeyRow.account_id == owner_id, ApiKeyRow.id == key_id)
    with runtime.database.write() as session:
        if cast(CursorResult[Any], session.execute(mine)).rowcount != 1:
            raise NotFound("KEY_NOT_FOUND", "There is no such key.")
        record_act(runtime, session, "api_key.deleted", actor_id=owner_id, subject_id=key_id)


def list_api_keys(runtime: Runtime, owner_id: str) -> tuple[ApiKeyView, ...]:
    """A person's keys, newest first."""
    mine = select(ApiKeyRow).where(ApiKeyRow.account_id == owner_id).order_by(ApiKeyRow.id.desc())
    with runtime.database.read() as session:
        return tuple(_view(runtime, row) for row in session.scalars(mine))


def find_key_holder(runtime: Runtime, key: str) -> KeyHolder | None:
    """Whom a key speaks for, looked up now; None for one that never was, is over or was deleted.

    Raises Forbidden ACCOUNT_SUSPENDED.
    """
    now = runtime.clock.now()
    named = (
        select(ApiKeyRow, AccountRow)
        .join(AccountRow, AccountRow.id == ApiKeyRow.account_id)
        .where(ApiKeyRow.key_hash == _hash(runtime, key))
    )
    with runtime.database.read() as session:
        found = session.execute(named).tuples().one_or_none()
    if found is None or (found[0].expires_at is not None and found[0].expires_at <= now):
        return None
    row, account = found
    if account.suspended_at is not None:
        raise suspended()
    if row.last_used_at is None or now - row.last_used_at >= USED_EVERY:
        with runtime.database.write() as session:
            session.execute(update(ApiKeyRow).where(ApiKeyRow.id == row.id).values(last_used_at=now))
    return KeyHolder(account_view(runtime, account), frozenset(row.scopes.split(",")), row.id)


def key_lives(runtime: Runtime, key: str) -> bool:
    """Whether a key still speaks for somebody."""
    try:
        return find_key_holder(runtime, key) is not None
    except Forbidden:
        return False


def _new_key(runtime: Runtime, owner_id: str, key_id: str, once: Once | None) -> str:
    """A key that nobody can guess. Made anew from a request that is sent again, of which only a hash is kept."""
    if once is None:
        return START + secrets.token_urlsafe(SECRET_BYTES)
    made = runtime.vault.keyed_hash(owner_id, "api-key-once")(f"{key_id}\n{once.key}".encode())
    return START + urlsafe_b64encode(made).decode().rstrip("=")


def _hash(runtime: Runtime, key: str) -> bytes:
    return runtime.vault.blind_index("api-key", key)


def _view(runtime: Runtime, row: ApiKeyRow) -> ApiKeyView:
    name = runtime.vault.open_text(row.account_id, f"api_keys.name:{row.id}", row.name)
    scopes = tuple(row.scopes.split(","))
    times = (row.created_at, row.expires_at, row.last_used_at)
    return ApiKeyView(row.id, name, row.prefix, scopes, *times, row.max_micros_per_month)
