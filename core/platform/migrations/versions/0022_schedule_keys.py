"""The API key whose cap holds for a schedule that it made"""

import sqlalchemy as sa
from alembic import op

revision = "0022_schedule_keys"
down_revision = "0021_signed_up"


def upgrade() -> None:
    with op.batch_alter_table("schedules", schema=None) as batch_op:
        batch_op.add_column(sa.Column("key_id", sa.String(length=36), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("schedules", schema=None) as batch_op:
        batch_op.drop_column("key_id")
