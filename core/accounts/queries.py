"""Reading people and their sessions."""

from collections.abc import Collection

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from core.accounts.domain import Account, InstallationOverview, OwnKeyView, SessionView, clean_email
from core.accounts.models import AccountRow, OwnKeyRow, SessionRow, SetupToken
from core.accounts.tokens import read_token
from core.platform.runtime import Runtime
from core.shared.errors import NotFound


def account_view(runtime: Runtime, row: AccountRow) -> Account:
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
    )


def find_session(runtime: Runtime, token: str | None) -> SessionView | None:
    """The live session a token names, looked up now; None when there is none."""
    session_id = read_token(runtime, token) if token else None
    if session_id is None:
        return None
    with runtime.database.read() as session:
        found = session.execute(
            select(SessionRow, AccountRow)
            .join(AccountRow, AccountRow.id == SessionRow.account_id)
            .where(
                SessionRow.id == session_id,
                SessionRow.ended_at.is_(None),
                SessionRow.expires_at > runtime.clock.now(),
            )
        ).one_or_none()
    if found is None:
        return None
    row, account = found
    return SessionView(row.id, account_view(runtime, account), runtime.vault.derive(f"csrf:{row.id}"), row.expires_at)


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


def list_accounts(runtime: Runtime) -> tuple[Account, ...]:
    """Every person, oldest first; not the operator."""
    with runtime.database.read() as session:
        rows = session.scalars(
            select(AccountRow).where(AccountRow.is_operator.is_(False)).order_by(AccountRow.id)
        ).all()
    return tuple(account_view(runtime, row) for row in rows)


def get_operator(runtime: Runtime) -> Account:
    """The system person on whose behalf the command line runs pipelines."""
    with runtime.database.read() as session:
        row = session.scalar(select(AccountRow).where(AccountRow.is_operator))
    if row is None:
        raise NotFound("NOT_MIGRATED", "The database is not prepared yet: run `stepiq migrate`.")
    return account_view(runtime, row)


def people_exist(session: Session) -> bool:
    """Whether any person has an account."""
    return session.scalar(select(AccountRow.id).where(AccountRow.is_operator.is_(False)).limit(1)) is not None


def needs_setup(runtime: Runtime) -> bool:
    """Whether the owner's account is still to be made."""
    with runtime.database.read() as session:
        return not people_exist(session)


def setup_token_valid(runtime: Runtime, token: str) -> bool:
    """Whether a set-up link may still be used."""
    with runtime.database.read() as session:
        row = session.get(SetupToken, runtime.vault.blind_index("setup", token))
        return (
            row is not None
            and row.used_at is None
            and row.expires_at > runtime.clock.now()
            and not people_exist(session)
        )


def list_own_keys(runtime: Runtime, owner_id: str) -> tuple[OwnKeyView, ...]:
    """A person's vendor keys, without their values."""
    with runtime.database.read() as session:
        rows = session.scalars(
            select(OwnKeyRow).where(OwnKeyRow.account_id == owner_id).order_by(OwnKeyRow.provider)
        ).all()
    return tuple(OwnKeyView(row.provider, "…" + _secret(runtime, row)[-4:], row.created_at) for row in rows)


def own_keys(runtime: Runtime, owner_id: str) -> dict[str, str]:
    """Vendor keys by provider, in plain text: for the engine's calls only."""
    with runtime.database.read() as session:
        rows = session.scalars(select(OwnKeyRow).where(OwnKeyRow.account_id == owner_id)).all()
    return {row.provider: _secret(runtime, row) for row in rows}


def _secret(runtime: Runtime, row: OwnKeyRow) -> str:
    return runtime.vault.open_text(row.account_id, f"own_keys.secret:{row.id}", row.secret)


def installation_overview(runtime: Runtime) -> InstallationOverview:
    """Counts of people, for the admins' first page."""
    with runtime.database.read() as session:
        people = AccountRow.is_operator.is_(False)
        by_plan = (
            session.execute(select(AccountRow.plan, func.count()).where(people).group_by(AccountRow.plan))
            .tuples()
            .all()
        )
        admins = (
            session.scalar(select(func.count()).where(people, ("," + AccountRow.roles + ",").contains(",admin,"))) or 0
        )
    counts = dict(by_plan)
    return InstallationOverview(people=sum(counts.values()), admins=admins, by_plan=counts)
