"""Tables of looks: that an admin opened a person's content, why and until when, and each thing that was opened."""

from datetime import datetime

from sqlalchemy import ForeignKey, Index, LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column

from core.accounts.models import OVERSIGHT
from core.platform.annotations import not_personal, personal
from core.platform.database import Base, UtcDateTime

LOOKED = {**OVERSIGHT, "origin": "observed"}


class LookRow(Base):
    """A look: one admin's, at one person's content, for half an hour at most."""

    __tablename__ = "content_looks"
    __table_args__ = (Index(None, "account_id", "opened_at"), Index(None, "admin_id", "ends_at"))

    id: Mapped[str] = mapped_column(String(36), primary_key=True, info=not_personal("opaque id"))
    account_id: Mapped[str] = mapped_column(ForeignKey("accounts.id"), info=not_personal("opaque id"))
    # No foreign key: what was looked at stays told after the admin's own account is gone.
    admin_id: Mapped[str] = mapped_column(String(36), info=not_personal("opaque id"))
    reason: Mapped[bytes] = mapped_column(
        LargeBinary,
        info=personal("user.account.settings", "security", "Why an admin looked", erase="shred-key", **LOOKED),
    )
    opened_at: Mapped[datetime] = mapped_column(
        UtcDateTime, info=personal("user.behavior", "security", "An admin looked at your content", **LOOKED)
    )
    ends_at: Mapped[datetime] = mapped_column(UtcDateTime, info=not_personal("when the look ends by itself"))
    ended_at: Mapped[datetime | None] = mapped_column(UtcDateTime, info=not_personal("when the admin ended it"))
    seen_at: Mapped[datetime | None] = mapped_column(
        UtcDateTime, info=personal("user.behavior", "security", "You read that an admin looked", **LOOKED)
    )


class LookedAtRow(Base):
    """A thing that was opened in a look; a second time is no second row."""

    __tablename__ = "content_looked_at"

    look_id: Mapped[str] = mapped_column(
        ForeignKey("content_looks.id"), primary_key=True, info=not_personal("opaque id")
    )
    kind: Mapped[str] = mapped_column(String(10), primary_key=True, info=not_personal("run, pipeline or list"))
    thing_id: Mapped[str] = mapped_column(String(36), primary_key=True, info=not_personal("opaque id"))
    at: Mapped[datetime] = mapped_column(
        UtcDateTime, info=personal("user.behavior", "security", "What an admin looked at", **LOOKED)
    )
