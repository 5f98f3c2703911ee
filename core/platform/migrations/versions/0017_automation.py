"""Caps of keys and schedules, what runs take of them, and the switch that pauses automation"""

import sqlalchemy as sa
from alembic import op

revision = "0017_automation"
down_revision = "0016_job_runs"


def upgrade() -> None:
    for table in ("api_keys", "schedules"):
        with op.batch_alter_table(table, schema=None) as batch_op:
            batch_op.add_column(sa.Column("max_micros_per_month", sa.BigInteger(), nullable=True))
    with op.batch_alter_table("accounts", schema=None) as batch_op:
        batch_op.add_column(sa.Column("automation_paused_at", sa.DateTime(timezone=True), nullable=True))
    with op.batch_alter_table("runs", schema=None) as batch_op:
        batch_op.add_column(sa.Column("started_by", sa.String(length=36), nullable=True))
        batch_op.add_column(sa.Column("reserved_micros", sa.BigInteger(), nullable=True))
        batch_op.create_index(batch_op.f("ix_runs_started_by_created_at"), ["started_by", "created_at"], unique=False)


def downgrade() -> None:
    with op.batch_alter_table("runs", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_runs_started_by_created_at"))
        batch_op.drop_column("reserved_micros")
        batch_op.drop_column("started_by")
    with op.batch_alter_table("accounts", schema=None) as batch_op:
        batch_op.drop_column("automation_paused_at")
    for table in ("schedules", "api_keys"):
        with op.batch_alter_table(table, schema=None) as batch_op:
            batch_op.drop_column("max_micros_per_month")
