"""Requests of data subjects are carried out in steps"""

import sqlalchemy as sa
from alembic import op

revision = "0028_request_steps"
down_revision = "0027_payments"


def upgrade() -> None:
    with op.batch_alter_table("privacy_requests") as batch:
        batch.add_column(sa.Column("outcome", sa.String(length=20), nullable=True))
        batch.add_column(sa.Column("start_at", sa.DateTime(timezone=True), nullable=True))
        batch.add_column(sa.Column("fence", sa.Integer(), nullable=False, server_default="0"))
        batch.add_column(sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True))
        batch.add_column(sa.Column("wake_at", sa.DateTime(timezone=True), nullable=True))
    with op.batch_alter_table("privacy_requests") as batch:
        batch.alter_column("fence", server_default=None)
    op.execute("UPDATE privacy_requests SET status = 'closed', outcome = 'withdrawn' WHERE status = 'withdrawn'")
    op.create_table(
        "privacy_request_steps",
        sa.Column("request_id", sa.String(length=36), nullable=False),
        sa.Column("name", sa.String(length=40), nullable=False),
        sa.Column("status", sa.String(length=10), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("counts", sa.String(length=4000), nullable=False),
        sa.Column("error_code", sa.String(length=60), nullable=True),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("done_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["request_id"], ["privacy_requests.id"], name=op.f("fk_privacy_request_steps_request_id")
        ),
        sa.PrimaryKeyConstraint("request_id", "name", name=op.f("pk_privacy_request_steps")),
    )


def downgrade() -> None:
    op.drop_table("privacy_request_steps")
    op.execute("UPDATE privacy_requests SET status = 'withdrawn' WHERE outcome = 'withdrawn'")
    with op.batch_alter_table("privacy_requests") as batch:
        for name in ("wake_at", "lease_until", "fence", "start_at", "outcome"):
            batch.drop_column(name)
