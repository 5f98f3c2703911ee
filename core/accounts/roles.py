"""Roles: who may give and take them, and that one admin always remains."""

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from core.accounts.audit import record_act
from core.accounts.domain import SessionView, clean_roles
from core.accounts.models import AccountRow, InvitationRow
from core.accounts.sessions import check_confirmed
from core.platform.runtime import Runtime
from core.shared.errors import Conflict, Forbidden, NotFound


def check_admin(runtime: Runtime, view: SessionView, *, confirmed: bool = False) -> None:
    """Raises Forbidden for who is no admin; with `confirmed` also where the password was not entered lately."""
    if not view.account.is_admin:
        raise Forbidden("NOT_ADMIN", "Only an admin may do this.")
    if confirmed:
        check_confirmed(runtime, view)


def set_roles(runtime: Runtime, by: SessionView, account_id: str, roles: tuple[str, ...]) -> None:
    """Give a person exactly these roles. Raises Forbidden, NotFound, and Conflict LAST_ADMIN."""
    check_admin(runtime, by, confirmed=True)
    wanted = clean_roles(roles)
    with runtime.database.write() as session:
        if "admin" not in wanted:
            check_not_last_admin(session, account_id)
        row = session.get(AccountRow, account_id, with_for_update=True)
        if row is None or row.is_operator:
            raise NotFound("ACCOUNT_NOT_FOUND", "There is no such account.")
        before, row.roles = row.roles, ",".join(wanted)
        if "admin" not in wanted:
            # What this person gave away as an admin counts no more.
            unused = (InvitationRow.invited_by == account_id, InvitationRow.used_at.is_(None))
            session.execute(delete(InvitationRow).where(*unused))
        if row.roles != before:
            record_act(
                runtime, session, "account.roles_changed",
                actor_id=by.account.id, subject_id=account_id, before=before, after=row.roles,
            )  # fmt: skip


def check_not_last_admin(session: Session, account_id: str, *, leaving: frozenset[str] = frozenset()) -> None:
    """Raises Conflict LAST_ADMIN where no admin is left beside this person; joins the caller's transaction.

    `leaving`: those who asked for their deletion, who do not count.
    """
    admins = lock_admins(session)
    if account_id in admins and not admins - leaving - {account_id}:
        raise Conflict("LAST_ADMIN", "This is the last admin. Make somebody else an admin first.")


def lock_admins(session: Session) -> frozenset[str]:
    """The ids of all admins who can act, locked together in one order: two who remove each other at once must not both
    succeed. Who is suspended does not count."""
    columns = (AccountRow.id, AccountRow.roles, AccountRow.suspended_at)
    people = select(*columns).where(AccountRow.roles != "", AccountRow.is_operator.is_(False))
    rows = session.execute(people.order_by(AccountRow.id).with_for_update()).tuples().all()
    return frozenset(id for id, roles, since in rows if since is None and "admin" in roles.split(","))


def holders_of(session: Session, role: str) -> frozenset[str]:
    """The ids of those who have a role, are not leaving and not suspended, in the caller's transaction."""
    here = (AccountRow.roles != "", AccountRow.closing_at.is_(None), AccountRow.suspended_at.is_(None))
    people = select(AccountRow.id, AccountRow.roles).where(*here)
    return frozenset(id for id, roles in session.execute(people).tuples() if role in roles.split(","))
