"""The second signature of a refusal or a legal hold: another privacy admin's, or the only one's, a day later."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from core.accounts.domain import SessionView
from core.accounts.roles import holders_of
from core.accounts.sessions import check_confirmed
from core.platform.runtime import Runtime
from core.privacy.domain import SIGN_AGAIN_AFTER
from core.shared.errors import Conflict, Forbidden

ROLE = "privacy_admin"


@dataclass(frozen=True, slots=True)
class FirstSignature:
    """Who signed first, when, and about whose data."""

    by: str
    at: datetime
    subject_id: str


def check_privacy_admin(runtime: Runtime, view: SessionView, subject_id: str, *, confirmed: bool = False) -> None:
    """Raises Forbidden for who is no privacy admin, and for who would handle a request of their own.

    With `confirmed` also where the password was not entered in the last 10 minutes.
    """
    if ROLE not in view.account.roles:
        message = "Only a privacy admin may do this. An admin gives the role under People."
        raise Forbidden("NOT_PRIVACY_ADMIN", message)
    if view.account.id == subject_id:
        raise Forbidden("OWN_REQUEST", "Nobody handles their own request. Another privacy admin does.")
    if confirmed:
        check_confirmed(runtime, view)


def privacy_admins(session: Session, *, without: str | None = None) -> frozenset[str]:
    """The ids of those who may handle requests, but for one person."""
    return holders_of(session, ROLE) - {without}


def check_second_signature(session: Session, first: FirstSignature, by: SessionView, now: datetime) -> bool:
    """Whether this person may sign second; answers True where they sign for the second time themselves.

    Raises Conflict SIGN_AGAIN_LATER or ANOTHER_MUST_SIGN.
    """
    if by.account.id != first.by:
        return False
    if len(privacy_admins(session, without=first.subject_id)) >= 2:
        raise Conflict("ANOTHER_MUST_SIGN", "You signed first. Another privacy admin signs second.")
    if now < first.at + SIGN_AGAIN_AFTER:
        opens = f"{first.at + SIGN_AGAIN_AFTER:%Y-%m-%d %H:%M} UTC"
        message = f"You are the only privacy admin: sign again after a night's sleep, from {opens} on."
        raise Conflict("SIGN_AGAIN_LATER", message)
    return True
