"""The cost above which a person's runs ask first"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0009"


def upgrade() -> None:
    op.add_column("accounts", sa.Column("confirm_above_micros", sa.BigInteger(), nullable=True))


def downgrade() -> None:
    op.drop_column("accounts", "confirm_above_micros")
