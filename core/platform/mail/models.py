"""The outbox: mails that were decided on, written in the same transaction as what caused them."""

from datetime import datetime

from sqlalchemy import CheckConstraint, Index, Integer, LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column

from core.platform.annotations import not_personal, personal
from core.platform.database import Base, UtcDateTime

MAIL = "transactional mail"
KEPT = {"retention": "plan_logs", "anchor": "mail_outbox.ended_at"}


class MailRow(Base):
    """One mail to one person. Its content is gone once it has ended: the kind and the times stay.

    `attempts` is counted at each claim and fences it: who lost a claim finds a higher number and records nothing.
    """

    __tablename__ = "mail_outbox"
    __table_args__ = (
        Index(None, "state", "next_attempt_at"),
        Index(None, "state", "id"),
        Index(None, "account_id", "ended_at"),
        CheckConstraint("state IN ('queued', 'sent', 'failed', 'dropped')", name="state"),
        CheckConstraint("(state = 'queued') = (content IS NOT NULL)", name="content"),
    )

    id: Mapped[str] = mapped_column(String(36), primary_key=True, info=not_personal("opaque id"))
    account_id: Mapped[str | None] = mapped_column(
        String(36), info=not_personal("opaque account id; empty for a person without an account")
    )
    cause: Mapped[bytes] = mapped_column(
        LargeBinary, unique=True, info=not_personal("keyed hash of what caused the mail, so that it is mailed once")
    )
    kind: Mapped[str] = mapped_column(
        String(40), info=personal("user.contact.email", MAIL, "Kind of a mail sent to you", origin="observed", **KEPT)
    )
    language: Mapped[str] = mapped_column(
        String(2), info=personal("user.account.settings", MAIL, "Language of a mail", origin="derived", **KEPT)
    )
    content: Mapped[bytes | None] = mapped_column(
        LargeBinary,
        info=personal(
            "user.contact.email",
            MAIL,
            "Address and content of a mail not sent yet",
            retention="short_lived",
            erase="shred-key",
            recipients=("mail server",),
        ),
    )
    state: Mapped[str] = mapped_column(String(10), info=not_personal("queued, sent, failed or dropped"))
    reason: Mapped[str | None] = mapped_column(
        String(40), info=not_personal("code of what the last try met, never the server's text")
    )
    attempts: Mapped[int] = mapped_column(Integer, info=not_personal("number of tries"))
    created_at: Mapped[datetime] = mapped_column(
        UtcDateTime, info=personal("user.behavior", MAIL, "Mail decided on", origin="observed", **KEPT)
    )
    next_attempt_at: Mapped[datetime] = mapped_column(UtcDateTime, info=not_personal("when it is tried next"))
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime, info=not_personal("when it is no longer worth sending"))
    lease_until: Mapped[datetime | None] = mapped_column(
        UtcDateTime, info=not_personal("until when the process that sends it has it to itself")
    )
    ended_at: Mapped[datetime | None] = mapped_column(
        UtcDateTime, info=personal("user.behavior", MAIL, "Mail sent or given up", origin="observed", **KEPT)
    )
