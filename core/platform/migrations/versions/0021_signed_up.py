"""Who made their account by signing up"""

import sqlalchemy as sa
from alembic import op

revision = "0021_signed_up"
down_revision = "0020_usage_alerts"


def upgrade() -> None:
    with op.batch_alter_table("accounts", schema=None) as batch_op:
        batch_op.add_column(sa.Column("signed_up", sa.Boolean(), nullable=False, server_default=sa.false()))
    with op.batch_alter_table("accounts", schema=None) as batch_op:
        batch_op.alter_column("signed_up", server_default=None)


def downgrade() -> None:
    with op.batch_alter_table("accounts", schema=None) as batch_op:
        batch_op.drop_column("signed_up")
