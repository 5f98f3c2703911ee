"""Runs of everybody by status and mails by state, newest first. What asked the index by lease asks the new one"""

from alembic import op

revision = "0066_runs_by_status"
down_revision = "0065_content_looks"


def upgrade() -> None:
    op.create_index(op.f("ix_runs_status_id"), "runs", ["status", "id"])
    op.drop_index(op.f("ix_runs_status_lease_until"), "runs")
    op.create_index(op.f("ix_mail_outbox_state_id"), "mail_outbox", ["state", "id"])


def downgrade() -> None:
    op.drop_index(op.f("ix_mail_outbox_state_id"), "mail_outbox")
    op.create_index(op.f("ix_runs_status_lease_until"), "runs", ["status", "lease_until"])
    op.drop_index(op.f("ix_runs_status_id"), "runs")
