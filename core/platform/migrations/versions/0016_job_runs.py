"""Runs of jobs, claimed by job and time"""

import sqlalchemy as sa
from alembic import op

revision = "0016_job_runs"
down_revision = "0015_privacy_requests"


def upgrade() -> None:
    op.create_table(
        "job_runs",
        sa.Column("job", sa.String(length=40), nullable=False),
        sa.Column("scheduled_for", sa.DateTime(timezone=True), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("done", sa.Integer(), nullable=False),
        sa.Column("error_code", sa.String(length=60), nullable=True),
        sa.PrimaryKeyConstraint("job", "scheduled_for", name=op.f("pk_job_runs")),
    )
    with op.batch_alter_table("job_runs", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_job_runs_state"), ["state"], unique=False)
        batch_op.create_index(batch_op.f("ix_job_runs_scheduled_for"), ["scheduled_for"], unique=False)
    op.create_table(
        "job_looks",
        sa.Column("job", sa.String(length=40), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("job", name=op.f("pk_job_looks")),
    )


def downgrade() -> None:
    op.drop_table("job_looks")
    op.drop_table("job_runs")
