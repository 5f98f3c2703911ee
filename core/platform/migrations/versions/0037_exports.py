"""Copies of their data that people asked for"""

import sqlalchemy as sa
from alembic import op

revision = "0037_exports"
down_revision = "0036_retention"


def upgrade() -> None:
    op.create_table(
        "data_exports",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("account_id", sa.String(length=36), nullable=False),
        sa.Column("request_id", sa.String(length=36), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("counts", sa.String(length=4000), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("fetched_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_data_exports")),
        sa.UniqueConstraint("request_id", name=op.f("uq_data_exports_request_id")),
    )
    op.create_index(op.f("ix_data_exports_account_id"), "data_exports", ["account_id"])
    op.create_index(op.f("ix_data_exports_expires_at"), "data_exports", ["expires_at"])


def downgrade() -> None:
    op.drop_table("data_exports")
