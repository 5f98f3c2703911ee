"""Tables of requests of data subjects: the request, its time line, and the steps that carry it out."""

from datetime import datetime

from sqlalchemy import Boolean, ForeignKey, Index, Integer, LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column

from core.platform.annotations import not_personal, personal
from core.platform.database import Base, UtcDateTime

PURPOSE = "data subject requests"
LAW = {
    "legal_basis": "legal_obligation",
    "legal_ref": "GDPR Art. 12, and 5(2): that it was answered has to be shown; five years as Code civil Art. 2224",
    "origin": "observed",
    "retention": "proof_5_years",
    "anchor": "privacy_requests.closed_at",
    "erase": "retain-until(law)",
}
SAID = {**LAW, "origin": "provided", "erase": "shred-key"}
"""What was said: unreadable once the account's key is gone. That something was said stays."""


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
    channel: Mapped[str] = mapped_column(
        String(10), default="app", info=personal("user.behavior", PURPOSE, "The way your request came in", **LAW)
    )
    identity: Mapped[str | None] = mapped_column(
        String(10), info=personal("user.behavior", PURPOSE, "How it was known that you asked", **LAW)
    )
    details: Mapped[bytes | None] = mapped_column(
        LargeBinary, info=personal("user.content", PURPOSE, "What you said with your request", **SAID)
    )
    extended_until: Mapped[datetime | None] = mapped_column(
        UtcDateTime, info=not_personal("by when it is answered where that was announced in the first month")
    )


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


class RequestEventRow(Base):
    """A line of a request's time line: a move from one state to another, or something said or done beside."""

    __tablename__ = "privacy_request_events"
    __table_args__ = (Index(None, "request_id", "id"),)

    id: Mapped[str] = mapped_column(String(36), primary_key=True, info=not_personal("opaque id"))
    request_id: Mapped[str] = mapped_column(ForeignKey("privacy_requests.id"), info=not_personal("opaque id"))
    at: Mapped[datetime] = mapped_column(
        UtcDateTime, info=personal("user.behavior", PURPOSE, "When something happened to your request", **LAW)
    )
    actor: Mapped[str] = mapped_column(String(20), info=not_personal("system, person or privacy_admin"))
    actor_id: Mapped[str | None] = mapped_column(String(36), info=not_personal("opaque account id"))
    before: Mapped[str] = mapped_column(String(20), info=not_personal("state of the request before"))
    after: Mapped[str] = mapped_column(String(20), info=not_personal("state of the request after"))
    code: Mapped[str] = mapped_column(
        String(40), info=personal("user.behavior", PURPOSE, "What happened to your request", **LAW)
    )
    text: Mapped[bytes | None] = mapped_column(
        LargeBinary, info=personal("user.content", PURPOSE, "What was said about your request", **SAID)
    )


class RequestLinkRow(Base):
    """A mailed link that proves who asked. Without a request: what an unknown address leaves, to take the same time."""

    __tablename__ = "privacy_request_links"

    token_hash: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True, info=not_personal("keyed hash of a link"))
    request_id: Mapped[str | None] = mapped_column(
        ForeignKey("privacy_requests.id"), index=True, info=not_personal("opaque id")
    )
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, info=not_personal("time of the machine"))
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime, info=not_personal("when the link ends"))


class DecisionRow(Base):
    """A decision of a privacy admin's. One that refuses counts once it is signed twice."""

    __tablename__ = "privacy_decisions"

    id: Mapped[str] = mapped_column(String(36), primary_key=True, info=not_personal("opaque id"))
    request_id: Mapped[str] = mapped_column(
        ForeignKey("privacy_requests.id"), index=True, info=not_personal("opaque id")
    )
    verdict: Mapped[str] = mapped_column(
        String(10), info=personal("user.behavior", PURPOSE, "How your request was decided", **LAW)
    )
    reason: Mapped[bytes] = mapped_column(
        LargeBinary, info=personal("user.content", PURPOSE, "Why it was decided so", **{**SAID, "origin": "derived"})
    )
    state: Mapped[str] = mapped_column(String(10), info=not_personal("proposed, final or dropped"))
    signed_by: Mapped[str] = mapped_column(String(36), info=not_personal("opaque account id"))
    signed_at: Mapped[datetime] = mapped_column(UtcDateTime, info=not_personal("first signature"))
    second_by: Mapped[str | None] = mapped_column(String(36), info=not_personal("opaque account id"))
    second_at: Mapped[datetime | None] = mapped_column(UtcDateTime, info=not_personal("second signature"))
    signed_alone: Mapped[bool] = mapped_column(
        Boolean, info=not_personal("whether the only privacy admin signed both times")
    )


class RestrictionRow(Base):
    """A time in which the use of a person's data is restricted, and the request it belongs to."""

    __tablename__ = "privacy_restrictions"
    __table_args__ = (Index(None, "account_id", "ended_at"), Index(None, "ended_at", "lift_at"))

    id: Mapped[str] = mapped_column(String(36), primary_key=True, info=not_personal("opaque id"))
    request_id: Mapped[str] = mapped_column(
        ForeignKey("privacy_requests.id"), unique=True, info=not_personal("opaque id")
    )
    account_id: Mapped[str] = mapped_column(String(36), info=not_personal("opaque account id"))
    began_at: Mapped[datetime] = mapped_column(
        UtcDateTime, info=personal("user.behavior", PURPOSE, "Use of your data restricted", **LAW)
    )
    told_at: Mapped[datetime | None] = mapped_column(UtcDateTime, info=not_personal("when its end was announced"))
    lift_at: Mapped[datetime | None] = mapped_column(UtcDateTime, info=not_personal("when it ends, as announced"))
    ended_at: Mapped[datetime | None] = mapped_column(
        UtcDateTime, info=personal("user.behavior", PURPOSE, "Restriction ended", **LAW)
    )


class RedactionRow(Base):
    """Words of somebody else's that are left out of a copy (GDPR Art. 15(4)): the row they stand in."""

    __tablename__ = "privacy_redactions"

    request_id: Mapped[str] = mapped_column(
        ForeignKey("privacy_requests.id"), primary_key=True, info=not_personal("opaque id")
    )
    place: Mapped[str] = mapped_column(String(40), primary_key=True, info=not_personal("name of a table"))
    row_id: Mapped[str] = mapped_column(String(36), primary_key=True, info=not_personal("opaque id"))
    marked_by: Mapped[str] = mapped_column(String(36), info=not_personal("opaque account id"))
    marked_at: Mapped[datetime] = mapped_column(UtcDateTime, info=not_personal("time of the machine"))


class PassageRow(Base):
    """Words about somebody else that are left out of a copy wherever they stand (GDPR Art. 15(4))."""

    __tablename__ = "privacy_passages"

    id: Mapped[str] = mapped_column(String(36), primary_key=True, info=not_personal("opaque id"))
    request_id: Mapped[str] = mapped_column(
        ForeignKey("privacy_requests.id"), index=True, info=not_personal("opaque id")
    )
    text: Mapped[bytes] = mapped_column(
        LargeBinary,
        info=personal(
            "user.content", PURPOSE, "What is left out of a copy", **{**SAID, "origin": "derived", "export": "never"}
        ),
    )
    marked_by: Mapped[str] = mapped_column(String(36), info=not_personal("opaque account id"))
    marked_at: Mapped[datetime] = mapped_column(UtcDateTime, info=not_personal("time of the machine"))
