"""Making accounts, signing in and out, keeping vendor keys and secrets."""

import secrets
from datetime import datetime
from typing import Any, cast

import bcrypt
from sqlalchemy import delete, func, or_, select, update
from sqlalchemy.engine import CursorResult
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from core.accounts.domain import (
    PASSWORD_MAX_BYTES,
    PLANS,
    ROLES,
    SECRETS_A_SCOPE,
    SESSION_LIFE,
    SETUP_LIFE,
    Account,
    SecretView,
    SignedIn,
    check_password,
    check_secret,
    clean_email,
    clean_name,
    confirm_limit,
)
from core.accounts.models import AccountRow, OwnKeyRow, SecretRow, SessionRow, SetupToken
from core.accounts.queries import account_view, find_account, in_scope, people_exist, secret_index, secret_view
from core.accounts.throttle import admit_try, clear_try, client_network
from core.accounts.tokens import issue_token, read_token
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
    row = _new_account(runtime, email=email, password=password, name=name, plan=plan, roles=roles)
    try:
        with runtime.database.write() as session:
            session.add(row)
    except IntegrityError:
        raise Conflict("EMAIL_TAKEN", "There is an account with this address already.", field="email") from None
    return account_view(runtime, row)


def set_up_owner(runtime: Runtime, *, token: str, email: str, password: str, name: str | None = None) -> Account:
    """Make the owner's account with a set-up link, which works once and only while nobody has an account."""
    index = runtime.vault.blind_index("setup", token)
    row = _new_account(runtime, email=email, password=password, name=name, plan=None, roles=ROLES)
    with runtime.database.write() as session:
        now = runtime.clock.now()
        used = session.execute(
            update(SetupToken)
            .where(SetupToken.token_hash == index, SetupToken.used_at.is_(None), SetupToken.expires_at > now)
            .values(used_at=now)
        )
        if cast(CursorResult[Any], used).rowcount != 1 or people_exist(session):
            raise Forbidden(
                "SETUP_LINK_INVALID",
                "This link was used or has ended. Print a new one with `stepiq owner-link`.",
            )
        session.add(row)
    return account_view(runtime, row)


def owner_link(runtime: Runtime) -> str | None:
    """A fresh one-time link for the owner's account; None once somebody has one. Earlier links end."""
    token = secrets.token_urlsafe(24)
    with runtime.database.write() as session:
        if people_exist(session):
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
            session.add(AccountRow(id=account_id, plan="enterprise", roles="", is_operator=True, created_at=now))


def sign_in(
    runtime: Runtime, *, email: str, password: str, device: str = "", client_host: str | None = None
) -> SignedIn:
    """Check a password and open a session.

    An unknown address takes as long as a known one and gets the same answer. `client_host` is where the request
    comes from. Raises Forbidden INVALID_CREDENTIALS, or LimitExceeded after too many tries (`throttle`).
    """
    wrong = Forbidden("INVALID_CREDENTIALS", "The address or the password is wrong.")
    try:
        address = clean_email(email)
    except InvalidInput:
        raise wrong from None
    client = client_network(client_host)
    admit_try(runtime, address, client)
    index = runtime.vault.blind_index("email", address)
    with runtime.database.read() as session:
        row = session.scalar(select(AccountRow).where(AccountRow.email_index == index))
    hashed = row.password_hash if row and row.password_hash else _decoy_hash(runtime)
    encoded = password.encode()
    matches = bcrypt.checkpw(encoded[:PASSWORD_MAX_BYTES].replace(b"\0", b" "), hashed.encode())
    if row is None or not matches or len(encoded) > PASSWORD_MAX_BYTES or b"\0" in encoded:
        raise wrong
    clear_try(runtime, address, client)
    with runtime.database.write() as session:
        return open_session(runtime, session, account_view(runtime, row), device)


def open_session(runtime: Runtime, session: Session, account: Account, device: str) -> SignedIn:
    """Write a session row in the caller's transaction and sign its token."""
    now, session_id = runtime.clock.now(), runtime.ids.new()
    expires_at = now + SESSION_LIFE
    sealed = runtime.vault.seal_text(account.id, f"sessions.device:{session_id}", device[:300])
    session.add(SessionRow(id=session_id, account_id=account.id, device=sealed, created_at=now, expires_at=expires_at))
    return SignedIn(issue_token(runtime, session_id, now=now, expires_at=expires_at), account, expires_at)


def sign_out(runtime: Runtime, token: str | None) -> None:
    """End the session a token names; nothing happens when there is none."""
    session_id = read_token(runtime, token) if token else None
    if session_id is not None:
        with runtime.database.write() as session:
            open_row = (SessionRow.id == session_id, SessionRow.ended_at.is_(None))
            session.execute(update(SessionRow).where(*open_row).values(ended_at=runtime.clock.now()))


def delete_ended_sessions(runtime: Runtime, *, before: datetime) -> int:
    """Delete sessions that ended before a moment; returns how many."""
    over = or_(SessionRow.ended_at < before, SessionRow.expires_at < before)
    with runtime.database.write() as session:
        done = session.execute(delete(SessionRow).where(over))
        return cast(CursorResult[Any], done).rowcount


def set_password(runtime: Runtime, *, email: str, password: str) -> None:
    """Set a person's password and end all their sessions. Raises NotFound."""
    account = find_account(runtime, email)
    if account is None:
        raise NotFound("ACCOUNT_NOT_FOUND", "There is no account with this address.")
    check_password(password)
    hashed = _hash(runtime, password)
    with runtime.database.write() as session:
        session.execute(update(AccountRow).where(AccountRow.id == account.id).values(password_hash=hashed))
        live = (SessionRow.account_id == account.id, SessionRow.ended_at.is_(None))
        session.execute(update(SessionRow).where(*live).values(ended_at=runtime.clock.now()))


def set_confirm_limit(runtime: Runtime, owner_id: str, credits: float) -> None:
    """Keep the cost in credits above which a run asks before it starts; 0 asks whenever a run may cost anything."""
    micros = confirm_limit(credits)
    with runtime.database.write() as session:
        session.execute(update(AccountRow).where(AccountRow.id == owner_id).values(confirm_above_micros=micros))


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


def delete_own_key(runtime: Runtime, owner_id: str, provider: str) -> None:
    """Forget a vendor key."""
    with runtime.database.write() as session:
        session.execute(delete(OwnKeyRow).where(OwnKeyRow.account_id == owner_id, OwnKeyRow.provider == provider))


def set_secret(
    runtime: Runtime, owner_id: str, name: str, value: str, *, pipeline_id: str | None = None, replace: bool = True
) -> SecretView:
    """Keep a secret, encrypted, for all pipelines of a person or for one; a second of the same name replaces the first.

    `pipeline_id` must have been looked up with its owner before. Raises InvalidInput, LimitExceeded when the scope is
    full, or, without `replace`, Conflict when the name is taken.
    """
    check_secret(name, value)
    try:
        return _store_secret(runtime, owner_id, name, value, pipeline_id, replace)
    except IntegrityError:  # another process was first with this name: now it is there
        return _store_secret(runtime, owner_id, name, value, pipeline_id, replace)


def delete_secret(runtime: Runtime, owner_id: str, name: str, *, pipeline_id: str | None = None) -> None:
    """Forget a secret of one scope. Raises NotFound."""
    index = secret_index(runtime, owner_id, pipeline_id, name)
    with runtime.database.write() as session:
        found = delete(SecretRow).where(SecretRow.account_id == owner_id, SecretRow.name_index == index)
        if cast(CursorResult[Any], session.execute(found)).rowcount != 1:
            raise NotFound("SECRET_NOT_FOUND", "There is no secret of this name.")


def _store_secret(
    runtime: Runtime, owner_id: str, name: str, value: str, pipeline_id: str | None, replace: bool
) -> SecretView:
    index, now = secret_index(runtime, owner_id, pipeline_id, name), runtime.clock.now()
    known = select(SecretRow).where(SecretRow.account_id == owner_id, SecretRow.name_index == index)
    with runtime.database.write() as session:
        row = session.scalar(known.with_for_update())
        if row is not None and not replace:
            raise Conflict(
                "SECRET_EXISTS", f"There is a secret {name} already. Replace its value, or choose another name."
            )
        if row is None:
            scope = select(func.count()).select_from(SecretRow).where(*in_scope(owner_id, pipeline_id))
            if (session.scalar(scope) or 0) >= SECRETS_A_SCOPE:
                raise LimitExceeded(
                    "TOO_MANY_SECRETS", f"There are {SECRETS_A_SCOPE} secrets here already. Delete one you do not use."
                )
            row = SecretRow(
                id=runtime.ids.new(), account_id=owner_id, pipeline_id=pipeline_id, name_index=index, created_at=now
            )
            row.name = runtime.vault.seal_text(owner_id, f"secrets.name:{row.id}", name)
            session.add(row)
        row.value = runtime.vault.seal_text(owner_id, f"secrets.value:{row.id}", value)
        row.algorithm, row.key_version, row.updated_at = ALGORITHM, KEY_VERSION, now
        session.flush()
        return secret_view(runtime, row)


def _new_account(
    runtime: Runtime, *, email: str, password: str, name: str | None, plan: str | None, roles: tuple[str, ...]
) -> AccountRow:
    address = clean_email(email)
    shown = clean_name(name)
    check_password(password, hints=(address, shown or ""))
    chosen = plan or ("free" if runtime.settings.stripe_secret_key else "enterprise")
    if chosen not in PLANS:
        raise InvalidInput("UNKNOWN_PLAN", f"Choose one of the plans {', '.join(PLANS)}.", field="plan")
    account_id = runtime.ids.new()
    runtime.vault.adopt(account_id)
    return AccountRow(
        id=account_id,
        email_index=runtime.vault.blind_index("email", address),
        email=runtime.vault.seal_text(account_id, f"accounts.email:{account_id}", address),
        name=runtime.vault.seal_text(account_id, f"accounts.name:{account_id}", shown) if shown else None,
        password_hash=_hash(runtime, password),
        plan=chosen,
        roles=",".join(roles),
        is_operator=False,
        created_at=runtime.clock.now(),
    )


def _hash(runtime: Runtime, password: str) -> str:
    return bcrypt.hashpw(password.encode(), bcrypt.gensalt(runtime.settings.bcrypt_cost)).decode()


_decoys: dict[int, str] = {}


def _decoy_hash(runtime: Runtime) -> str:
    cost = runtime.settings.bcrypt_cost
    if cost not in _decoys:
        _decoys[cost] = _hash(runtime, secrets.token_hex(16))
    return _decoys[cost]
