"""What checks of the promises found"""

import sqlalchemy as sa
from alembic import op

revision = "0042_promises"
down_revision = "0041_consents"


def upgrade() -> None:
    op.create_table(
        "promise_checks",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("promise", sa.String(length=4), nullable=False),
        sa.Column("verdict", sa.String(length=10), nullable=False),
        sa.Column("says", sa.String(length=1000), nullable=False),
        sa.Column("figures", sa.String(length=2000), nullable=False),
        sa.Column("checked_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_promise_checks")),
    )
    op.create_index(op.f("ix_promise_checks_promise_checked_at"), "promise_checks", ["promise", "checked_at"])
    op.create_index(op.f("ix_promise_checks_checked_at"), "promise_checks", ["checked_at"])
    op.create_table(
        "promise_alarms",
        sa.Column("promise", sa.String(length=4), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("promise", name=op.f("pk_promise_alarms")),
    )


def downgrade() -> None:
    op.drop_table("promise_alarms")
    op.drop_table("promise_checks")
