"""Whose vendor key a person's runs use first"""

import sqlalchemy as sa
from alembic import op

revision = "0025_funding_choice"
down_revision = "0024_plan_changes"


def upgrade() -> None:
    op.add_column("accounts", sa.Column("funding", sa.String(length=20), nullable=True))


def downgrade() -> None:
    op.drop_column("accounts", "funding")
