"""The time a run was under way"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0002_mail_outbox"


def upgrade() -> None:
    op.add_column("runs", sa.Column("working_since", sa.DateTime(timezone=True), nullable=True))
    op.add_column("runs", sa.Column("worked_ms", sa.BigInteger(), nullable=False, server_default="0"))
    with op.batch_alter_table("runs") as batch:
        batch.alter_column("worked_ms", server_default=None, existing_type=sa.BigInteger(), existing_nullable=False)


def downgrade() -> None:
    op.drop_column("runs", "worked_ms")
    op.drop_column("runs", "working_since")
