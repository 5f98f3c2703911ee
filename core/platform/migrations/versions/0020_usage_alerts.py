"""What a person had spent when the credits of their month were granted"""

import sqlalchemy as sa
from alembic import op

revision = "0020_usage_alerts"
down_revision = "0019_signed_in_at"


def upgrade() -> None:
    with op.batch_alter_table("credit_accounts", schema=None) as batch_op:
        batch_op.add_column(sa.Column("month_began_micros", sa.BigInteger(), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("credit_accounts", schema=None) as batch_op:
        batch_op.drop_column("month_began_micros")
