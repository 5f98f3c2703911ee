"""Runs of everybody by status, newest first. What asked the index by lease asks this one"""

from alembic import op

revision = "0066_runs_by_status"
down_revision = "0065_content_looks"


def upgrade() -> None:
    op.create_index(op.f("ix_runs_status_id"), "runs", ["status", "id"])
    op.drop_index(op.f("ix_runs_status_lease_until"), "runs")


def downgrade() -> None:
    op.create_index(op.f("ix_runs_status_lease_until"), "runs", ["status", "lease_until"])
    op.drop_index(op.f("ix_runs_status_id"), "runs")
