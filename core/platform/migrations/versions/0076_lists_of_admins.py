"""What pages of admins list over many rows: acts by kind, subscriptions that go on, and what left, added up"""

import sqlalchemy as sa
from alembic import op

revision = "0076_lists_of_admins"
down_revision = "0073_facts"

OPEN = sa.text("ended_at IS NULL")


def upgrade() -> None:
    op.create_index(op.f("ix_audit_log_act_seq"), "audit_log", ["act", "seq"])
    op.create_index(
        "ix_billing_subscriptions_open", "billing_subscriptions", ["status", "period_end", "id", "ends_at"],
        sqlite_where=OPEN, postgresql_where=OPEN,
    )  # fmt: skip
    op.create_table(
        "egress_totals",
        sa.Column("days", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("counted_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("days", name=op.f("pk_egress_totals")),
    )


def downgrade() -> None:
    op.drop_table("egress_totals")
    op.drop_index("ix_billing_subscriptions_open", table_name="billing_subscriptions")
    op.drop_index(op.f("ix_audit_log_act_seq"), table_name="audit_log")
