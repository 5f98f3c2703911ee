"""Tables of the ledger: append-only double entry, and the cached balance that the database guards."""

from datetime import datetime

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
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

LEDGER = {"retention": "law_10_years", "origin": "derived", "erase": "reassign-to-tombstone"}


class CreditAccount(Base):
    """The cached sums of a person's entries. The checks stop any two runs from passing the balance."""

    __tablename__ = "credit_accounts"
    __table_args__ = (
        CheckConstraint("available_micros >= 0", name="available"),
        CheckConstraint("held_micros >= 0", name="held"),
        CheckConstraint("spent_micros >= 0", name="spent"),
        CheckConstraint("monthly_micros >= 0 AND monthly_micros <= available_micros", name="monthly"),
    )

    owner_id: Mapped[str] = mapped_column(String(36), primary_key=True, info=not_personal("opaque account id"))
    available_micros: Mapped[int] = mapped_column(
        BigInteger, info=personal("user.financial", "billing", "Credits left", **LEDGER)
    )
    held_micros: Mapped[int] = mapped_column(
        BigInteger, info=personal("user.financial", "billing", "Credits held", **LEDGER)
    )
    spent_micros: Mapped[int] = mapped_column(
        BigInteger, info=personal("user.financial", "billing", "Credits spent", **LEDGER)
    )
    granted_micros: Mapped[int] = mapped_column(
        BigInteger, info=personal("user.financial", "billing", "Credits granted", **LEDGER)
    )
    purchased_micros: Mapped[int] = mapped_column(
        BigInteger, info=personal("user.financial", "billing", "Credits bought", **LEDGER)
    )
    expired_micros: Mapped[int] = mapped_column(
        BigInteger, info=personal("user.financial", "billing", "Credits that ended with their month", **LEDGER)
    )
    monthly_micros: Mapped[int] = mapped_column(
        BigInteger, info=personal("user.financial", "billing", "Of the credits left, those of this month", **LEDGER)
    )
    month: Mapped[int] = mapped_column(Integer, info=not_personal("how many months of credits began"))
    movements: Mapped[int] = mapped_column(BigInteger, info=not_personal("number of movements"))
    head: Mapped[bytes] = mapped_column(LargeBinary, info=not_personal("hash of the newest movement"))
    month_began_micros: Mapped[int | None] = mapped_column(
        BigInteger, info=personal("user.financial", "billing", "Credits spent before this month", **LEDGER)
    )
    month_ends_at: Mapped[datetime | None] = mapped_column(
        UtcDateTime, index=True, info=personal("user.financial", "billing", "End of the month of credits", **LEDGER)
    )
    month_plan: Mapped[str | None] = mapped_column(
        String(20), info=personal("user.financial", "billing", "Plan whose credits the month has", **LEDGER)
    )
    month_granted_micros: Mapped[int | None] = mapped_column(
        BigInteger, info=personal("user.financial", "billing", "Credits granted for the month", **LEDGER)
    )


class LedgerTransaction(Base):
    """One movement: its kind, its cause, and a key that makes a repetition impossible."""

    __tablename__ = "ledger_transactions"
    __table_args__ = (
        Index(
            "ix_ledger_transactions_settled",
            "owner_id",
            "created_at",
            sqlite_where=text("kind = 'settle'"),
            postgresql_where=text("kind = 'settle'"),
        ),
        # What no run did: facts read the movements of a day, and those are few.
        Index(
            "ix_ledger_transactions_given",
            "created_at",
            sqlite_where=text("kind NOT IN ('hold', 'settle', 'release')"),
            postgresql_where=text("kind NOT IN ('hold', 'settle', 'release')"),
        ),
        UniqueConstraint("owner_id", "number"),
    )

    id: Mapped[str] = mapped_column(String(36), primary_key=True, info=not_personal("opaque id"))
    owner_id: Mapped[str] = mapped_column(String(36), info=not_personal("opaque account id"))
    kind: Mapped[str] = mapped_column(String(20), info=not_personal("grant, hold, settle or release"))
    cause: Mapped[str] = mapped_column(String(200), info=not_personal("run:step:attempt, or the reason of a grant"))
    idempotency_key: Mapped[str] = mapped_column(String(220), unique=True, info=not_personal("kind and cause"))
    monthly_micros: Mapped[int] = mapped_column(
        BigInteger, info=personal("user.financial", "billing", "Of a hold, what came from the month", **LEDGER)
    )
    month: Mapped[int] = mapped_column(Integer, info=not_personal("which month of credits it was booked in"))
    number: Mapped[int] = mapped_column(BigInteger, info=not_personal("order among the person's movements"))
    hash: Mapped[bytes] = mapped_column(LargeBinary, info=not_personal("hash over this movement and the one before"))
    price_version: Mapped[str | None] = mapped_column(String(40), info=not_personal("price book the amount comes from"))
    balance_micros: Mapped[int] = mapped_column(
        BigInteger, info=personal("user.financial", "billing", "Credits left and held after a movement", **LEDGER)
    )
    spent_micros: Mapped[int] = mapped_column(
        BigInteger, info=personal("user.financial", "billing", "Credits spent by a movement", **LEDGER)
    )
    pipeline_id: Mapped[str | None] = mapped_column(String(36), info=not_personal("opaque id"))
    plan: Mapped[str | None] = mapped_column(String(20), info=not_personal("plan a charge was priced by"))
    model: Mapped[str | None] = mapped_column(String(200), info=not_personal("provider and model of a charge"))
    input_tokens: Mapped[int | None] = mapped_column(BigInteger, info=not_personal("usage the vendor reported"))
    cached_tokens: Mapped[int | None] = mapped_column(BigInteger, info=not_personal("of the input, read from a cache"))
    written_tokens: Mapped[int | None] = mapped_column(BigInteger, info=not_personal("of the input, put into a cache"))
    output_tokens: Mapped[int | None] = mapped_column(BigInteger, info=not_personal("usage the vendor reported"))
    created_at: Mapped[datetime] = mapped_column(
        UtcDateTime, info=personal("user.financial", "billing", "Booked", **LEDGER)
    )


class LedgerEntry(Base):
    """One side of a movement, in whole micro-credits. The entries of a transaction sum to zero."""

    __tablename__ = "ledger_entries"

    transaction_id: Mapped[str] = mapped_column(
        ForeignKey("ledger_transactions.id"), primary_key=True, info=not_personal("opaque id")
    )
    position: Mapped[int] = mapped_column(Integer, primary_key=True, info=not_personal("order in the movement"))
    owner_id: Mapped[str] = mapped_column(String(36), info=not_personal("opaque account id"))
    account: Mapped[str] = mapped_column(String(12), info=not_personal("available, held, spent or granted"))
    amount_micros: Mapped[int] = mapped_column(
        BigInteger, info=personal("user.financial", "billing", "Amount", **LEDGER)
    )


class PlanChange(Base):
    """A plan that a person was given in place of another. The cause makes a repetition impossible."""

    __tablename__ = "plan_changes"
    __table_args__ = (UniqueConstraint("owner_id", "cause"), Index(None, "created_at"))

    id: Mapped[str] = mapped_column(String(36), primary_key=True, info=not_personal("opaque id"))
    owner_id: Mapped[str] = mapped_column(String(36), info=not_personal("opaque account id"))
    before: Mapped[str] = mapped_column(
        String(20), info=personal("user.account.settings", "billing", "Plan before a change", origin="derived")
    )
    plan: Mapped[str] = mapped_column(
        String(20), info=personal("user.account.settings", "billing", "Plan after a change", origin="derived")
    )
    cause: Mapped[str] = mapped_column(String(200), info=not_personal("what changed the plan: opaque ids"))
    created_at: Mapped[datetime] = mapped_column(
        UtcDateTime, info=personal("user.account.settings", "billing", "Plan changed", origin="observed")
    )


class PlannedPlan(Base):
    """The plan that a person will have from a later time; one announcement a person."""

    __tablename__ = "planned_plans"

    owner_id: Mapped[str] = mapped_column(String(36), primary_key=True, info=not_personal("opaque account id"))
    plan: Mapped[str] = mapped_column(
        String(20), info=personal("user.account.settings", "billing", "Plan from a later day", origin="derived")
    )
    at: Mapped[datetime] = mapped_column(
        UtcDateTime,
        index=True,
        info=personal("user.account.settings", "billing", "Day of a later plan", origin="derived", anchor="at"),
    )
    cause: Mapped[str] = mapped_column(String(200), info=not_personal("what announced the plan: opaque ids"))
    created_at: Mapped[datetime] = mapped_column(
        UtcDateTime, info=personal("user.account.settings", "billing", "Later plan announced", origin="observed")
    )


class PriceBookRow(Base):
    """The prices of one moment. Rows are only ever added: see `price_books`."""

    __tablename__ = "price_books"

    version: Mapped[str] = mapped_column(String(40), primary_key=True, info=not_personal("day and hash of the content"))
    digest: Mapped[str] = mapped_column(String(12), unique=True, info=not_personal("hash of the content"))
    content: Mapped[str] = mapped_column(Text, info=not_personal("prices, markup and plans, as canonical JSON"))
    taken_at: Mapped[datetime] = mapped_column(UtcDateTime, info=not_personal("time of the machine"))
