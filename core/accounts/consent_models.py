"""The table of choices: whether a person consented to a purpose, one row a choice."""

from datetime import datetime

from sqlalchemy import Boolean, ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from core.platform.annotations import not_personal, personal
from core.platform.database import Base, UtcDateTime

CONSENT = "consent"
PROOF = {"legal_basis": "legal_obligation", "legal_ref": "GDPR Art. 7(1)", "origin": "provided", "anchor": "chosen_at"}


class ConsentRow(Base):
    """A choice, kept as proof. The newest of a purpose counts, until it is six months old."""

    __tablename__ = "consents"
    __table_args__ = (Index(None, "account_id", "purpose", "chosen_at"),)

    id: Mapped[str] = mapped_column(String(36), primary_key=True, info=not_personal("opaque id"))
    account_id: Mapped[str] = mapped_column(ForeignKey("accounts.id"), info=not_personal("opaque id"))
    purpose: Mapped[str] = mapped_column(
        String(20), info=personal("user.account.settings", CONSENT, "What you were asked for", **PROOF)
    )
    granted: Mapped[bool] = mapped_column(
        Boolean, info=personal("user.account.settings", CONSENT, "Whether you said yes", **PROOF)
    )
    text_version: Mapped[str] = mapped_column(
        String(10), info=personal("user.account.settings", CONSENT, "Which text you were shown", **PROOF)
    )
    source: Mapped[str] = mapped_column(
        String(12), info=personal("user.account.settings", CONSENT, "Where you chose", **PROOF)
    )
    chosen_at: Mapped[datetime] = mapped_column(
        UtcDateTime, info=personal("user.account.settings", CONSENT, "When you chose", **PROOF)
    )
