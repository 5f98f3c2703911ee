"""Tables of jobs: a row a run, claimed by the job and its time, and a mark a job that only looks."""

from datetime import datetime

from sqlalchemy import Index, Integer, String
from sqlalchemy.orm import Mapped, mapped_column

from core.platform.annotations import not_personal
from core.platform.database import Base, UtcDateTime


class JobRunRow(Base):
    """A run of a job at a time. `attempts` grows each time a process takes it up, and so is its fencing token."""

    __tablename__ = "job_runs"
    __table_args__ = (Index(None, "state"), Index(None, "scheduled_for"))

    job: Mapped[str] = mapped_column(String(40), primary_key=True, info=not_personal("name of a job"))
    scheduled_for: Mapped[datetime] = mapped_column(
        UtcDateTime, primary_key=True, info=not_personal("time of the machine")
    )
    state: Mapped[str] = mapped_column(String(10), info=not_personal("asked, running, completed or failed"))
    attempts: Mapped[int] = mapped_column(Integer, info=not_personal("how often it was taken up"))
    lease_until: Mapped[datetime | None] = mapped_column(UtcDateTime, info=not_personal("end of the lease"))
    started_at: Mapped[datetime | None] = mapped_column(UtcDateTime, info=not_personal("time of the machine"))
    finished_at: Mapped[datetime | None] = mapped_column(UtcDateTime, info=not_personal("time of the machine"))
    done: Mapped[int] = mapped_column(Integer, info=not_personal("how many things it dealt with"))
    error_code: Mapped[str | None] = mapped_column(String(60), info=not_personal("class or code of a failure"))


class JobLookRow(Base):
    """When a scheduler last looked whether a job has work."""

    __tablename__ = "job_looks"

    job: Mapped[str] = mapped_column(String(40), primary_key=True, info=not_personal("name of a job"))
    at: Mapped[datetime] = mapped_column(UtcDateTime, info=not_personal("time of the machine"))
