"""The history of the console: what each admin asked, sealed with their own key."""

from datetime import datetime

from sqlalchemy import ForeignKey, Index, Integer, LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column

from core.platform.annotations import not_personal, personal
from core.platform.database import Base, UtcDateTime

KEPT = {
    "origin": "provided",
    "legal_basis": "legitimate_interests",
    "legal_ref": "GDPR Art. 6(1)(f)",
    "retention": "days_90",
}
OBSERVED = {**KEPT, "origin": "observed"}
PURPOSE = "security"


class ConsoleQueryRow(Base):
    """A query of an admin. Its text is theirs, and could hold a name that somebody typed."""

    __tablename__ = "console_queries"
    __table_args__ = (Index("ix_console_queries_owner_id_created_at", "owner_id", "created_at"),)

    id: Mapped[str] = mapped_column(String(36), primary_key=True, info=not_personal("opaque id"))
    owner_id: Mapped[str] = mapped_column(ForeignKey("accounts.id"), info=not_personal("opaque id"))
    query: Mapped[bytes] = mapped_column(
        LargeBinary,
        info=personal("user.content", PURPOSE, "Your queries in the SQL console", erase="shred-key", **KEPT),
    )
    days: Mapped[int] = mapped_column(Integer, info=not_personal("how many days were asked about"))
    outcome: Mapped[str] = mapped_column(
        String(10), info=personal("user.behavior", PURPOSE, "How a query ended", **OBSERVED)
    )
    rows: Mapped[int | None] = mapped_column(Integer, info=not_personal("how many rows came out"))
    milliseconds: Mapped[int | None] = mapped_column(Integer, info=not_personal("how long it took"))
    created_at: Mapped[datetime] = mapped_column(
        UtcDateTime, index=True, info=personal("user.behavior", PURPOSE, "When you asked a query", **OBSERVED)
    )
