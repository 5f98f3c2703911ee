"""Whose turn it is to write to a lake that several machines have"""

import sqlalchemy as sa
from alembic import op

revision = "0080_lake_turns"
down_revision = "0076_lists_of_admins"


def upgrade() -> None:
    op.create_table(
        "analytics_turns",
        sa.Column("name", sa.String(length=20), nullable=False),
        sa.Column("token", sa.String(length=32), nullable=True),
        sa.Column("until", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_analytics_turns")),
    )


def downgrade() -> None:
    op.drop_table("analytics_turns")
