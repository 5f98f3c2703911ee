"""Tables of pipelines: the pipeline, its versions, and the draft being edited. Content is encrypted."""

from datetime import datetime

from sqlalchemy import ForeignKey, Index, Integer, LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column

from core.platform.annotations import not_personal, personal
from core.platform.database import Base, UtcDateTime

CONTENT = {"export": "portable", "erase": "shred-key"}


class PipelineRow(Base):
    """A pipeline. `about` holds its name, description and tags."""

    __tablename__ = "pipelines"
    __table_args__ = (Index(None, "owner_id", "status", "id"),)

    id: Mapped[str] = mapped_column(String(36), primary_key=True, info=not_personal("opaque id"))
    owner_id: Mapped[str] = mapped_column(ForeignKey("accounts.id"), info=not_personal("opaque account id"))
    about: Mapped[bytes] = mapped_column(
        LargeBinary, info=personal("user.content", "service", "Name of a pipeline", **CONTENT)
    )
    version: Mapped[int] = mapped_column(Integer, info=not_personal("number of the newest version"))
    status: Mapped[str] = mapped_column(String(12), info=not_personal("active or archived"))
    personal_data: Mapped[str | None] = mapped_column(
        String(5), info=personal("user.account.settings", "service", "What becomes of personal data in a pipeline")
    )
    created_at: Mapped[datetime] = mapped_column(
        UtcDateTime, info=personal("user.behavior", "service", "Pipeline made", origin="observed")
    )
    updated_at: Mapped[datetime] = mapped_column(
        UtcDateTime, info=personal("user.behavior", "service", "Pipeline changed", origin="observed")
    )


class VersionRow(Base):
    """A saved version: the text as the person wrote it, and the definition read from it. Never changed."""

    __tablename__ = "pipeline_versions"

    pipeline_id: Mapped[str] = mapped_column(
        ForeignKey("pipelines.id"), primary_key=True, info=not_personal("opaque id")
    )
    number: Mapped[int] = mapped_column(Integer, primary_key=True, info=not_personal("1, 2, 3 …"))
    owner_id: Mapped[str] = mapped_column(String(36), info=not_personal("opaque account id"))
    content: Mapped[bytes] = mapped_column(
        LargeBinary, info=personal("user.content", "service", "Definition of a pipeline", **CONTENT)
    )
    created_at: Mapped[datetime] = mapped_column(
        UtcDateTime, info=personal("user.behavior", "service", "Version saved", origin="observed")
    )


class DraftRow(Base):
    """The text being edited, valid or not: saved as it is typed."""

    __tablename__ = "pipeline_drafts"

    pipeline_id: Mapped[str] = mapped_column(
        ForeignKey("pipelines.id"), primary_key=True, info=not_personal("opaque id")
    )
    owner_id: Mapped[str] = mapped_column(String(36), info=not_personal("opaque account id"))
    content: Mapped[bytes] = mapped_column(
        LargeBinary, info=personal("user.content", "service", "Draft of a pipeline", **CONTENT)
    )
    revision: Mapped[int] = mapped_column(Integer, info=not_personal("counts saves of the draft"))
    saved_at: Mapped[datetime] = mapped_column(
        UtcDateTime, info=personal("user.behavior", "service", "Draft saved", origin="observed")
    )
