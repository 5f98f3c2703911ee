"""Retention: legal holds, reports of sweeps, the costs of runs that are gone, and the indexes it looks through"""

import sqlalchemy as sa
from alembic import op

revision = "0036_retention"
down_revision = "0034_request_decisions"


def upgrade() -> None:
    op.create_table(
        "legal_holds",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("account_id", sa.String(length=36), nullable=False),
        sa.Column("category", sa.String(length=60), nullable=True),
        sa.Column("table_name", sa.String(length=60), nullable=True),
        sa.Column("row_id", sa.String(length=80), nullable=True),
        sa.Column("law", sa.String(length=120), nullable=False),
        sa.Column("reason", sa.LargeBinary(), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("placed_by", sa.String(length=36), nullable=False),
        sa.Column("placed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("cosigned_by", sa.String(length=36), nullable=True),
        sa.Column("cosigned_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_by", sa.String(length=36), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_legal_holds")),
    )
    op.create_index(op.f("ix_legal_holds_account_id"), "legal_holds", ["account_id"])
    op.create_index(op.f("ix_legal_holds_ended_at"), "legal_holds", ["ended_at"])
    op.create_table(
        "retention_sweeps",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("counts", sa.Text(), nullable=False),
        sa.Column("oldest", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_retention_sweeps")),
    )
    op.create_index(op.f("ix_retention_sweeps_started_at"), "retention_sweeps", ["started_at"])
    op.create_table(
        "usage_of_deleted_runs",
        sa.Column("owner_id", sa.String(length=36), nullable=False),
        sa.Column("runs", sa.BigInteger(), nullable=False),
        sa.Column("cost_micro_cents", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["owner_id"], ["accounts.id"], name=op.f("fk_usage_of_deleted_runs_owner_id")),
        sa.PrimaryKeyConstraint("owner_id", name=op.f("pk_usage_of_deleted_runs")),
    )
    op.create_index(op.f("ix_plan_changes_created_at"), "plan_changes", ["created_at"])
    op.create_index(op.f("ix_privacy_requests_closed_at"), "privacy_requests", ["closed_at"])
    op.create_index(op.f("ix_mail_outbox_account_id_ended_at"), "mail_outbox", ["account_id", "ended_at"])
    op.drop_index(op.f("ix_mail_outbox_account_id"), "mail_outbox")


def downgrade() -> None:
    op.create_index(op.f("ix_mail_outbox_account_id"), "mail_outbox", ["account_id"])
    op.drop_index(op.f("ix_mail_outbox_account_id_ended_at"), "mail_outbox")
    op.drop_index(op.f("ix_privacy_requests_closed_at"), "privacy_requests")
    op.drop_index(op.f("ix_plan_changes_created_at"), "plan_changes")
    for name in ("usage_of_deleted_runs", "retention_sweeps", "legal_holds"):
        op.drop_table(name)
