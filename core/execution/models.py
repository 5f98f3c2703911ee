"""The journal: runs, one row a step and attempt, and the events that pages and streams read."""

from datetime import datetime

from sqlalchemy import (
    BigInteger,
    Boolean,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from core.platform.annotations import not_personal, personal
from core.platform.database import Base, UtcDateTime

LOG = {"retention": "plan_logs", "anchor": "runs.created_at", "erase": "shred-key"}
LEFT = {"retention": "plan_logs", "anchor": "egress.at", "origin": "observed"}
FOUND = {"retention": "plan_logs", "anchor": "egress.at", "origin": "derived"}
SEEN = {"retention": "plan_logs", "anchor": "runs.created_at", "origin": "observed"}


class RunRow(Base):
    """A run. It is this row and its steps, never a process; `fence` grows each time somebody claims it."""

    __tablename__ = "runs"
    __table_args__ = (
        Index(None, "owner_id", "id"),
        Index(None, "owner_id", "created_at"),
        Index(None, "owner_id", "pipeline_id", "id"),
        Index(None, "owner_id", "status", "id"),
        Index(None, "status", "id"),
        Index(None, "started_by", "created_at"),
        UniqueConstraint("owner_id", "idempotency_key"),
    )

    id: Mapped[str] = mapped_column(String(36), primary_key=True, info=not_personal("opaque id"))
    owner_id: Mapped[str] = mapped_column(ForeignKey("accounts.id"), info=not_personal("opaque account id"))
    pipeline_id: Mapped[str | None] = mapped_column(String(36), info=not_personal("opaque id"))
    pipeline_version: Mapped[int | None] = mapped_column(Integer, info=not_personal("None for a draft"))
    idempotency_key: Mapped[str | None] = mapped_column(String(64), info=not_personal("keyed hash of the client's key"))
    trigger_type: Mapped[str] = mapped_column(String(10), info=not_personal("what started it"))
    started_by: Mapped[str | None] = mapped_column(
        String(36), info=not_personal("opaque id of an API key or a schedule")
    )
    reserved_micros: Mapped[int | None] = mapped_column(
        BigInteger, info=not_personal("micro-credits of its starter's cap: reserved while it goes on, then spent")
    )
    status: Mapped[str] = mapped_column(String(10), info=not_personal("state of the machine"))
    plan: Mapped[str] = mapped_column(String(20), info=not_personal("plan it was priced by"))
    price_version: Mapped[str | None] = mapped_column(String(40), info=not_personal("price book it is priced by"))
    funding_mode: Mapped[str] = mapped_column(String(10), info=not_personal("platform, own_key or free"))
    request: Mapped[bytes] = mapped_column(
        LargeBinary, info=personal("user.content", "service", "Definition and input", **LOG)
    )
    result: Mapped[bytes | None] = mapped_column(LargeBinary, info=personal("user.content", "service", "Output", **LOG))
    error_code: Mapped[str | None] = mapped_column(String(60), info=not_personal("stable code"))
    quote_low: Mapped[int] = mapped_column(BigInteger, info=not_personal("micro-credits"))
    quote_likely: Mapped[int] = mapped_column(BigInteger, info=not_personal("micro-credits"))
    quote_max: Mapped[int] = mapped_column(BigInteger, info=not_personal("micro-credits"))
    fence: Mapped[int] = mapped_column(Integer, info=not_personal("fencing token"))
    last_seq: Mapped[int] = mapped_column(Integer, info=not_personal("number of the newest event"))
    lease_owner: Mapped[str | None] = mapped_column(String(60), info=not_personal("process that advances it"))
    lease_until: Mapped[datetime | None] = mapped_column(UtcDateTime, info=not_personal("end of the lease"))
    wake_at: Mapped[datetime | None] = mapped_column(UtcDateTime, info=not_personal("when a delayed retry is due"))
    working_since: Mapped[datetime | None] = mapped_column(
        UtcDateTime, info=not_personal("claimed and not parked for a person since: time of the machine")
    )
    worked_ms: Mapped[int] = mapped_column(
        BigInteger, default=0, info=not_personal("milliseconds under way before working_since")
    )
    budget_lifted_at: Mapped[datetime | None] = mapped_column(
        UtcDateTime, info=personal("user.behavior", "service", "Budget lifted for a paused run", **SEEN)
    )
    cancel_requested_at: Mapped[datetime | None] = mapped_column(
        UtcDateTime, info=personal("user.behavior", "service", "Cancel asked", **SEEN)
    )
    created_at: Mapped[datetime] = mapped_column(
        UtcDateTime, info=personal("user.behavior", "service", "Run asked", **SEEN)
    )
    started_at: Mapped[datetime | None] = mapped_column(UtcDateTime, info=not_personal("time of the machine"))
    completed_at: Mapped[datetime | None] = mapped_column(UtcDateTime, info=not_personal("time of the machine"))


class StepRunRow(Base):
    """One attempt of a step. `content` holds prompt, raw and parsed output, and the error's text."""

    __tablename__ = "step_runs"
    __table_args__ = (
        UniqueConstraint("run_id", "frame", "step_id", "visit", "attempt"),
        Index(None, "owner_id", "pipeline_id", "step_id", "id"),
        Index(None, "owner_id", "fingerprint"),
        # Of model calls only, and by what never changes: the end of a step touches no index for it.
        Index(
            None, "started_at", sqlite_where=text("provider IS NOT NULL"), postgresql_where=text("provider IS NOT NULL")
        ),
    )

    id: Mapped[str] = mapped_column(String(36), primary_key=True, info=not_personal("opaque id"))
    run_id: Mapped[str] = mapped_column(ForeignKey("runs.id"), info=not_personal("opaque id"))
    owner_id: Mapped[str] = mapped_column(String(36), info=not_personal("opaque account id"))
    pipeline_id: Mapped[str | None] = mapped_column(String(36), info=not_personal("opaque id"))
    step_id: Mapped[str] = mapped_column(String(100), info=personal("user.content", "service", "Id of a step", **SEEN))
    frame: Mapped[str] = mapped_column(
        String(500), info=personal("user.content", "service", "Ids of the steps around a step", **SEEN)
    )
    visit: Mapped[int] = mapped_column(Integer, info=not_personal("which time a loop came here: 1, 2, 3 …"))
    step_index: Mapped[int] = mapped_column(Integer, info=not_personal("order in the definition"))
    attempt: Mapped[int] = mapped_column(Integer, info=not_personal("1, 2, 3 …"))
    type: Mapped[str] = mapped_column(String(20), info=not_personal("kind of step"))
    model: Mapped[str | None] = mapped_column(String(120), info=not_personal("model id"))
    provider: Mapped[str | None] = mapped_column(String(60), info=not_personal("vendor"))
    status: Mapped[str] = mapped_column(String(10), info=not_personal("state of the machine"))
    fingerprint: Mapped[bytes | None] = mapped_column(LargeBinary, info=not_personal("hash under the owner's key"))
    content: Mapped[bytes | None] = mapped_column(
        LargeBinary, info=personal("user.content", "service", "Prompt and output of a step", **LOG)
    )
    input_tokens: Mapped[int] = mapped_column(Integer, info=not_personal("usage the vendor reported"))
    output_tokens: Mapped[int] = mapped_column(Integer, info=not_personal("usage the vendor reported"))
    held_micros: Mapped[int] = mapped_column(BigInteger, info=not_personal("micro-credits held for the call"))
    credit_micros: Mapped[int] = mapped_column(BigInteger, info=not_personal("micro-credits charged"))
    cost_micro_cents: Mapped[int] = mapped_column(BigInteger, info=not_personal("millionths of a US cent after markup"))
    stop_reason: Mapped[str | None] = mapped_column(String(20), info=not_personal("why the model stopped"))
    error_code: Mapped[str | None] = mapped_column(String(60), info=not_personal("stable code"))
    retry_at: Mapped[datetime | None] = mapped_column(UtcDateTime, info=not_personal("when the next attempt is due"))
    started_at: Mapped[datetime] = mapped_column(UtcDateTime, info=not_personal("time of the machine"))
    completed_at: Mapped[datetime | None] = mapped_column(UtcDateTime, info=not_personal("time of the machine"))


class ReviewRow(Base):
    """A question to a person that a run waits for. `question` and `answer` hold the texts."""

    __tablename__ = "reviews"
    __table_args__ = (
        UniqueConstraint("step_run_id"),
        Index(None, "owner_id", "status", "id"),
        Index(None, "status", "due_at"),
        Index(None, "run_id"),
    )

    id: Mapped[str] = mapped_column(String(36), primary_key=True, info=not_personal("opaque id"))
    owner_id: Mapped[str] = mapped_column(String(36), info=not_personal("opaque account id"))
    run_id: Mapped[str] = mapped_column(ForeignKey("runs.id"), info=not_personal("opaque id"))
    step_run_id: Mapped[str] = mapped_column(ForeignKey("step_runs.id"), info=not_personal("opaque id"))
    step_id: Mapped[str] = mapped_column(String(100), info=personal("user.content", "service", "Id of a step", **SEEN))
    status: Mapped[str] = mapped_column(String(10), info=not_personal("open, decided or closed"))
    question: Mapped[bytes] = mapped_column(
        LargeBinary, info=personal("user.content", "service", "What a reviewer is shown", **LOG)
    )
    answer: Mapped[bytes | None] = mapped_column(
        LargeBinary, info=personal("user.content", "service", "What a reviewer answered", **LOG)
    )
    on_timeout: Mapped[str] = mapped_column(String(10), info=not_personal("approve or reject"))
    due_at: Mapped[datetime] = mapped_column(UtcDateTime, info=not_personal("end of the time to decide"))
    link_hash: Mapped[bytes | None] = mapped_column(LargeBinary, info=not_personal("hash of a single-use link"))
    decided_by: Mapped[str | None] = mapped_column(
        String(40), info=personal("user.unique_id", "service", "Who decided a review", **SEEN)
    )
    decided_at: Mapped[datetime | None] = mapped_column(
        UtcDateTime, info=personal("user.behavior", "service", "Review decided", **SEEN)
    )
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, info=not_personal("time of the machine"))


class DeliveryRow(Base):
    """Something to send when a run has ended: one row a run and target. `request` says what goes where."""

    __tablename__ = "deliveries"
    __table_args__ = (
        UniqueConstraint("run_id", "target"),
        Index(None, "status", "next_attempt_at"),
    )

    id: Mapped[str] = mapped_column(String(36), primary_key=True, info=not_personal("opaque id"))
    owner_id: Mapped[str] = mapped_column(String(36), info=not_personal("opaque account id"))
    run_id: Mapped[str] = mapped_column(ForeignKey("runs.id"), info=not_personal("opaque id"))
    target: Mapped[str] = mapped_column(String(40), info=not_personal("which target of the definition"))
    kind: Mapped[str] = mapped_column(String(10), info=not_personal("webhook, email or file"))
    status: Mapped[str] = mapped_column(String(10), info=not_personal("pending, sent or failed"))
    request: Mapped[bytes] = mapped_column(
        LargeBinary, info=personal("user.content", "service", "What is sent where when a run ends", **LOG)
    )
    attempts: Mapped[int] = mapped_column(Integer, info=not_personal("how often it was tried"))
    fence: Mapped[int] = mapped_column(Integer, info=not_personal("fencing token"))
    next_attempt_at: Mapped[datetime | None] = mapped_column(UtcDateTime, info=not_personal("time of the machine"))
    error_code: Mapped[str | None] = mapped_column(String(60), info=not_personal("stable code"))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, info=not_personal("time of the machine"))
    sent_at: Mapped[datetime | None] = mapped_column(UtcDateTime, info=not_personal("time of the machine"))


class DeliveryAttemptRow(Base):
    """One attempt to deliver, and how it went."""

    __tablename__ = "delivery_attempts"

    delivery_id: Mapped[str] = mapped_column(
        ForeignKey("deliveries.id"), primary_key=True, info=not_personal("opaque id")
    )
    number: Mapped[int] = mapped_column(Integer, primary_key=True, info=not_personal("1, 2, 3 …"))
    http_status: Mapped[int | None] = mapped_column(Integer, info=not_personal("status of the answer"))
    error_code: Mapped[str | None] = mapped_column(String(60), info=not_personal("stable code"))
    duration_ms: Mapped[int] = mapped_column(Integer, info=not_personal("milliseconds"))
    at: Mapped[datetime] = mapped_column(UtcDateTime, info=not_personal("time of the machine"))


class ScheduleRow(Base):
    """A pipeline that is run at times. `next_at` is null while it rests; who starts a time moves it on."""

    __tablename__ = "schedules"
    __table_args__ = (Index(None, "next_at"), Index(None, "owner_id", "id"))

    id: Mapped[str] = mapped_column(String(36), primary_key=True, info=not_personal("opaque id"))
    owner_id: Mapped[str] = mapped_column(ForeignKey("accounts.id"), info=not_personal("opaque id"))
    pipeline_id: Mapped[str] = mapped_column(ForeignKey("pipelines.id"), info=not_personal("opaque id"))
    content: Mapped[bytes] = mapped_column(
        LargeBinary, info=personal("user.content", "service", "Name and inputs of a schedule", erase="shred-key")
    )
    cron_expression: Mapped[str] = mapped_column(
        String(100), info=personal("user.account.settings", "service", "When a schedule is due")
    )
    timezone: Mapped[str] = mapped_column(
        String(60), info=personal("user.account.settings", "service", "Time zone of a schedule")
    )
    missed: Mapped[str] = mapped_column(
        String(4), info=personal("user.account.settings", "service", "What becomes of missed times")
    )
    max_micros_per_month: Mapped[int | None] = mapped_column(
        BigInteger, info=personal("user.account.settings", "service", "Cap of a schedule, a month")
    )
    key_id: Mapped[str | None] = mapped_column(
        String(36), info=not_personal("opaque id of the capped key that made it: what it takes counts there too")
    )
    enabled: Mapped[bool] = mapped_column(Boolean, info=personal("user.account.settings", "service", "Schedule in use"))
    paused_code: Mapped[str | None] = mapped_column(String(60), info=not_personal("why it rests, as a stable code"))
    next_at: Mapped[datetime | None] = mapped_column(UtcDateTime, info=not_personal("when it is due"))
    last_at: Mapped[datetime | None] = mapped_column(UtcDateTime, info=not_personal("the last time it was due"))
    last_run_id: Mapped[str | None] = mapped_column(String(36), info=not_personal("opaque id"))
    last_error_code: Mapped[str | None] = mapped_column(String(60), info=not_personal("stable code"))
    created_at: Mapped[datetime] = mapped_column(
        UtcDateTime, info=personal("user.account.settings", "service", "Schedule made", origin="observed")
    )
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime, info=not_personal("time of the last change"))


class DeletedUsageRow(Base):
    """What the runs of a person cost that are deleted: their sums go on."""

    __tablename__ = "usage_of_deleted_runs"

    owner_id: Mapped[str] = mapped_column(ForeignKey("accounts.id"), primary_key=True, info=not_personal("opaque id"))
    runs: Mapped[int] = mapped_column(
        BigInteger, info=personal("user.behavior", "service", "Number of your deleted runs", origin="derived")
    )
    cost_micro_cents: Mapped[int] = mapped_column(
        BigInteger, info=personal("user.financial", "service", "Cost of your deleted runs", origin="derived")
    )


class VendorTurnRow(Base):
    """When a vendor's allowance of calls on the installation's own key is whole again."""

    __tablename__ = "vendor_turns"

    provider: Mapped[str] = mapped_column(String(60), primary_key=True, info=not_personal("name of a vendor"))
    whole_at_ms: Mapped[int] = mapped_column(BigInteger, info=not_personal("milliseconds since 1970"))


class EgressRow(Base):
    """Something that left, or was about to: who got it and what kinds of personal data were in it, never what it said.

    Written with what claims the act, before it leaves; `outcome` says how it went. A row that stays `begun` is that of
    a process that died: the thing may have left. No foreign keys: a row is kept and purged by its own time.
    """

    __tablename__ = "egress"
    __table_args__ = (Index(None, "owner_id", "id"), Index(None, "run_id"), Index(None, "at"))

    id: Mapped[str] = mapped_column(String(36), primary_key=True, info=not_personal("opaque id"))
    owner_id: Mapped[str] = mapped_column(String(36), info=not_personal("opaque account id"))
    run_id: Mapped[str] = mapped_column(String(36), info=not_personal("opaque id"))
    pipeline_id: Mapped[str | None] = mapped_column(String(36), info=not_personal("opaque id"))
    step_id: Mapped[str | None] = mapped_column(
        String(100), info=personal("user.content", "service", "Id of a step that sent something", **LEFT)
    )
    kind: Mapped[str] = mapped_column(String(10), info=not_personal("model, webhook, tool or delivery"))
    recipient: Mapped[str] = mapped_column(
        String(255), info=personal("user.behavior", "service", "Provider or host that got what your run sent", **LEFT)
    )
    region: Mapped[str | None] = mapped_column(String(60), info=not_personal("where a provider processes"))
    purpose: Mapped[str] = mapped_column(String(20), info=not_personal("what for: prompt, repair, result …"))
    funding: Mapped[str | None] = mapped_column(String(10), info=not_personal("own_key, platform or operator"))
    categories: Mapped[str | None] = mapped_column(
        String(500),
        info=personal("user.content", "service", "Kinds of personal data found in what was sent", **FOUND),
    )
    masked: Mapped[str | None] = mapped_column(
        String(500),
        info=personal("user.content", "service", "Kinds of personal data kept back from what was sent", **FOUND),
    )
    size: Mapped[int] = mapped_column(Integer, info=not_personal("bytes of text and files"))
    outcome: Mapped[str] = mapped_column(String(10), info=not_personal("begun, answered, failed or not_sent"))
    at: Mapped[datetime] = mapped_column(
        UtcDateTime, info=personal("user.behavior", "service", "When something was sent", **LEFT)
    )


class EgressTotalsRow(Base):
    """What left the installation in the last so many days, as it was counted last: recipients that many share."""

    __tablename__ = "egress_totals"

    days: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False, info=not_personal("a period"))
    content: Mapped[str] = mapped_column(
        Text, info=not_personal("counts as JSON; what fewer than five people share is in one sum")
    )
    counted_at: Mapped[datetime] = mapped_column(UtcDateTime, info=not_personal("time of the machine"))


class RunEventRow(Base):
    """An event of a run, in order of `seq`. Token events are deleted when their step ends."""

    __tablename__ = "run_events"

    run_id: Mapped[str] = mapped_column(ForeignKey("runs.id"), primary_key=True, info=not_personal("opaque id"))
    seq: Mapped[int] = mapped_column(Integer, primary_key=True, info=not_personal("1, 2, 3 …"))
    kind: Mapped[str] = mapped_column(String(12), info=not_personal("what happened"))
    step_id: Mapped[str | None] = mapped_column(
        String(100), info=personal("user.content", "service", "Id of a step", **SEEN)
    )
    data: Mapped[bytes] = mapped_column(LargeBinary, info=personal("user.content", "service", "Event of a run", **LOG))
    at: Mapped[datetime] = mapped_column(UtcDateTime, info=not_personal("time of the machine"))
