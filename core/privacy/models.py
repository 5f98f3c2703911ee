"""The table of requests of data subjects."""

from datetime import datetime

from sqlalchemy import Index, String
from sqlalchemy.orm import Mapped, mapped_column

from core.platform.annotations import not_personal, personal
from core.platform.database import Base, UtcDateTime

LAW = {"legal_basis": "legal_obligation", "legal_ref": "GDPR Art. 12", "origin": "observed"}


class PrivacyRequestRow(Base):
    """A right that a person used."""

    __tablename__ = "privacy_requests"
    __table_args__ = (Index(None, "status", "due_at"),)

    id: Mapped[str] = mapped_column(String(36), primary_key=True, info=not_personal("opaque id"))
    # No foreign key: that a request was answered is still known when the account is gone.
    account_id: Mapped[str] = mapped_column(String(36), index=True, info=not_personal("opaque account id"))
    right: Mapped[str] = mapped_column(
        String(20), info=personal("user.behavior", "data subject requests", "Right you used", **LAW)
    )
    status: Mapped[str] = mapped_column(
        String(20), info=personal("user.behavior", "data subject requests", "Where your request stands", **LAW)
    )
    received_at: Mapped[datetime] = mapped_column(
        UtcDateTime, info=personal("user.behavior", "data subject requests", "Request received", **LAW)
    )
    due_at: Mapped[datetime] = mapped_column(UtcDateTime, info=not_personal("by when it is answered"))
    closed_at: Mapped[datetime | None] = mapped_column(UtcDateTime, info=not_personal("when it ended"))
