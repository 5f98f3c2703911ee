"""Reading people and their sessions."""

from collections.abc import Collection
from datetime import datetime, timedelta
from functools import partial
from typing import cast
from urllib.parse import urlsplit

from sqlalchemy import ColumnElement, Select, Table, bindparam, func, or_, select, update
from sqlalchemy.orm import Session

from core.accounts.domain import (
    CONFIRM_ABOVE_MICROS,
    Account,
    InstallationOverview,
    OwnKey,
    OwnKeyView,
    SecretView,
    SessionInfo,
    SessionView,
    clean_email,
    clean_funding,
    clean_screening,
)
from core.accounts.models import AccountRow, OwnKeyRow, SecretRow, SessionRow, SetupToken
from core.accounts.standing import processable
from core.accounts.tokens import read_token
from core.platform.database import AnyRow, UtcDateTime
from core.platform.runtime import Runtime
from core.shared.errors import NotFound

# Asked at every request: built once, on the tables themselves.
_sessions, _accounts = cast(Table, SessionRow.__table__), cast(Table, AccountRow.__table__)
LIVE_SESSION = (
    select(
        _accounts,
        _sessions.c.id.label("session_id"),
        _sessions.c.expires_at.label("session_expires_at"),
        _sessions.c.last_used_at.label("session_used_at"),
        _sessions.c.confirmed_at.label("session_confirmed_at"),
    )
    .join_from(_sessions, _accounts, _accounts.c.id == _sessions.c.account_id)
    .where(
        _sessions.c.id == bindparam("b_session"),
        _sessions.c.ended_at.is_(None),
        _sessions.c.expires_at > bindparam("b_now", type_=UtcDateTime()),
        _accounts.c.suspended_at.is_(None),
    )
)
_own_keys = cast(Table, OwnKeyRow.__table__)
USED_EVERY = timedelta(minutes=5)  # a session that is used all the time need not be written all the time
KEY_PROVIDERS = select(_own_keys.c.provider).where(_own_keys.c.account_id == bindparam("b_account"))


def account_view(runtime: Runtime, row: AccountRow | AnyRow) -> Account:
    """A frozen view of a row, with its identifiers opened."""
    vault = runtime.vault
    return Account(
        id=row.id,
        plan=row.plan,
        roles=frozenset(filter(None, row.roles.split(","))),
        name=vault.open_text(row.id, f"accounts.name:{row.id}", row.name) if row.name else "",
        email=vault.open_text(row.id, f"accounts.email:{row.id}", row.email) if row.email else "",
        created_at=row.created_at,
        is_operator=row.is_operator,
        confirm_above_micros=CONFIRM_ABOVE_MICROS if row.confirm_above_micros is None else row.confirm_above_micros,
        funding=clean_funding(row.funding or "own_first"),
        personal_data=clean_screening(row.personal_data or "warn"),
        language=row.language or "en",
        has_second_factor=row.totp_on_at is not None,
        password_changed_at=row.password_changed_at,
    )


def find_session(runtime: Runtime, token: str | None) -> SessionView | None:
    """The live session a token names, looked up now; None when there is none."""
    session_id = read_token(runtime, token) if token else None
    if session_id is None:
        return None
    now = runtime.clock.now()
    named = {"b_session": session_id, "b_now": now}
    with runtime.database.connect() as connection:
        row = connection.execute(LIVE_SESSION, named).one_or_none()
    if row is None:
        return None
    if row.session_used_at is None or now - row.session_used_at >= USED_EVERY:
        _note_use(runtime, session_id, now)
    csrf_key = runtime.vault.derive(f"csrf:{row.session_id}")
    account = account_view(runtime, row)
    return SessionView(row.session_id, account, csrf_key, row.session_expires_at, row.session_confirmed_at)


def _note_use(runtime: Runtime, session_id: str, now: datetime) -> None:
    with runtime.database.write() as session:
        session.execute(update(SessionRow).where(SessionRow.id == session_id).values(last_used_at=now))


def list_sessions(runtime: Runtime, owner_id: str, current_id: str | None = None) -> tuple[SessionInfo, ...]:
    """A person's live sign-ins, the one used last first."""
    live = (
        SessionRow.account_id == owner_id,
        SessionRow.ended_at.is_(None),
        SessionRow.expires_at > runtime.clock.now(),
    )
    with runtime.database.read() as session:
        rows = session.scalars(select(SessionRow).where(*live)).all()
    views = (
        SessionInfo(
            row.id,
            runtime.vault.open_text(owner_id, f"sessions.device:{row.id}", row.device),
            row.created_at,
            row.last_used_at or row.created_at,
            row.expires_at,
            row.id == current_id,
        )
        for row in rows
    )
    return tuple(sorted(views, key=lambda view: (view.is_current, view.last_used_at), reverse=True))


def live_sessions(runtime: Runtime, session_ids: Collection[str]) -> frozenset[str]:
    """Those of these sessions that have not ended, in one query."""
    live = (SessionRow.id.in_(session_ids), SessionRow.ended_at.is_(None), SessionRow.expires_at > runtime.clock.now())
    with runtime.database.read() as session:
        return frozenset(session.scalars(select(SessionRow.id).where(*live)))


def find_account(runtime: Runtime, email: str) -> Account | None:
    """A person by address, through the blind index."""
    index = runtime.vault.blind_index("email", clean_email(email))
    with runtime.database.read() as session:
        row = session.scalar(select(AccountRow).where(AccountRow.email_index == index))
    return account_view(runtime, row) if row else None


def get_account(runtime: Runtime, account_id: str) -> Account:
    """A person by id. Raises NotFound."""
    with runtime.database.read() as session:
        return account_of(runtime, session, account_id)


def account_of(runtime: Runtime, session: Session, account_id: str) -> Account:
    """A person by id, in the caller's transaction. Raises NotFound."""
    row = session.get(AccountRow, account_id)
    if row is None:
        raise NotFound("ACCOUNT_NOT_FOUND", "There is no such account.")
    return account_view(runtime, row)


def address_of(runtime: Runtime, session: Session, account_id: str) -> str | None:
    """The address of a person, in the caller's transaction; None for who has none."""
    sealed = session.scalar(select(AccountRow.email).where(AccountRow.id == account_id))
    return None if sealed is None else runtime.vault.open_text(account_id, f"accounts.email:{account_id}", sealed)


def list_accounts(runtime: Runtime) -> tuple[Account, ...]:
    """Every person, oldest first; not the operator."""
    with runtime.database.read() as session:
        rows = session.scalars(
            select(AccountRow).where(AccountRow.is_operator.is_(False)).order_by(AccountRow.id)
        ).all()
    return tuple(account_view(runtime, row) for row in rows)


def plans_of(runtime: Runtime, account_ids: Collection[str]) -> dict[str, str]:
    """The plans of people, by account id."""
    with runtime.database.read() as session:
        rows = session.execute(select(AccountRow.id, AccountRow.plan).where(AccountRow.id.in_(list(account_ids))))
        return dict(rows.tuples().all())


def plans_to_sweep(session: Session, *, after: str = "", limit: int = 500) -> dict[str, str]:
    """Plans by account id, in the order of the ids: of those whose data may be deleted by its age, the operator too."""
    some = select(AccountRow.id, AccountRow.plan).where(processable(), AccountRow.id > after)
    return dict(session.execute(some.order_by(AccountRow.id).limit(limit)).tuples().all())


def people_on(plans: Collection[str]) -> Select[str]:
    """The ids of those who have one of some plans, for a condition of another room's query; never the operator."""
    return select(AccountRow.id).where(AccountRow.plan.in_(plans), AccountRow.is_operator.is_(False))


def get_operator(runtime: Runtime) -> Account:
    """The system person on whose behalf the command line runs pipelines."""
    with runtime.database.read() as session:
        row = session.scalar(select(AccountRow).where(AccountRow.is_operator))
    if row is None:
        raise NotFound("NOT_MIGRATED", "The database is not prepared yet: run `stepiq migrate`.")
    return account_view(runtime, row)


def is_set_up(session: Session) -> bool:
    """Whether somebody was given an account; who signed up before the owner did does not end the set-up."""
    given = (AccountRow.is_operator.is_(False), AccountRow.signed_up.is_(False))
    return session.scalar(select(AccountRow.id).where(*given).limit(1)) is not None


def people_exist(session: Session) -> bool:
    """Whether any person has an account."""
    return session.scalar(select(AccountRow.id).where(AccountRow.is_operator.is_(False)).limit(1)) is not None


def needs_setup(runtime: Runtime) -> bool:
    """Whether the owner's account is still to be made."""
    with runtime.database.read() as session:
        return not is_set_up(session)


def setup_token_valid(runtime: Runtime, token: str) -> bool:
    """Whether a set-up link may still be used."""
    with runtime.database.read() as session:
        row = session.get(SetupToken, runtime.vault.blind_index("setup", token))
        return (
            row is not None and row.used_at is None and row.expires_at > runtime.clock.now() and not is_set_up(session)
        )


def list_own_keys(runtime: Runtime, owner_id: str) -> tuple[OwnKeyView, ...]:
    """A person's vendor keys, without their values."""
    with runtime.database.read() as session:
        rows = session.scalars(
            select(OwnKeyRow).where(OwnKeyRow.account_id == owner_id).order_by(OwnKeyRow.provider)
        ).all()
    return tuple(_key_view(row, _own_key(runtime, row)) for row in rows)


def own_key_providers(runtime: Runtime, owner_id: str) -> frozenset[str]:
    """The vendors a person has a key of their own for."""
    with runtime.database.connect() as connection:
        return frozenset(connection.execute(KEY_PROVIDERS, {"b_account": owner_id}).scalars())


def own_keys(runtime: Runtime, owner_id: str) -> dict[str, OwnKey]:
    """Vendor keys by provider, in plain text: for the engine's calls only."""
    with runtime.database.read() as session:
        rows = session.scalars(select(OwnKeyRow).where(OwnKeyRow.account_id == owner_id)).all()
    return {row.provider: _own_key(runtime, row) for row in rows}


def providers_with_own_keys(runtime: Runtime) -> frozenset[str]:
    """The providers that anybody has a key of their own for."""
    with runtime.database.read() as session:
        return frozenset(session.scalars(select(OwnKeyRow.provider).distinct()))


def own_key_hosts(runtime: Runtime, owner_id: str) -> dict[str, str]:
    """The host that a person's own key of a provider is sent to, for those that have an address of their own."""
    mine = select(OwnKeyRow).where(OwnKeyRow.account_id == owner_id, OwnKeyRow.base_url.is_not(None))
    with runtime.database.read() as session:
        rows = session.scalars(mine).all()
    addresses = {row.provider: _own_key(runtime, row).base_url or "" for row in rows}
    return {provider: urlsplit(address).hostname or "" for provider, address in addresses.items()}


def _key_view(row: OwnKeyRow, key: OwnKey) -> OwnKeyView:
    host = urlsplit(key.base_url).netloc if key.base_url else None
    return OwnKeyView(row.provider, "…" + key.secret[-4:], row.created_at, host)


def _own_key(runtime: Runtime, row: OwnKeyRow) -> OwnKey:
    opened = partial(runtime.vault.open_text, row.account_id)
    base_url = opened(f"own_keys.base_url:{row.id}", row.base_url) if row.base_url is not None else None
    return OwnKey(opened(f"own_keys.secret:{row.id}", row.secret), base_url)


def list_secrets(runtime: Runtime, owner_id: str, *, pipeline_id: str | None = None) -> tuple[SecretView, ...]:
    """The secrets of one scope by name, never their values: those of a pipeline, or (None) those for all pipelines."""
    with runtime.database.read() as session:
        rows = session.scalars(select(SecretRow).where(*in_scope(owner_id, pipeline_id))).all()
    return tuple(sorted((secret_view(runtime, row) for row in rows), key=lambda view: view.name))


def secret_names(runtime: Runtime, owner_id: str, pipeline_id: str | None = None) -> frozenset[str]:
    """The names that `{{env.NAME}}` can say in a pipeline; without one, those for all pipelines."""
    return frozenset(_name(runtime, row) for row in _usable(runtime, owner_id, pipeline_id))


def secret_values(runtime: Runtime, owner_id: str, pipeline_id: str | None = None) -> dict[str, str]:
    """Secrets by name, in plain text: for the engine's steps and its masking only.

    A pipeline's own secret comes before one of the same name for all pipelines.
    """
    rows = sorted(_usable(runtime, owner_id, pipeline_id), key=lambda row: row.pipeline_id is not None)
    return {_name(runtime, row): _value(runtime, row) for row in rows}


def secret_index(runtime: Runtime, owner_id: str, pipeline_id: str | None, name: str) -> bytes:
    """The keyed hash by which a secret is looked up in its scope; gone with the owner's key."""
    return runtime.vault.keyed_hash(owner_id, "secret-name")(f"{pipeline_id or ''}/{name}".encode())


def secret_view(runtime: Runtime, row: SecretRow) -> SecretView:
    """A row without its value."""
    return SecretView(_name(runtime, row), row.pipeline_id, row.created_at, row.updated_at, row.last_used_at)


def in_scope(owner_id: str, pipeline_id: str | None) -> tuple[ColumnElement[bool], ...]:
    """The conditions of one scope."""
    scope = SecretRow.pipeline_id.is_(None) if pipeline_id is None else SecretRow.pipeline_id == pipeline_id
    return SecretRow.account_id == owner_id, scope


def _usable(runtime: Runtime, owner_id: str, pipeline_id: str | None) -> list[SecretRow]:
    scopes: list[ColumnElement[bool]] = [SecretRow.pipeline_id.is_(None)]
    if pipeline_id is not None:
        scopes.append(SecretRow.pipeline_id == pipeline_id)
    with runtime.database.read() as session:
        return list(session.scalars(select(SecretRow).where(SecretRow.account_id == owner_id, or_(*scopes))))


def _name(runtime: Runtime, row: SecretRow) -> str:
    return runtime.vault.open_text(row.account_id, f"secrets.name:{row.id}", row.name)


def _value(runtime: Runtime, row: SecretRow) -> str:
    return runtime.vault.open_text(row.account_id, f"secrets.value:{row.id}", row.value)


def admin_ids(session: Session) -> tuple[str, ...]:
    """The ids of all admins who are not suspended, in the caller's transaction."""
    is_admin = ("," + AccountRow.roles + ",").contains(",admin,")
    here = (is_admin, AccountRow.is_operator.is_(False), AccountRow.suspended_at.is_(None))
    found = select(AccountRow.id).where(*here).order_by(AccountRow.id)
    return tuple(session.scalars(found))


def people_made_before(moment: datetime) -> Select[str]:
    """The ids of those who had an account before a moment, for a condition of another room's query; no operator."""
    return select(AccountRow.id).where(AccountRow.created_at < moment, AccountRow.is_operator.is_(False))


def installation_overview(runtime: Runtime) -> InstallationOverview:
    """Counts of people, for the admins' first page. Along indexes: no row of a person's is read."""
    by_plan = select(AccountRow.plan, func.count()).group_by(AccountRow.plan)
    operator = select(AccountRow.plan).where(AccountRow.email_index.is_(None), AccountRow.is_operator)
    with_roles = select(AccountRow.roles, func.count()).where(AccountRow.roles > "").group_by(AccountRow.roles)
    with runtime.database.read() as session:
        counts = dict(session.execute(by_plan).tuples().all())
        roles = session.execute(with_roles).tuples().all()
        for plan in session.scalars(operator):
            counts[plan] -= 1
    admins = sum(number for held, number in roles if "admin" in held.split(","))
    counts = {plan: number for plan, number in counts.items() if number}
    return InstallationOverview(people=sum(counts.values()), admins=admins, by_plan=counts)
