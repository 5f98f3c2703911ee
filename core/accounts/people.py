"""People as operators find them: a page at a time, by exact address, by the beginning of an id, or by their state.

Addresses are sealed, so nobody can be searched by a part of one; the exact address is found through its blind index.
Each page goes along an index, and no more addresses are opened than it shows.
"""

import re
from dataclasses import dataclass, field
from datetime import datetime
from itertools import combinations
from typing import Literal

from sqlalchemy import ColumnElement, func, select

from core.accounts.domain import ROLES, clean_email
from core.accounts.models import AccountRow, ApiKeyRow, SessionRow
from core.accounts.plans import PLANS
from core.platform.bounded import MANY, count_up_to
from core.platform.runtime import Runtime
from core.shared.errors import AppError, InvalidInput, NotFound
from core.shared.pages import Page

StandingName = Literal["active", "suspended", "restricted", "closing"]
STANDINGS: tuple[StandingName, ...] = ("active", "suspended", "restricted", "closing")
_PATTERN = "00000000-0000-0000-0000-000000000000"
_COLUMNS: dict[str, ColumnElement[datetime | None]] = {
    "suspended": AccountRow.__table__.c.suspended_at,
    "restricted": AccountRow.__table__.c.restricted_at,
    "closing": AccountRow.__table__.c.closing_at,
}


@dataclass(frozen=True, slots=True)
class PersonView:
    """A person in a list. Address and name are empty where the key of who leaves is gone."""

    id: str
    email: str = field(repr=False)
    name: str = field(repr=False)
    plan: str
    roles: frozenset[str]
    created_at: datetime
    signed_in_at: datetime | None
    has_second_factor: bool
    suspended_at: datetime | None
    restricted_at: datetime | None
    closing_at: datetime | None

    @property
    def standing(self) -> StandingName:
        """The state that says most: one who leaves is closing, whatever else."""
        if self.closing_at is not None:
            return "closing"
        if self.suspended_at is not None:
            return "suspended"
        return "active" if self.restricted_at is None else "restricted"


@dataclass(frozen=True, slots=True)
class PersonFigures:
    """What a person has, in numbers."""

    sessions: int
    api_keys: int
    api_key_used_at: datetime | None


def list_people(
    runtime: Runtime,
    *,
    text: str = "",
    plan: str | None = None,
    role: str | None = None,
    standing: str | None = None,
    limit: int = 50,
    cursor: str | None = None,
) -> Page[PersonView]:
    """People, newest first. `text`: a whole address, or the beginning of an account id. Raises InvalidInput."""
    query = select(AccountRow).where(AccountRow.is_operator.is_(False), *_found_by(runtime, text.strip()))
    if plan in PLANS:
        query = query.where(AccountRow.plan == plan)
    if role in ROLES:
        query = query.where(AccountRow.roles.in_(_roles_with(role)))
    if standing == "active":
        query = query.where(*(column.is_(None) for column in _COLUMNS.values()))
    elif standing in _COLUMNS:
        query = query.where(_COLUMNS[standing].is_not(None))
    if cursor:
        query = query.where(AccountRow.id < cursor)
    with runtime.database.read() as session:
        rows = session.scalars(query.order_by(AccountRow.id.desc()).limit(limit + 1)).all()
    items = tuple(_view(runtime, row) for row in rows[:limit])
    return Page(items, items[-1].id if len(rows) > limit else None)


def count_people(runtime: Runtime) -> int:
    """How many have an account, up to MANY. The operator is nobody, and is not counted."""
    with runtime.database.read() as session:
        return max(0, count_up_to(session, select(AccountRow.id), MANY + 1) - 1)


def get_person(runtime: Runtime, account_id: str) -> PersonView:
    """One person. Raises NotFound."""
    with runtime.database.read() as session:
        row = session.get(AccountRow, account_id)
    if row is None or row.is_operator:
        raise NotFound("ACCOUNT_NOT_FOUND", "There is no such account.")
    return _view(runtime, row)


def person_figures(runtime: Runtime, account_id: str) -> PersonFigures:
    """Sign-ins and keys of a person, in numbers."""
    now = runtime.clock.now()
    live = (SessionRow.account_id == account_id, SessionRow.ended_at.is_(None), SessionRow.expires_at > now)
    keys = select(func.count(), func.max(ApiKeyRow.last_used_at)).where(ApiKeyRow.account_id == account_id)
    with runtime.database.read() as session:
        sessions = session.scalar(select(func.count()).select_from(SessionRow).where(*live)) or 0
        number, used_at = session.execute(keys).one()
    return PersonFigures(sessions, number, used_at)


def id_range(beginning: str) -> tuple[str, str] | None:
    """The smallest and the largest id that begin so, as whole ids: these compare alike under every collation."""
    written = beginning.lower()
    if not 4 <= len(written) <= len(_PATTERN) or not re.fullmatch("[0-9a-f-]+", written):
        return None
    if any((mark == "-") != (_PATTERN[at] == "-") for at, mark in enumerate(written)):
        return None
    rest = _PATTERN[len(written) :]
    return written + rest, written + rest.replace("0", "f")


def _found_by(runtime: Runtime, text: str) -> tuple[ColumnElement[bool], ...]:
    if not text:
        return ()
    if "@" in text:
        return (AccountRow.email_index == runtime.vault.blind_index("email", clean_email(text)),)
    ids = id_range(text)
    if ids is None:
        raise InvalidInput(
            "SEARCH",
            "Search by a whole address, or by the beginning of an account id (at least 4 characters). Addresses are "
            "encrypted, so a part of one cannot be found.",
            field="text",
        )
    return AccountRow.id >= ids[0], AccountRow.id <= ids[1]


def _roles_with(role: str) -> list[str]:
    """Every value of the column that holds this role."""
    sets = (each for size in range(1, len(ROLES) + 1) for each in combinations(ROLES, size))
    return [",".join(each) for each in sets if role in each]


def _view(runtime: Runtime, row: AccountRow) -> PersonView:
    return PersonView(
        id=row.id,
        email=_opened(runtime, row.id, "email", row.email),
        name=_opened(runtime, row.id, "name", row.name),
        plan=row.plan,
        roles=frozenset(filter(None, row.roles.split(","))),
        created_at=row.created_at,
        signed_in_at=row.signed_in_at,
        has_second_factor=row.totp_on_at is not None,
        suspended_at=row.suspended_at,
        restricted_at=row.restricted_at,
        closing_at=row.closing_at,
    )


def _opened(runtime: Runtime, account_id: str, column: str, sealed: bytes | None) -> str:
    if sealed is None:
        return ""
    try:
        return runtime.vault.open_text(account_id, f"accounts.{column}:{account_id}", sealed)
    except AppError as gone:
        if gone.code != "KEY_GONE":
            raise
        return ""
