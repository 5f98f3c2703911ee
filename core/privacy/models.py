"""Tables of requests of data subjects: the request, and the steps that carry it out."""

from datetime import datetime

from sqlalchemy import ForeignKey, Index, Integer, String
from sqlalchemy.orm import Mapped, mapped_column

from core.platform.annotations import not_personal, personal
from core.platform.database import Base, UtcDateTime

PURPOSE = "data subject requests"
LAW = {
    "legal_basis": "legal_obligation",
    "legal_ref": "GDPR Art. 12, and 5(2): that it was answered has to be shown; five years as Code civil Art. 2224",
    "origin": "observed",
    "retention": "proof_5_years",
    "anchor": "closed_at",
    "erase": "retain-until(law)",
}


class PrivacyRequestRow(Base):
    """A right that a person used. `fence` grows each time a process takes it up to carry it out."""

    __tablename__ = "privacy_requests"
    __table_args__ = (Index(None, "status", "due_at"), Index(None, "closed_at"))

    id: Mapped[str] = mapped_column(String(36), primary_key=True, info=not_personal("opaque id"))
    # No foreign key: that a request was answered is still known when the account is gone.
    account_id: Mapped[str] = mapped_column(String(36), index=True, info=not_personal("opaque account id"))
    right: Mapped[str] = mapped_column(String(20), info=personal("user.behavior", PURPOSE, "Right you used", **LAW))
    status: Mapped[str] = mapped_column(
        String(20), info=personal("user.behavior", PURPOSE, "Where your request stands", **LAW)
    )
    outcome: Mapped[str | None] = mapped_column(
        String(20), info=personal("user.behavior", PURPOSE, "How your request ended", **LAW)
    )
    received_at: Mapped[datetime] = mapped_column(
        UtcDateTime, info=personal("user.behavior", PURPOSE, "Request received", **LAW)
    )
    due_at: Mapped[datetime] = mapped_column(UtcDateTime, info=not_personal("by when it is answered"))
    start_at: Mapped[datetime | None] = mapped_column(UtcDateTime, info=not_personal("not carried out before"))
    closed_at: Mapped[datetime | None] = mapped_column(UtcDateTime, info=not_personal("when it ended"))
    fence: Mapped[int] = mapped_column(Integer, default=0, info=not_personal("fencing token"))
    lease_until: Mapped[datetime | None] = mapped_column(
        UtcDateTime, info=not_personal("until when the process that carries it out has it to itself")
    )
    wake_at: Mapped[datetime | None] = mapped_column(UtcDateTime, info=not_personal("when the next try is due"))


class RequestStepRow(Base):
    """A step that carries out a request: what was done, in counts."""

    __tablename__ = "privacy_request_steps"

    request_id: Mapped[str] = mapped_column(
        ForeignKey("privacy_requests.id"), primary_key=True, info=not_personal("opaque id")
    )
    name: Mapped[str] = mapped_column(String(40), primary_key=True, info=not_personal("name of a step"))
    status: Mapped[str] = mapped_column(String(10), info=not_personal("waiting or done"))
    attempts: Mapped[int] = mapped_column(Integer, info=not_personal("how often it was tried"))
    counts: Mapped[str] = mapped_column(String(4000), info=not_personal("numbers by store, as JSON"))
    error_code: Mapped[str | None] = mapped_column(String(60), info=not_personal("why the last try did not do"))
    started_at: Mapped[datetime] = mapped_column(UtcDateTime, info=not_personal("time of the machine"))
    done_at: Mapped[datetime | None] = mapped_column(UtcDateTime, info=not_personal("time of the machine"))
