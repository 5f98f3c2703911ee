"""Invitations: a one-time link with which somebody may make an account, for one address or for who has the link."""

import secrets
from datetime import datetime, timedelta
from typing import Any, cast

from sqlalchemy import delete, or_, select, update
from sqlalchemy.engine import CursorResult
from sqlalchemy.orm import Session

from core.accounts.audit import record_act
from core.accounts.domain import Admission, InvitationView, SessionView, clean_email, clean_language, clean_roles
from core.accounts.models import InvitationRow
from core.accounts.new_accounts import default_plan
from core.accounts.plans import check_plan
from core.accounts.roles import check_admin
from core.platform.mail.postings import enqueue_mail
from core.platform.runtime import Runtime
from core.shared.errors import Forbidden, NotFound
from core.shared.pages import Page

INVITATION_LIFE = timedelta(days=7)


def invite(
    runtime: Runtime,
    by: SessionView,
    *,
    email: str | None = None,
    plan: str | None = None,
    roles: tuple[str, ...] = (),
    language: str = "en",
) -> str:
    """Make an invitation and answer its link, seen this once; with `email` it is mailed and counts for that address.

    Raises Forbidden for who is no admin, or gives away roles without having entered the password lately.
    """
    check_admin(runtime, by, confirmed=bool(roles))
    wanted = plan or default_plan(runtime)
    check_plan(wanted)
    address = clean_email(email) if email and email.strip() else None
    token, row_id, now = secrets.token_urlsafe(24), runtime.ids.new(), runtime.clock.now()
    row = InvitationRow(
        id=row_id,
        token_hash=_hash(runtime, token),
        invited_by=by.account.id,
        plan=wanted,
        roles=",".join(clean_roles(roles)),
        created_at=now,
        expires_at=now + INVITATION_LIFE,
    )
    link = f"{runtime.settings.public_url}/auth/register?invitation={token}"
    with runtime.database.write() as session:
        if address is not None:
            row.email_index = runtime.vault.blind_index("email", address)
            row.email = runtime.vault.seal_text(by.account.id, f"invitations.email:{row_id}", address)
            values = {"register_url": link, "days": str(INVITATION_LIFE.days)}
            enqueue_mail(
                runtime, session, kind="invitation", to=address, values=values, cause=f"invitation:{row_id}",
                language=clean_language(language),
            )  # fmt: skip
        session.add(row)
        record_act(
            runtime, session, "account.invited", actor_id=by.account.id, subject_id=row_id, plan=wanted, roles=row.roles
        )
    return link


def revoke_invitation(runtime: Runtime, by: SessionView, invitation_id: str) -> None:
    """Take an unused invitation back. Raises Forbidden, NotFound."""
    check_admin(runtime, by)
    unused = (InvitationRow.id == invitation_id, InvitationRow.used_at.is_(None))
    with runtime.database.write() as session:
        done = session.execute(delete(InvitationRow).where(*unused))
        if cast(CursorResult[Any], done).rowcount != 1:
            raise NotFound("INVITATION_NOT_FOUND", "There is no such invitation, or it was used.")
        record_act(runtime, session, "account.invitation_revoked", actor_id=by.account.id, subject_id=invitation_id)


def list_invitations(runtime: Runtime, limit: int = 200, cursor: str | None = None) -> Page[InvitationView]:
    """Invitations that can still be used, newest first. For admins."""
    open_rows = (InvitationRow.used_at.is_(None), InvitationRow.expires_at > runtime.clock.now())
    query = select(InvitationRow).where(*open_rows).order_by(InvitationRow.id.desc()).limit(limit + 1)
    if cursor:
        query = query.where(InvitationRow.id < cursor)
    with runtime.database.read() as session:
        rows = session.scalars(query).all()
    views = tuple(
        InvitationView(
            row.id,
            _address(runtime, row),
            row.plan,
            frozenset(filter(None, row.roles.split(","))),
            row.created_at,
            row.expires_at,
            row.used_at,
        )
        for row in rows[:limit]
    )
    return Page(views, views[-1].id if len(rows) > limit else None)


def find_admission(runtime: Runtime, token: str, address: str | None = None) -> Admission:
    """What an invitation allows; with `address` also whether it counts for that one. Raises Forbidden."""
    with runtime.database.read() as session:
        row = session.scalar(select(InvitationRow).where(InvitationRow.token_hash == _hash(runtime, token)))
    meant = row is not None and (
        address is None or row.email_index in (None, runtime.vault.blind_index("email", address))
    )
    if row is None or row.used_at is not None or row.expires_at <= runtime.clock.now() or not meant:
        raise _invalid()
    return Admission(row.plan, tuple(filter(None, row.roles.split(","))), row.id, _address(runtime, row))


def use_invitation(runtime: Runtime, session: Session, admission: Admission, account_id: str) -> str | None:
    """Use an invitation up in the caller's transaction; answers who invited. Raises Forbidden when it was used."""
    if admission.invitation_id is None:
        return None
    now = runtime.clock.now()
    unused = (
        InvitationRow.id == admission.invitation_id,
        InvitationRow.used_at.is_(None),
        InvitationRow.expires_at > now,
    )
    # The address is in the account now, under the key of its person.
    used = update(InvitationRow).where(*unused).values(used_at=now, used_by=account_id, email=None, email_index=None)
    invited_by: str | None = session.scalar(used.returning(InvitationRow.invited_by))
    if invited_by is None:
        raise _invalid()
    return invited_by


def delete_old_invitations(runtime: Runtime, *, before: datetime) -> int:
    """Delete invitations that were used or ended before a moment; returns how many."""
    over = or_(InvitationRow.expires_at < before, InvitationRow.used_at < before)
    with runtime.database.write() as session:
        return cast(CursorResult[Any], session.execute(delete(InvitationRow).where(over))).rowcount


def _address(runtime: Runtime, row: InvitationRow) -> str | None:
    if row.email is None:
        return None
    return runtime.vault.open_text(row.invited_by, f"invitations.email:{row.id}", row.email)


def _invalid() -> Forbidden:
    return Forbidden(
        "INVITATION_INVALID",
        "This invitation was used, taken back, is older than a week, or is for another address. Ask for a new one.",
    )


def _hash(runtime: Runtime, token: str) -> bytes:
    return runtime.vault.blind_index("invitation", token)
