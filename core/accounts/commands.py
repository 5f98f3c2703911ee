"""Making accounts, keeping vendor keys and secrets."""

import secrets
from collections.abc import Mapping
from typing import Any, cast

from sqlalchemy import delete, func, select, update
from sqlalchemy.engine import CursorResult
from sqlalchemy.exc import IntegrityError

from core.accounts.audit import record_act
from core.accounts.domain import (
    ROLES,
    SECRETS_A_SCOPE,
    SETUP_LIFE,
    Account,
    SecretView,
    check_secret,
)
from core.accounts.models import AccountRow, OwnKeyRow, SecretRow, SetupToken
from core.accounts.new_accounts import add_account, default_plan, new_account
from core.accounts.postings import lock_person
from core.accounts.queries import account_view, in_scope, is_set_up, secret_index, secret_view
from core.platform.idempotency import Once, answer_once
from core.platform.runtime import Runtime
from core.platform.vault import ALGORITHM, KEY_VERSION
from core.shared.errors import Conflict, Forbidden, InvalidInput, LimitExceeded, NotFound


def create_account(
    runtime: Runtime,
    *,
    email: str,
    password: str,
    name: str | None = None,
    plan: str | None = None,
    roles: tuple[str, ...] = (),
) -> Account:
    """Make a confirmed account. Raises InvalidInput, or Conflict when the address has one."""
    chosen = plan or default_plan(runtime)
    row = new_account(runtime, email=email, password=password, name=name, plan=chosen, roles=roles)
    try:
        with runtime.database.write() as session:
            add_account(runtime, session, row, "operator")
    except IntegrityError:
        runtime.vault.forget(row.id)
        raise Conflict("EMAIL_TAKEN", "There is an account with this address already.", field="email") from None
    return account_view(runtime, row)


def set_up_owner(
    runtime: Runtime,
    *,
    token: str,
    email: str,
    password: str,
    name: str | None = None,
    policies: Mapping[str, str] | None = None,
) -> Account:
    """Make the owner's account with a set-up link, which works once and only while nobody has an account."""
    index = runtime.vault.blind_index("setup", token)
    chosen = default_plan(runtime)
    row = new_account(runtime, email=email, password=password, name=name, plan=chosen, roles=ROLES)
    with runtime.database.write() as session:
        now = runtime.clock.now()
        used = session.execute(
            update(SetupToken)
            .where(SetupToken.token_hash == index, SetupToken.used_at.is_(None), SetupToken.expires_at > now)
            .values(used_at=now)
        )
        if cast(CursorResult[Any], used).rowcount != 1 or is_set_up(session):
            runtime.vault.forget(row.id)
            raise Forbidden(
                "SETUP_LINK_INVALID",
                "This link was used or has ended. Print a new one with `stepiq owner-link`.",
            )
        add_account(runtime, session, row, "set-up", policies=policies)
    return account_view(runtime, row)


def owner_link(runtime: Runtime) -> str | None:
    """A fresh one-time link for the owner's account; None once somebody has one. Earlier links end."""
    token = secrets.token_urlsafe(24)
    with runtime.database.write() as session:
        if is_set_up(session):
            return None
        session.execute(delete(SetupToken))
        expires_at = runtime.clock.now() + SETUP_LIFE
        session.add(SetupToken(token_hash=runtime.vault.blind_index("setup", token), expires_at=expires_at))
    return f"{runtime.settings.public_url}/setup?token={token}"


def ensure_operator(runtime: Runtime) -> None:
    """Make the system person of the command line where it is missing."""
    with runtime.database.write() as session:
        if session.scalar(select(AccountRow.id).where(AccountRow.is_operator)) is None:
            account_id = runtime.ids.new()
            runtime.vault.adopt(account_id)
            now = runtime.clock.now()
            session.add(
                AccountRow(
                    id=account_id, plan="enterprise", roles="", is_operator=True, signed_up=False, created_at=now
                )
            )


def save_own_key(runtime: Runtime, owner_id: str, provider: str, secret: str, base_url: str | None = None) -> None:
    """Keep a vendor key of the person's own, encrypted; a second one replaces the first, its address too.

    `base_url`: a gateway of the person's own, to which alone the key is sent. Raises InvalidInput.
    """
    secret = secret.strip()
    if provider not in runtime.catalogue.vendors():
        raise InvalidInput("UNKNOWN_PROVIDER", "Choose one of the providers listed.", field="provider")
    if not 8 <= len(secret) <= 500 or any(c.isspace() or not c.isprintable() for c in secret):
        raise InvalidInput(
            "INVALID_KEY",
            "This does not look like an API key: paste it whole, without spaces.",
            field="secret",
        )
    written = (base_url or "").strip()
    address = runtime.outbound.look_up_base_url(written) if written else None
    row = OwnKeyRow(id=runtime.ids.new(), account_id=owner_id, provider=provider, created_at=runtime.clock.now())
    row.secret = runtime.vault.seal_text(owner_id, f"own_keys.secret:{row.id}", secret)
    if address is not None:
        row.base_url = runtime.vault.seal_text(owner_id, f"own_keys.base_url:{row.id}", address)
    with runtime.database.write() as session:
        session.execute(delete(OwnKeyRow).where(OwnKeyRow.account_id == owner_id, OwnKeyRow.provider == provider))
        session.add(row)
        session.flush()
        record_act(runtime, session, "own_key.saved", actor_id=owner_id, subject_id=row.id, provider=provider)
    runtime.events.used("own_key.saved", owner_id)


def delete_own_key(runtime: Runtime, owner_id: str, provider: str) -> None:
    """Forget a vendor key."""
    with runtime.database.write() as session:
        mine = (OwnKeyRow.account_id == owner_id, OwnKeyRow.provider == provider)
        gone = session.scalar(delete(OwnKeyRow).where(*mine).returning(OwnKeyRow.id))
        if gone is not None:
            record_act(runtime, session, "own_key.deleted", actor_id=owner_id, subject_id=gone, provider=provider)


def set_secret(
    runtime: Runtime,
    owner_id: str,
    name: str,
    value: str,
    *,
    pipeline_id: str | None = None,
    replace: bool = True,
    once: Once | None = None,
) -> SecretView:
    """Keep a secret, encrypted, for all pipelines of a person or for one; a second of the same name replaces the first.

    `pipeline_id` must have been looked up with its owner before. Raises InvalidInput, LimitExceeded when the scope is
    full, or, without `replace`, Conflict when the name is taken. The same request sent `once` more changes nothing.
    """
    check_secret(name, value)
    runtime.events.used("secret.saved", owner_id)
    try:
        return _store_secret(runtime, owner_id, name, value, pipeline_id, replace, once)
    except IntegrityError:  # another process was first with this name: now it is there
        return _store_secret(runtime, owner_id, name, value, pipeline_id, replace, once)


def delete_secret(runtime: Runtime, owner_id: str, name: str, *, pipeline_id: str | None = None) -> None:
    """Forget a secret of one scope. Raises NotFound."""
    index = secret_index(runtime, owner_id, pipeline_id, name)
    with runtime.database.write() as session:
        mine = (SecretRow.account_id == owner_id, SecretRow.name_index == index)
        gone = session.scalar(delete(SecretRow).where(*mine).returning(SecretRow.id))
        if gone is None:
            raise NotFound("SECRET_NOT_FOUND", "There is no secret of this name.")
        record_act(runtime, session, "secret.deleted", actor_id=owner_id, subject_id=gone)


def _store_secret(
    runtime: Runtime, owner_id: str, name: str, value: str, pipeline_id: str | None, replace: bool, once: Once | None
) -> SecretView:
    index, now = secret_index(runtime, owner_id, pipeline_id, name), runtime.clock.now()
    known = select(SecretRow).where(SecretRow.account_id == owner_id, SecretRow.name_index == index)
    new_id = runtime.ids.new()
    with runtime.database.write() as session:
        answer_id = answer_once(runtime, session, owner_id, once, new_id)
        row = session.scalar(known.with_for_update())
        if answer_id != new_id:
            if row is None:
                raise NotFound("SECRET_NOT_FOUND", "The secret that this request kept is deleted.")
            return secret_view(runtime, row)
        if row is not None and not replace:
            raise Conflict(
                "SECRET_EXISTS", f"There is a secret {name} already. Replace its value, or choose another name."
            )
        if row is None:
            # Only where nothing of the secret is locked: a run that uses one locks it first, and this person after.
            lock_person(session, owner_id)
            others = (*in_scope(owner_id, pipeline_id), SecretRow.name_index != index)
            scope = select(func.count()).select_from(SecretRow).where(*others)
            if (session.scalar(scope) or 0) >= SECRETS_A_SCOPE:
                raise LimitExceeded(
                    "TOO_MANY_SECRETS", f"There are {SECRETS_A_SCOPE} secrets here already. Delete one you do not use."
                )
            row = SecretRow(id=new_id, account_id=owner_id, pipeline_id=pipeline_id, name_index=index, created_at=now)
            row.name = runtime.vault.seal_text(owner_id, f"secrets.name:{row.id}", name)
            session.add(row)
        row.value = runtime.vault.seal_text(owner_id, f"secrets.value:{row.id}", value)
        row.algorithm, row.key_version, row.updated_at = ALGORITHM, KEY_VERSION, now
        session.flush()
        record_act(runtime, session, "secret.saved", actor_id=owner_id, subject_id=row.id)
        return secret_view(runtime, row)
