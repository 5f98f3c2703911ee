"""When somebody signed in last"""

import sqlalchemy as sa
from alembic import op

revision = "0019_signed_in_at"
down_revision = "0018_vendor_calls"


def upgrade() -> None:
    with op.batch_alter_table("accounts", schema=None) as batch_op:
        batch_op.add_column(sa.Column("signed_in_at", sa.DateTime(timezone=True), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("accounts", schema=None) as batch_op:
        batch_op.drop_column("signed_in_at")
