"""The table of copies that people asked for. The file itself lies sealed in a folder, under the row's id."""

from datetime import datetime

from sqlalchemy import BigInteger, String
from sqlalchemy.orm import Mapped, mapped_column

from core.platform.annotations import not_personal, personal
from core.platform.database import Base, UtcDateTime

PURPOSE = "data subject requests"
SHORTLY = {
    "legal_basis": "legal_obligation",
    "legal_ref": "GDPR Art. 15 and 20",
    "origin": "observed",
    "retention": "short_lived",
    "anchor": "expires_at",
}


class DataExportRow(Base):
    """A copy that is whole: the row is written after the file, so no half of one is ever fetched."""

    __tablename__ = "data_exports"

    id: Mapped[str] = mapped_column(String(36), primary_key=True, info=not_personal("opaque id, names the file"))
    # No foreign keys: it is deleted by its own time, whatever becomes of the request.
    account_id: Mapped[str] = mapped_column(String(36), index=True, info=not_personal("opaque account id"))
    request_id: Mapped[str] = mapped_column(String(36), unique=True, info=not_personal("opaque id"))
    size: Mapped[int] = mapped_column(BigInteger, info=not_personal("bytes, as they are fetched"))
    counts: Mapped[str] = mapped_column(String(4000), info=not_personal("numbers of rows by table, as JSON"))
    created_at: Mapped[datetime] = mapped_column(
        UtcDateTime, info=personal("user.behavior", PURPOSE, "Copy of your data made", **SHORTLY)
    )
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True, info=not_personal("when it is deleted"))
    fetched_at: Mapped[datetime | None] = mapped_column(
        UtcDateTime, info=personal("user.behavior", PURPOSE, "Copy of your data fetched", **SHORTLY)
    )
