"""Requests of data subjects"""

import sqlalchemy as sa
from alembic import op

revision = "0015_privacy_requests"
down_revision = "0014_people"


def upgrade() -> None:
    op.create_table(
        "privacy_requests",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("account_id", sa.String(length=36), nullable=False),
        sa.Column("right", sa.String(length=20), nullable=False),
        sa.Column("status", sa.String(length=20), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_privacy_requests")),
    )
    with op.batch_alter_table("privacy_requests", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_privacy_requests_account_id"), ["account_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_privacy_requests_status_due_at"), ["status", "due_at"], unique=False)


def downgrade() -> None:
    with op.batch_alter_table("privacy_requests", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_privacy_requests_status_due_at"))
        batch_op.drop_index(batch_op.f("ix_privacy_requests_account_id"))

    op.drop_table("privacy_requests")
