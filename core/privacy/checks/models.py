"""What checks found, kept as history."""

from datetime import datetime

from sqlalchemy import Index, String
from sqlalchemy.orm import Mapped, mapped_column

from core.platform.annotations import not_personal
from core.platform.database import Base, UtcDateTime


class PromiseCheckRow(Base):
    """One look at one promise."""

    __tablename__ = "promise_checks"
    __table_args__ = (Index(None, "promise", "checked_at"), Index(None, "checked_at"))

    id: Mapped[str] = mapped_column(String(36), primary_key=True, info=not_personal("opaque id"))
    promise: Mapped[str] = mapped_column(String(4), info=not_personal("id of a promise"))
    verdict: Mapped[str] = mapped_column(String(10), info=not_personal("kept, broken or unknown"))
    says: Mapped[str] = mapped_column(String(1000), info=not_personal("what was found, in numbers"))
    figures: Mapped[str] = mapped_column(String(2000), info=not_personal("what was found, as JSON"))
    checked_at: Mapped[datetime] = mapped_column(UtcDateTime, info=not_personal("time of the machine"))


class PromiseAlarmRow(Base):
    """A promise that was found broken, from then until it is found kept again: the admins are told once of each."""

    __tablename__ = "promise_alarms"

    promise: Mapped[str] = mapped_column(String(4), primary_key=True, info=not_personal("id of a promise"))
    since: Mapped[datetime] = mapped_column(UtcDateTime, info=not_personal("when it was first found broken"))
