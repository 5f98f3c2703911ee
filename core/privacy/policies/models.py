"""Tables of policies: versions, the drafts of admins, and who was told about which version."""

from datetime import date, datetime

from sqlalchemy import Boolean, CheckConstraint, Date, ForeignKey, Index, Integer, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from core.platform.annotations import not_personal, personal
from core.platform.database import Base, UtcDateTime

NOTICES = "policy notices"
LAW = {"legal_basis": "legal_obligation", "legal_ref": "GDPR Art. 5(2) and 12(1)", "origin": "observed"}


class PolicyVersionRow(Base):
    """A text that was published. It is never changed afterwards, only taken back before its day."""

    __tablename__ = "policy_versions"
    __table_args__ = (
        UniqueConstraint("document", "version"),
        CheckConstraint("state IN ('published', 'withdrawn')", name="state"),
    )

    id: Mapped[str] = mapped_column(String(36), primary_key=True, info=not_personal("opaque id"))
    document: Mapped[str] = mapped_column(String(10), info=not_personal("privacy or terms"))
    version: Mapped[str] = mapped_column(String(14), info=not_personal("the day from which it counts"))
    text: Mapped[str] = mapped_column(Text, info=not_personal("public text of the installation"))
    source: Mapped[str] = mapped_column(Text, info=not_personal("the same text with its names and tables still open"))
    summary: Mapped[str] = mapped_column(Text, info=not_personal("public text of the installation"))
    material: Mapped[bool] = mapped_column(Boolean, info=not_personal("whether it changes something for people"))
    state: Mapped[str] = mapped_column(String(10), info=not_personal("published or withdrawn"))
    shipped: Mapped[bool] = mapped_column(Boolean, info=not_personal("whether it came with the software"))
    effective_at: Mapped[datetime] = mapped_column(UtcDateTime, info=not_personal("from when it counts"))
    published_at: Mapped[datetime] = mapped_column(UtcDateTime, info=not_personal("when it was published"))
    published_by: Mapped[str | None] = mapped_column(
        String(36), info=not_personal("opaque account id; none for what came with the software")
    )
    withdrawn_at: Mapped[datetime | None] = mapped_column(UtcDateTime, info=not_personal("when it was taken back"))


class PolicyDraftRow(Base):
    """What the next version of a document may say; one a document."""

    __tablename__ = "policy_drafts"

    document: Mapped[str] = mapped_column(String(10), primary_key=True, info=not_personal("privacy or terms"))
    text: Mapped[str] = mapped_column(Text, info=not_personal("text of the installation"))
    summary: Mapped[str] = mapped_column(Text, info=not_personal("text of the installation"))
    material: Mapped[bool] = mapped_column(Boolean, info=not_personal("whether it changes something for people"))
    effective_on: Mapped[date | None] = mapped_column(Date, info=not_personal("from which day it is to count"))
    revision: Mapped[int] = mapped_column(Integer, info=not_personal("how often it was saved"))
    saved_at: Mapped[datetime] = mapped_column(UtcDateTime, info=not_personal("when it was saved"))
    saved_by: Mapped[str] = mapped_column(String(36), info=not_personal("opaque account id"))


class PolicyNoticeRow(Base):
    """That a person was told about a version that is to come: one row an account and version."""

    __tablename__ = "policy_notices"
    __table_args__ = (Index(None, "version_id", "retracted_at"),)

    account_id: Mapped[str] = mapped_column(ForeignKey("accounts.id"), primary_key=True, info=not_personal("opaque id"))
    version_id: Mapped[str] = mapped_column(
        ForeignKey("policy_versions.id"), primary_key=True, info=not_personal("opaque id")
    )
    mailed_at: Mapped[datetime | None] = mapped_column(
        UtcDateTime, info=personal("user.behavior", NOTICES, "Mail about a change of policy written", **LAW)
    )
    seen_at: Mapped[datetime | None] = mapped_column(
        UtcDateTime, info=personal("user.behavior", NOTICES, "Notice of a change of policy shown in the app", **LAW)
    )
    dismissed_at: Mapped[datetime | None] = mapped_column(
        UtcDateTime, info=personal("user.behavior", NOTICES, "Notice of a change of policy put away", **LAW)
    )
    retracted_at: Mapped[datetime | None] = mapped_column(
        UtcDateTime, info=personal("user.behavior", NOTICES, "Mail that a change was taken back written", **LAW)
    )
    passed_at: Mapped[datetime | None] = mapped_column(
        UtcDateTime, info=not_personal("when the mailing came to this person, whether or not a mail could be written")
    )
