"""Tables of retention: legal holds, and what each sweep deleted, in counts."""

from datetime import datetime

from sqlalchemy import Index, LargeBinary, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from core.platform.annotations import not_personal, personal
from core.platform.database import Base, UtcDateTime

PURPOSE = "legal claims"
CLAIM = {
    "legal_basis": "legal_obligation",
    "legal_ref": "GDPR Art. 17(3)(b) and (e)",
    "origin": "observed",
    "retention": "proof_5_years",
    "anchor": "ended_at",
    "erase": "retain-until(law)",
}


class LegalHoldRow(Base):
    """Something about a person that may not be deleted for a time: all of it, a category, or one row.

    `table_name` and `row_id` go together. `ended_at` is when it was lifted, or set by the sweep once it is over.
    """

    __tablename__ = "legal_holds"
    __table_args__ = (Index(None, "account_id"), Index(None, "ended_at"))

    id: Mapped[str] = mapped_column(String(36), primary_key=True, info=not_personal("opaque id"))
    # No foreign key: what is held is held after the account is gone.
    account_id: Mapped[str] = mapped_column(String(36), info=not_personal("opaque account id"))
    category: Mapped[str | None] = mapped_column(
        String(60), info=personal("user.account.settings", PURPOSE, "Kind of data kept for a legal claim", **CLAIM)
    )
    table_name: Mapped[str | None] = mapped_column(String(60), info=not_personal("table of the one row that is held"))
    row_id: Mapped[str | None] = mapped_column(String(80), info=not_personal("opaque id of the one row that is held"))
    law: Mapped[str] = mapped_column(
        String(120), info=personal("user.account.settings", PURPOSE, "Law that data is kept under", **CLAIM)
    )
    # Sealed with a key of its own: it has to be readable when the account's key is gone, and no longer than it counts.
    reason: Mapped[bytes] = mapped_column(
        LargeBinary,
        info=personal("user.account.settings", PURPOSE, "Why data is kept", **{**CLAIM, "export": "never"}),
    )
    until: Mapped[datetime] = mapped_column(
        UtcDateTime, info=personal("user.account.settings", PURPOSE, "Kept for a legal claim until", **CLAIM)
    )
    placed_by: Mapped[str] = mapped_column(String(36), info=not_personal("opaque account id of a privacy admin"))
    placed_at: Mapped[datetime] = mapped_column(
        UtcDateTime, info=personal("user.behavior", PURPOSE, "Kept for a legal claim since", **CLAIM)
    )
    cosigned_by: Mapped[str | None] = mapped_column(
        String(36), info=not_personal("opaque account id of who signed second")
    )
    cosigned_at: Mapped[datetime | None] = mapped_column(UtcDateTime, info=not_personal("when it was signed second"))
    ended_by: Mapped[str | None] = mapped_column(String(36), info=not_personal("opaque account id of who lifted it"))
    ended_at: Mapped[datetime | None] = mapped_column(UtcDateTime, info=not_personal("when it was lifted, or over"))


class RetentionSweepRow(Base):
    """A sweep: what it deleted by store and plan, and the oldest log it left by plan."""

    __tablename__ = "retention_sweeps"

    id: Mapped[str] = mapped_column(String(36), primary_key=True, info=not_personal("opaque id"))
    started_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True, info=not_personal("time of the machine"))
    finished_at: Mapped[datetime | None] = mapped_column(UtcDateTime, info=not_personal("time of the machine"))
    counts: Mapped[str] = mapped_column(Text, info=not_personal("numbers by store and plan, as JSON"))
    oldest: Mapped[str] = mapped_column(Text, info=not_personal("oldest kept log by plan, as JSON"))
