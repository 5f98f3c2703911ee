"""Customers, subscriptions, Checkouts, events, discount codes and refunds"""

import sqlalchemy as sa
from alembic import op

from core.platform.database import UtcDateTime

revision = "0027_payments"
down_revision = "0026_price_books"


def upgrade() -> None:
    op.create_table(
        "billing_customers",
        sa.Column("owner_id", sa.String(length=36), nullable=False),
        sa.Column("customer_id", sa.String(length=64), nullable=False),
        sa.Column("plan", sa.String(length=20), nullable=False),
        sa.Column("next_plan", sa.String(length=20), nullable=True),
        sa.Column("next_at", UtcDateTime(timezone=True), nullable=True),
        sa.Column("changes", sa.Integer(), nullable=False),
        sa.Column("created_at", UtcDateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("owner_id", name=op.f("pk_billing_customers")),
        sa.UniqueConstraint("customer_id", name=op.f("uq_billing_customers_customer_id")),
    )
    op.create_table(
        "billing_events",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("type", sa.String(length=80), nullable=False),
        sa.Column("subject_kind", sa.String(length=20), nullable=True),
        sa.Column("subject_id", sa.String(length=64), nullable=True),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("error_code", sa.String(length=60), nullable=True),
        sa.Column("received_at", UtcDateTime(timezone=True), nullable=False),
        sa.Column("done_at", UtcDateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_billing_events")),
    )
    with op.batch_alter_table("billing_events", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_billing_events_state_received_at"), ["state", "received_at"], unique=False)

    op.create_table(
        "billing_refunds",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("owner_id", sa.String(length=36), nullable=False),
        sa.Column("cause", sa.String(length=100), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("payment_id", sa.String(length=64), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("credit_micros", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("stripe_id", sa.String(length=64), nullable=True),
        sa.Column("actor_id", sa.String(length=36), nullable=True),
        sa.Column("created_at", UtcDateTime(timezone=True), nullable=False),
        sa.Column("done_at", UtcDateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_billing_refunds")),
        sa.UniqueConstraint("cause", "position", name=op.f("uq_billing_refunds_cause_position")),
    )
    with op.batch_alter_table("billing_refunds", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_billing_refunds_owner_id_state"), ["owner_id", "state"], unique=False)
        batch_op.create_index(batch_op.f("ix_billing_refunds_stripe_id"), ["stripe_id"], unique=False)

    op.create_table(
        "billing_subjects",
        sa.Column("id", sa.String(length=80), nullable=False),
        sa.Column("asked", sa.BigInteger(), nullable=False),
        sa.Column("applied", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_billing_subjects")),
    )
    op.create_table(
        "billing_subscriptions",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("owner_id", sa.String(length=36), nullable=False),
        sa.Column("status", sa.String(length=24), nullable=False),
        sa.Column("plan", sa.String(length=20), nullable=True),
        sa.Column("interval", sa.String(length=8), nullable=True),
        sa.Column("item_id", sa.String(length=64), nullable=False),
        sa.Column("started_at", UtcDateTime(timezone=True), nullable=False),
        sa.Column("period_start", UtcDateTime(timezone=True), nullable=False),
        sa.Column("period_end", UtcDateTime(timezone=True), nullable=False),
        sa.Column("ends_at", UtcDateTime(timezone=True), nullable=True),
        sa.Column("ended_at", UtcDateTime(timezone=True), nullable=True),
        sa.Column("next_plan", sa.String(length=20), nullable=True),
        sa.Column("next_at", UtcDateTime(timezone=True), nullable=True),
        sa.Column("cents", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_billing_subscriptions")),
    )
    with op.batch_alter_table("billing_subscriptions", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_billing_subscriptions_owner_id"), ["owner_id"], unique=False)

    op.create_table(
        "discount_codes",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("code", sa.String(length=40), nullable=False),
        sa.Column("percent", sa.Integer(), nullable=False),
        sa.Column("cycles", sa.Integer(), nullable=True),
        sa.Column("plan", sa.String(length=20), nullable=True),
        sa.Column("max_redemptions", sa.Integer(), nullable=True),
        sa.Column("expires_at", UtcDateTime(timezone=True), nullable=True),
        sa.Column("is_limited", sa.Boolean(), nullable=False),
        sa.Column("made_by", sa.String(length=36), nullable=False),
        sa.Column("created_at", UtcDateTime(timezone=True), nullable=False),
        sa.Column("ended_at", UtcDateTime(timezone=True), nullable=True),
        sa.CheckConstraint("percent BETWEEN 1 AND 100", name=op.f("ck_discount_codes_percent")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_discount_codes")),
        sa.UniqueConstraint("code", name=op.f("uq_discount_codes_code")),
    )
    op.create_table(
        "billing_checkouts",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("session_id", sa.String(length=128), nullable=True),
        sa.Column("owner_id", sa.String(length=36), nullable=False),
        sa.Column("price_key", sa.String(length=40), nullable=False),
        sa.Column("quantity", sa.Integer(), nullable=False),
        sa.Column("credit_micros", sa.BigInteger(), nullable=False),
        sa.Column("code_id", sa.String(length=36), nullable=True),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("payment_id", sa.String(length=64), nullable=True),
        sa.Column("created_at", UtcDateTime(timezone=True), nullable=False),
        sa.Column("expires_at", UtcDateTime(timezone=True), nullable=False),
        sa.Column("paid_at", UtcDateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["code_id"], ["discount_codes.id"], name=op.f("fk_billing_checkouts_code_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_billing_checkouts")),
        sa.UniqueConstraint("session_id", name=op.f("uq_billing_checkouts_session_id")),
    )
    with op.batch_alter_table("billing_checkouts", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_billing_checkouts_code_id"), ["code_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_billing_checkouts_owner_id_state"), ["owner_id", "state"], unique=False)

    op.create_table(
        "discount_addresses",
        sa.Column("code_id", sa.String(length=36), nullable=False),
        sa.Column("email_index", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["code_id"], ["discount_codes.id"], name=op.f("fk_discount_addresses_code_id")),
        sa.PrimaryKeyConstraint("code_id", "email_index", name=op.f("pk_discount_addresses")),
    )
    op.create_table(
        "discount_redemptions",
        sa.Column("code_id", sa.String(length=36), nullable=False),
        sa.Column("owner_id", sa.String(length=36), nullable=False),
        sa.Column("checkout_id", sa.String(length=36), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("created_at", UtcDateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["code_id"], ["discount_codes.id"], name=op.f("fk_discount_redemptions_code_id")),
        sa.PrimaryKeyConstraint("code_id", "owner_id", name=op.f("pk_discount_redemptions")),
    )
    with op.batch_alter_table("discount_redemptions", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_discount_redemptions_checkout_id"), ["checkout_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_discount_redemptions_code_id_state"), ["code_id", "state"], unique=False)


def downgrade() -> None:
    with op.batch_alter_table("discount_redemptions", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_discount_redemptions_code_id_state"))
        batch_op.drop_index(batch_op.f("ix_discount_redemptions_checkout_id"))

    op.drop_table("discount_redemptions")
    op.drop_table("discount_addresses")
    with op.batch_alter_table("billing_checkouts", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_billing_checkouts_owner_id_state"))
        batch_op.drop_index(batch_op.f("ix_billing_checkouts_code_id"))

    op.drop_table("billing_checkouts")
    op.drop_table("discount_codes")
    with op.batch_alter_table("billing_subscriptions", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_billing_subscriptions_owner_id"))

    op.drop_table("billing_subscriptions")
    op.drop_table("billing_subjects")
    with op.batch_alter_table("billing_refunds", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_billing_refunds_stripe_id"))
        batch_op.drop_index(batch_op.f("ix_billing_refunds_owner_id_state"))

    op.drop_table("billing_refunds")
    with op.batch_alter_table("billing_events", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_billing_events_state_received_at"))

    op.drop_table("billing_events")
    op.drop_table("billing_customers")
