"""Nested and repeated steps, delayed runs, and reviews"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0001"

OLD_KEY = "uq_step_runs_run_id_step_id_attempt"
NEW_KEY = "uq_step_runs_run_id_frame_step_id_visit_attempt"


def upgrade() -> None:
    op.add_column("runs", sa.Column("wake_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("runs", sa.Column("budget_lifted_at", sa.DateTime(timezone=True), nullable=True))
    with op.batch_alter_table("step_runs") as batch:
        batch.add_column(sa.Column("frame", sa.String(length=500), nullable=False, server_default=""))
        batch.add_column(sa.Column("visit", sa.Integer(), nullable=False, server_default="1"))
        batch.drop_constraint(OLD_KEY, type_="unique")
        batch.create_unique_constraint(NEW_KEY, ["run_id", "frame", "step_id", "visit", "attempt"])
    with op.batch_alter_table("step_runs") as batch:
        batch.alter_column("frame", server_default=None, existing_type=sa.String(length=500), existing_nullable=False)
        batch.alter_column("visit", server_default=None, existing_type=sa.Integer(), existing_nullable=False)
    op.create_table(
        "reviews",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("owner_id", sa.String(length=36), nullable=False),
        sa.Column("run_id", sa.String(length=36), nullable=False),
        sa.Column("step_run_id", sa.String(length=36), nullable=False),
        sa.Column("step_id", sa.String(length=100), nullable=False),
        sa.Column("status", sa.String(length=10), nullable=False),
        sa.Column("question", sa.LargeBinary(), nullable=False),
        sa.Column("answer", sa.LargeBinary(), nullable=True),
        sa.Column("on_timeout", sa.String(length=10), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("link_hash", sa.LargeBinary(), nullable=True),
        sa.Column("decided_by", sa.String(length=40), nullable=True),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name=op.f("fk_reviews_run_id")),
        sa.ForeignKeyConstraint(["step_run_id"], ["step_runs.id"], name=op.f("fk_reviews_step_run_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reviews")),
        sa.UniqueConstraint("step_run_id", name=op.f("uq_reviews_step_run_id")),
    )
    op.create_index(op.f("ix_reviews_owner_id_status_id"), "reviews", ["owner_id", "status", "id"])
    op.create_index(op.f("ix_reviews_status_due_at"), "reviews", ["status", "due_at"])
    op.create_index(op.f("ix_reviews_run_id"), "reviews", ["run_id"])


def downgrade() -> None:
    op.drop_table("reviews")
    with op.batch_alter_table("step_runs") as batch:
        batch.drop_constraint(NEW_KEY, type_="unique")
        batch.create_unique_constraint(OLD_KEY, ["run_id", "step_id", "attempt"])
        batch.drop_column("visit")
        batch.drop_column("frame")
    op.drop_column("runs", "budget_lifted_at")
    op.drop_column("runs", "wake_at")
