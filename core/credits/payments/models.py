"""Tables of payment: a copy of how things stand at Stripe, the events that told of it, codes, and money given back.

No card, no postal address and no name is in any of them: those are with Stripe alone.
"""

from datetime import datetime

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from core.platform.annotations import not_personal, personal
from core.platform.database import Base, UtcDateTime

BOOKS = {"retention": "law_10_years", "origin": "derived", "erase": "reassign-to-tombstone", "recipients": ("stripe",)}
BILLING = {"origin": "observed", "recipients": ("stripe",)}


class CustomerRow(Base):
    """A person as Stripe's customer, and the plan that their payments last gave them.

    No foreign key, here and below: what was paid is kept by law when the account is gone.
    """

    __tablename__ = "billing_customers"

    owner_id: Mapped[str] = mapped_column(String(36), primary_key=True, info=not_personal("opaque account id"))
    customer_id: Mapped[str] = mapped_column(
        String(64),
        unique=True,
        info=personal("user.financial", "billing", "Your number at Stripe", erase="provider-call", **BILLING),
    )
    plan: Mapped[str] = mapped_column(
        String(20), info=personal("user.account.settings", "billing", "Plan that was paid for", **BILLING)
    )
    next_plan: Mapped[str | None] = mapped_column(
        String(20), info=personal("user.account.settings", "billing", "Plan after that", **BILLING)
    )
    next_at: Mapped[datetime | None] = mapped_column(UtcDateTime, info=not_personal("when the next plan begins"))
    changes: Mapped[int] = mapped_column(Integer, info=not_personal("how often the plan was given or announced"))
    created_at: Mapped[datetime] = mapped_column(
        UtcDateTime, info=personal("user.behavior", "billing", "Known at Stripe since", **BILLING)
    )


class SubscriptionRow(Base):
    """A subscription as Stripe last told of it. `refresh` brings it up to date; nothing else writes it."""

    __tablename__ = "billing_subscriptions"
    __table_args__ = (
        # What goes on, by its state and by when it is paid again.
        Index(
            "ix_billing_subscriptions_open",
            "status",
            "period_end",
            "id",
            "ends_at",
            sqlite_where=text("ended_at IS NULL"),
            postgresql_where=text("ended_at IS NULL"),
        ),
    )

    id: Mapped[str] = mapped_column(String(64), primary_key=True, info=not_personal("opaque id at Stripe"))
    owner_id: Mapped[str] = mapped_column(String(36), index=True, info=not_personal("opaque account id"))
    status: Mapped[str] = mapped_column(
        String(24), info=personal("user.financial", "billing", "State of your subscription", **BOOKS)
    )
    plan: Mapped[str | None] = mapped_column(
        String(20), info=personal("user.financial", "billing", "Plan of your subscription", **BOOKS)
    )
    interval: Mapped[str | None] = mapped_column(
        String(8), info=personal("user.financial", "billing", "Paid by month or by year", **BOOKS)
    )
    item_id: Mapped[str] = mapped_column(String(64), info=not_personal("opaque id at Stripe"))
    started_at: Mapped[datetime] = mapped_column(
        UtcDateTime, info=personal("user.financial", "billing", "Subscription began", **BOOKS)
    )
    period_start: Mapped[datetime] = mapped_column(UtcDateTime, info=not_personal("begin of the period"))
    period_end: Mapped[datetime] = mapped_column(UtcDateTime, info=not_personal("end of the period"))
    ends_at: Mapped[datetime | None] = mapped_column(UtcDateTime, info=not_personal("when it ends by itself"))
    ended_at: Mapped[datetime | None] = mapped_column(
        UtcDateTime, info=personal("user.financial", "billing", "Subscription ended", **BOOKS)
    )
    next_plan: Mapped[str | None] = mapped_column(String(20), info=not_personal("plan after a change that waits"))
    next_at: Mapped[datetime | None] = mapped_column(UtcDateTime, info=not_personal("when that change is made"))
    cents: Mapped[int] = mapped_column(
        BigInteger, info=personal("user.financial", "billing", "Price of your subscription, in cents", **BOOKS)
    )
    currency: Mapped[str] = mapped_column(String(3), info=not_personal("ISO 4217"))


class SubjectRow(Base):
    """What events are about: who asks Stripe takes a number first, so that an older answer replaces no newer one."""

    __tablename__ = "billing_subjects"

    id: Mapped[str] = mapped_column(String(80), primary_key=True, info=not_personal("opaque id at Stripe"))
    asked: Mapped[int] = mapped_column(BigInteger, info=not_personal("the last number that was taken"))
    applied: Mapped[int] = mapped_column(BigInteger, info=not_personal("the number of the answer that counts"))


class EventRow(Base):
    """A message of Stripe's: received, then done once its effect is committed, or noted where it has none."""

    __tablename__ = "billing_events"
    __table_args__ = (Index(None, "state", "received_at"),)

    id: Mapped[str] = mapped_column(String(64), primary_key=True, info=not_personal("opaque id at Stripe"))
    type: Mapped[str] = mapped_column(String(80), info=not_personal("what Stripe calls it"))
    subject_kind: Mapped[str | None] = mapped_column(String(20), info=not_personal("subscription, checkout or refund"))
    subject_id: Mapped[str | None] = mapped_column(String(64), info=not_personal("opaque id at Stripe"))
    state: Mapped[str] = mapped_column(String(10), info=not_personal("received, done or noted"))
    attempts: Mapped[int] = mapped_column(Integer, info=not_personal("how often it was worked at"))
    error_code: Mapped[str | None] = mapped_column(String(60), info=not_personal("class or code of a failure"))
    received_at: Mapped[datetime] = mapped_column(UtcDateTime, info=not_personal("time of the machine"))
    done_at: Mapped[datetime | None] = mapped_column(UtcDateTime, info=not_personal("time of the machine"))


class CheckoutRow(Base):
    """A Checkout that was opened: for a plan, or for credits, which are bought with it."""

    __tablename__ = "billing_checkouts"
    __table_args__ = (Index(None, "owner_id", "state"),)

    id: Mapped[str] = mapped_column(String(36), primary_key=True, info=not_personal("opaque id"))
    session_id: Mapped[str | None] = mapped_column(
        String(128), unique=True, info=not_personal("opaque id at Stripe, none until it is open")
    )
    owner_id: Mapped[str] = mapped_column(String(36), info=not_personal("opaque account id"))
    price_key: Mapped[str] = mapped_column(
        String(40), info=personal("user.financial", "billing", "What you wanted to buy", **BOOKS)
    )
    quantity: Mapped[int] = mapped_column(Integer, info=not_personal("how many of it"))
    credit_micros: Mapped[int] = mapped_column(
        BigInteger, info=personal("user.financial", "billing", "Credits of a purchase", **BOOKS)
    )
    code_id: Mapped[str | None] = mapped_column(
        ForeignKey("discount_codes.id"), index=True, info=not_personal("opaque id of a discount code")
    )
    state: Mapped[str] = mapped_column(String(10), info=not_personal("open, paid or left"))
    amount: Mapped[int] = mapped_column(
        BigInteger, info=personal("user.financial", "billing", "What you paid, in cents", **BOOKS)
    )
    currency: Mapped[str] = mapped_column(String(3), info=not_personal("ISO 4217"))
    payment_id: Mapped[str | None] = mapped_column(String(64), info=not_personal("opaque id at Stripe"))
    created_at: Mapped[datetime] = mapped_column(
        UtcDateTime, info=personal("user.behavior", "billing", "Checkout opened", **BOOKS)
    )
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime, info=not_personal("when the Checkout closes"))
    paid_at: Mapped[datetime | None] = mapped_column(
        UtcDateTime, info=personal("user.financial", "billing", "Paid", **BOOKS)
    )


class DiscountCodeRow(Base):
    """A discount code. Its limits are checked here; what it takes off, Stripe computes."""

    __tablename__ = "discount_codes"
    __table_args__ = (CheckConstraint("percent BETWEEN 1 AND 100", name="percent"),)

    id: Mapped[str] = mapped_column(String(36), primary_key=True, info=not_personal("opaque id"))
    code: Mapped[str] = mapped_column(String(40), unique=True, info=not_personal("an operator's own word"))
    percent: Mapped[int] = mapped_column(Integer, info=not_personal("what is taken off"))
    cycles: Mapped[int | None] = mapped_column(Integer, info=not_personal("for how many payments"))
    plan: Mapped[str | None] = mapped_column(String(20), info=not_personal("the one plan it counts for"))
    max_redemptions: Mapped[int | None] = mapped_column(Integer, info=not_personal("how often it counts"))
    expires_at: Mapped[datetime | None] = mapped_column(UtcDateTime, info=not_personal("until when it counts"))
    is_limited: Mapped[bool] = mapped_column(Boolean, info=not_personal("whether it counts for named addresses only"))
    made_by: Mapped[str] = mapped_column(String(36), info=not_personal("opaque account id"))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, info=not_personal("when it was made"))
    ended_at: Mapped[datetime | None] = mapped_column(UtcDateTime, info=not_personal("when it was taken back"))


class DiscountAddressRow(Base):
    """An address that a code counts for, as a keyed hash: it can be compared, and not read."""

    __tablename__ = "discount_addresses"

    code_id: Mapped[str] = mapped_column(
        ForeignKey("discount_codes.id"), primary_key=True, info=not_personal("opaque id of a discount code")
    )
    email_index: Mapped[bytes] = mapped_column(
        LargeBinary,
        primary_key=True,
        info=personal(
            "user.contact.email", "billing", "Keyed hash of an address that a discount is for", export="never"
        ),
    )


class RedemptionRow(Base):
    """A person's use of a code: reserved while their Checkout is open, then redeemed, or left. It counts once."""

    __tablename__ = "discount_redemptions"
    __table_args__ = (Index(None, "code_id", "state"),)

    code_id: Mapped[str] = mapped_column(
        ForeignKey("discount_codes.id"), primary_key=True, info=not_personal("opaque id of a discount code")
    )
    owner_id: Mapped[str] = mapped_column(String(36), primary_key=True, info=not_personal("opaque account id"))
    checkout_id: Mapped[str] = mapped_column(String(36), index=True, info=not_personal("opaque id"))
    state: Mapped[str] = mapped_column(
        String(10), info=personal("user.financial", "billing", "Use of a discount code", **BOOKS)
    )
    created_at: Mapped[datetime] = mapped_column(
        UtcDateTime, info=personal("user.financial", "billing", "Discount code used", **BOOKS)
    )


class RefundRow(Base):
    """Money that goes back: claimed with the credits it is for, then sent, then what became of it at Stripe."""

    __tablename__ = "billing_refunds"
    __table_args__ = (Index(None, "owner_id", "state"), UniqueConstraint("cause", "position"))

    id: Mapped[str] = mapped_column(String(36), primary_key=True, info=not_personal("opaque id"))
    owner_id: Mapped[str] = mapped_column(String(36), info=not_personal("opaque account id"))
    cause: Mapped[str] = mapped_column(String(100), info=not_personal("opaque id of the subscription or purchase"))
    position: Mapped[int] = mapped_column(Integer, info=not_personal("order among those of one cause"))
    payment_id: Mapped[str] = mapped_column(String(64), info=not_personal("opaque id at Stripe"))
    amount: Mapped[int] = mapped_column(
        BigInteger, info=personal("user.financial", "billing", "Money given back, in cents", **BOOKS)
    )
    currency: Mapped[str] = mapped_column(String(3), info=not_personal("ISO 4217"))
    credit_micros: Mapped[int] = mapped_column(
        BigInteger, info=personal("user.financial", "billing", "Credits taken back for it", **BOOKS)
    )
    state: Mapped[str] = mapped_column(String(10), info=not_personal("claimed, sent, done or failed"))
    stripe_id: Mapped[str | None] = mapped_column(String(64), index=True, info=not_personal("opaque id at Stripe"))
    actor_id: Mapped[str | None] = mapped_column(String(36), info=not_personal("opaque id of who asked for it"))
    created_at: Mapped[datetime] = mapped_column(
        UtcDateTime, info=personal("user.financial", "billing", "Refund asked for", **BOOKS)
    )
    done_at: Mapped[datetime | None] = mapped_column(UtcDateTime, info=not_personal("when it arrived"))
