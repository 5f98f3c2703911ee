"""Passages about other people that are left out of a copy wherever they stand"""

import sqlalchemy as sa
from alembic import op

revision = "0062_passages"
down_revision = "0061_held_rows"


def upgrade() -> None:
    op.create_table(
        "privacy_passages",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("request_id", sa.String(length=36), nullable=False),
        sa.Column("text", sa.LargeBinary(), nullable=False),
        sa.Column("marked_by", sa.String(length=36), nullable=False),
        sa.Column("marked_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["request_id"], ["privacy_requests.id"], name=op.f("fk_privacy_passages_request_id_privacy_requests")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_privacy_passages")),
    )
    op.create_index(op.f("ix_privacy_passages_request_id"), "privacy_passages", ["request_id"])


def downgrade() -> None:
    op.drop_table("privacy_passages")
