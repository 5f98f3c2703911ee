"""Tables of analytics: events on their way to the lake, the files of the lake, and how far each person came.

An event names nobody. `visitor` is a keyed hash that is new each day, and points at nobody once that day's key is
destroyed; the time is the hour. The order says nothing either: a batch is shuffled, under a random name.
"""

from datetime import datetime

from sqlalchemy import BigInteger, Boolean, ForeignKey, Integer, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from core.platform.annotations import not_personal, personal
from core.platform.database import Base, UtcDateTime

COUNTED = {
    "origin": "derived",
    "legal_basis": "legitimate_interests",
    "legal_ref": "GDPR Art. 6(1)(f)",
    "when_restricted": "block",
}


class BatchRow(Base):
    """Events that were written together and are not in the lake yet.

    One row for all of them: that is cheaper to write, and nobody asks for one event here.
    """

    __tablename__ = "analytics_batches"

    name: Mapped[str] = mapped_column(String(32), primary_key=True, info=not_personal("random name of a batch"))
    size: Mapped[int] = mapped_column(Integer, info=not_personal("how many events"))
    events: Mapped[str] = mapped_column(
        Text,
        info=not_personal("events in random order, as JSON: words of a list, coarse numbers, the hour, an id of a day"),
    )


class LakeFileRow(Base):
    """A file of the lake. What is not listed here is not in the lake, whatever lies in the folder."""

    __tablename__ = "analytics_files"

    name: Mapped[str] = mapped_column(String(32), primary_key=True, info=not_personal("random name of a file"))
    day: Mapped[str] = mapped_column(String(10), index=True, info=not_personal("the day of its events"))
    rows: Mapped[int] = mapped_column(BigInteger, info=not_personal("how many events"))
    size: Mapped[int] = mapped_column(BigInteger, info=not_personal("bytes"))
    sealed: Mapped[bool] = mapped_column(Boolean, info=not_personal("whether its events are of no visitors any more"))
    gone: Mapped[bool] = mapped_column(Boolean, info=not_personal("whether another file has its events now"))
    made_at: Mapped[datetime] = mapped_column(UtcDateTime, info=not_personal("time of the machine"))


class TurnRow(Base):
    """Who writes to a lake that is no folder of one machine: one process of all, until its time is over."""

    __tablename__ = "analytics_turns"

    name: Mapped[str] = mapped_column(String(20), primary_key=True, info=not_personal("what is written to"))
    token: Mapped[str | None] = mapped_column(String(32), info=not_personal("random name of whose turn it is"))
    until: Mapped[datetime | None] = mapped_column(UtcDateTime, info=not_personal("end of the turn"))


class ProgressRow(Base):
    """How far a person came and when they were last counted, so that each is counted once. It stays in this table."""

    __tablename__ = "analytics_progress"

    account_id: Mapped[str] = mapped_column(ForeignKey("accounts.id"), primary_key=True, info=not_personal("opaque id"))
    week: Mapped[str] = mapped_column(
        String(10), info=personal("user.behavior", "analytics", "Week in which you were last counted", **COUNTED)
    )
    stages: Mapped[int] = mapped_column(
        Integer, info=personal("user.behavior", "analytics", "How far you came, as counted once", **COUNTED)
    )
    runs: Mapped[int] = mapped_column(
        Integer, info=personal("user.behavior", "analytics", "Your first ten runs, counted", **COUNTED)
    )
