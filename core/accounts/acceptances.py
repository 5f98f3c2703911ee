"""Versions of policies that came to count for a person: shown when registering, or by using the service.

Using the service under a version is recorded once, with the version and the time. It is never taken for a consent:
those are asked for by themselves (`core.accounts.consents`).
"""

from collections.abc import Mapping
from typing import Literal

from sqlalchemy import func, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from core.accounts.domain import AcceptanceView
from core.accounts.models import PolicyAcceptanceRow
from core.platform.runtime import Runtime

Way = Literal["registration", "use"]
REMEMBERED = 100_000

_noted: set[tuple[int, str, str]] = set()


def write_acceptance(
    runtime: Runtime, session: Session, account_id: str, versions: Mapping[str, str], way: Way
) -> None:
    """Write in the caller's transaction which versions, by document, count for a person; what is known stays."""
    insert = sqlite.insert if runtime.database.is_sqlite else postgresql.insert
    now = runtime.clock.now()
    for document, version in sorted(versions.items()):
        row = insert(PolicyAcceptanceRow).values(
            account_id=account_id, document=document, version=version, way=way, at=now
        )
        session.execute(row.on_conflict_do_nothing())


def note_use(runtime: Runtime, account_id: str, versions: Mapping[str, str]) -> None:
    """Record the first use under these versions. Asked at every request: a process writes each only once."""
    key = (id(runtime.database), account_id, ",".join(map("=".join, sorted(versions.items()))))
    if key in _noted:
        return
    if len(_noted) > REMEMBERED:
        _noted.clear()
    mine = (PolicyAcceptanceRow.account_id == account_id,)
    with runtime.database.read() as session:
        known = session.execute(select(PolicyAcceptanceRow.document, PolicyAcceptanceRow.version).where(*mine)).all()
    if not set(versions.items()) <= {(document, version) for document, version in known}:
        try:
            with runtime.database.write() as session:
                write_acceptance(runtime, session, account_id, versions, "use")
        except IntegrityError:  # the account went meanwhile
            return
    _noted.add(key)


def list_acceptances(runtime: Runtime, account_id: str) -> tuple[AcceptanceView, ...]:
    """The versions that came to count for a person, newest first."""
    mine = select(PolicyAcceptanceRow).where(PolicyAcceptanceRow.account_id == account_id)
    with runtime.database.read() as session:
        rows = session.scalars(mine.order_by(PolicyAcceptanceRow.at.desc(), PolicyAcceptanceRow.document))
        return tuple(AcceptanceView(row.document, row.version, row.way, row.at) for row in rows)


def count_acceptances(runtime: Runtime, document: str, version: str) -> int:
    """For how many people a version counts."""
    mine = (PolicyAcceptanceRow.document == document, PolicyAcceptanceRow.version == version)
    with runtime.database.read() as session:
        return session.scalar(select(func.count()).select_from(PolicyAcceptanceRow).where(*mine)) or 0
