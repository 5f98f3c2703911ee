"""The table of files. Their contents are blobs, named by the row's id."""

from datetime import datetime

from sqlalchemy import BigInteger, ForeignKey, Index, LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column

from core.platform.annotations import not_personal, personal
from core.platform.database import Base, UtcDateTime

KEPT = {"retention": "plan_logs", "anchor": "files.last_used_at"}


class FileRow(Base):
    """A file of a person. It lives as long as the newest run that used it."""

    __tablename__ = "files"
    __table_args__ = (Index(None, "owner_id", "id"), Index(None, "owner_id", "last_used_at"))

    id: Mapped[str] = mapped_column(String(36), primary_key=True, info=not_personal("opaque id, names the blob"))
    owner_id: Mapped[str] = mapped_column(ForeignKey("accounts.id"), info=not_personal("opaque account id"))
    kind: Mapped[str] = mapped_column(String(10), info=not_personal("csv, json, parquet, text, pdf or image"))
    media_type: Mapped[str] = mapped_column(String(60), info=not_personal("type of the content"))
    size: Mapped[int] = mapped_column(BigInteger, info=not_personal("bytes"))
    name: Mapped[bytes] = mapped_column(
        LargeBinary,
        info=personal("user.content", "service", "Name of a file", export="portable", erase="shred-key", **KEPT),
    )
    facts: Mapped[bytes] = mapped_column(
        LargeBinary,
        info=personal("user.content", "service", "Columns and sizes found in a file", origin="derived", **KEPT),
    )
    fingerprint: Mapped[bytes] = mapped_column(LargeBinary, info=not_personal("content's hash under the owner's key"))
    created_at: Mapped[datetime] = mapped_column(
        UtcDateTime, info=personal("user.behavior", "service", "File uploaded", origin="observed", **KEPT)
    )
    last_used_at: Mapped[datetime] = mapped_column(
        UtcDateTime, info=personal("user.behavior", "service", "File last used by a run", origin="observed", **KEPT)
    )
