"""What is written here within the caller's transaction."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, cast

from sqlalchemy import select, update
from sqlalchemy.engine import CursorResult
from sqlalchemy.orm import Session

from core.accounts.domain import Account
from core.accounts.models import AccountRow, SecretRow, SessionRow
from core.accounts.queries import account_view, secret_index
from core.platform.runtime import Runtime
from core.shared.errors import NotFound


def note_secrets_used(
    runtime: Runtime, session: Session, owner_id: str, pipeline_id: str | None, names: Iterable[str]
) -> None:
    """Note that a run used secrets: of each name the pipeline's own where there is one, else the one for all."""
    now = runtime.clock.now()
    for name in sorted(set(names)):
        for scope in dict.fromkeys((pipeline_id, None)):
            index = secret_index(runtime, owner_id, scope, name)
            used = (
                update(SecretRow)
                .where(SecretRow.account_id == owner_id, SecretRow.name_index == index)
                .values(last_used_at=now)
                .returning(SecretRow.id)
            )
            if session.execute(used).first() is not None:
                break


def end_sessions(runtime: Runtime, session: Session, owner_id: str, *, keep: str | None = None) -> int:
    """End a person's sign-ins but `keep`, in the caller's transaction; returns how many."""
    live = [SessionRow.account_id == owner_id, SessionRow.ended_at.is_(None)]
    if keep is not None:
        live.append(SessionRow.id != keep)
    done = session.execute(update(SessionRow).where(*live).values(ended_at=runtime.clock.now()))
    return cast(CursorResult[Any], done).rowcount


def lock_person(session: Session, account_id: str) -> None:
    """Make others who change this person wait for the caller's transaction."""
    session.execute(select(AccountRow.id).where(AccountRow.id == account_id).with_for_update())


def locked_account(runtime: Runtime, session: Session, account_id: str) -> Account:
    """A person as they are now, whom others wait for to change. Raises NotFound."""
    mine = select(AccountRow).where(AccountRow.id == account_id).with_for_update()
    row = session.scalar(mine.execution_options(populate_existing=True))
    if row is None:
        raise NotFound("ACCOUNT_NOT_FOUND", "There is no such account.")
    return account_view(runtime, row)


def write_plan(session: Session, account_id: str, plan: str) -> None:
    """Write a person's plan, in the caller's transaction; what a change means for credits, `core.credits` knows."""
    session.execute(update(AccountRow).where(AccountRow.id == account_id).values(plan=plan))


def write_restriction(session: Session, account_id: str, since: datetime | None) -> None:
    """Write since when the use of a person's data is restricted (None: it is not), in the caller's transaction."""
    session.execute(update(AccountRow).where(AccountRow.id == account_id).values(restricted_at=since))


def write_objection(session: Session, account_id: str, since: datetime | None) -> None:
    """Write since when a person objects to analytics and news (None: they do not), in the caller's transaction."""
    session.execute(update(AccountRow).where(AccountRow.id == account_id).values(objected_at=since))
