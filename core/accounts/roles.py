"""Roles: who may give and take them, and that one admin always remains."""

from sqlalchemy import select

from core.accounts.audit import record_act
from core.accounts.domain import SessionView, clean_roles
from core.accounts.models import AccountRow
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
    admins = select(AccountRow).where(AccountRow.is_operator.is_(False)).order_by(AccountRow.id).with_for_update()
    with runtime.database.write() as session:
        # Locked together, in one order: two admins who remove each other at once must not both succeed.
        rows = {row.id: row for row in session.scalars(admins.where(AccountRow.roles != "")) if row.roles}
        row = rows.get(account_id) or session.get(AccountRow, account_id)
        if row is None or row.is_operator:
            raise NotFound("ACCOUNT_NOT_FOUND", "There is no such account.")
        others = any("admin" in other.roles.split(",") for other in rows.values() if other.id != account_id)
        if "admin" not in wanted and not others:
            raise Conflict("LAST_ADMIN", "This is the last admin. Make somebody else an admin first.")
        before, row.roles = row.roles, ",".join(wanted)
        if row.roles != before:
            record_act(
                runtime, session, "account.roles_changed",
                actor_id=by.account.id, subject_id=account_id, before=before, after=row.roles,
            )  # fmt: skip
