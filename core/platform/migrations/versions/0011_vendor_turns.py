"""Turns at a vendor"""

import sqlalchemy as sa
from alembic import op

revision = "0011_vendor_turns"
down_revision = "0010"


def upgrade() -> None:
    op.create_table(
        "vendor_turns",
        sa.Column("provider", sa.String(length=60), nullable=False),
        sa.Column("whole_at_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("provider", name=op.f("pk_vendor_turns")),
    )


def downgrade() -> None:
    op.drop_table("vendor_turns")
