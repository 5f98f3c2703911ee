"""Queries of admins in the SQL console"""

import sqlalchemy as sa
from alembic import op

revision = "0071_console"
down_revision = "0070_analytics"


def upgrade() -> None:
    op.create_table(
        "console_queries",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("owner_id", sa.String(length=36), nullable=False),
        sa.Column("query", sa.LargeBinary(), nullable=False),
        sa.Column("days", sa.Integer(), nullable=False),
        sa.Column("outcome", sa.String(length=10), nullable=False),
        sa.Column("rows", sa.Integer(), nullable=True),
        sa.Column("milliseconds", sa.Integer(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["owner_id"], ["accounts.id"], name=op.f("fk_console_queries_owner_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_console_queries")),
    )
    with op.batch_alter_table("console_queries", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_console_queries_created_at"), ["created_at"], unique=False)
        batch_op.create_index("ix_console_queries_owner_id_created_at", ["owner_id", "created_at"], unique=False)


def downgrade() -> None:
    op.drop_table("console_queries")
