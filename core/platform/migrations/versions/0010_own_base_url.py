"""The address that a person's own vendor key is sent to"""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0008"


def upgrade() -> None:
    op.add_column("own_keys", sa.Column("base_url", sa.LargeBinary(), nullable=True))


def downgrade() -> None:
    op.drop_column("own_keys", "base_url")
