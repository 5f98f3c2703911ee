"""What an admin does with a mail that is not sent yet: have it tried at once, or drop it."""

from core.accounts.audit import record_act
from core.accounts.domain import SessionView
from core.accounts.roles import check_admin
from core.platform.mail.postings import drop_mail, try_mail_now
from core.platform.runtime import Runtime
from core.shared.errors import Conflict


def send_again(runtime: Runtime, by: SessionView, mail_id: str) -> None:
    """Have a mail tried at the next look, in a few seconds. Raises Forbidden, Conflict for one that has ended."""
    check_admin(runtime, by)
    with runtime.database.write() as session:
        kind = try_mail_now(runtime, session, mail_id)
        if kind is None:
            raise _ended()
        record_act(runtime, session, "mail.tried_again", actor_id=by.account.id, subject_id=mail_id, kind=kind)


def drop(runtime: Runtime, by: SessionView, mail_id: str) -> None:
    """Let a mail never be sent; what it says is deleted at once. Raises Forbidden, Conflict for one that has ended."""
    check_admin(runtime, by, confirmed=True)
    with runtime.database.write() as session:
        kind = drop_mail(runtime, session, mail_id)
        if kind is None:
            raise _ended()
        record_act(runtime, session, "mail.dropped", actor_id=by.account.id, subject_id=mail_id, kind=kind)


def _ended() -> Conflict:
    return Conflict(
        "MAIL_ENDED",
        "This mail was sent, dropped or given up meanwhile. What a mail says is deleted when it ends, so it cannot be "
        "sent again; nothing was changed.",
    )
