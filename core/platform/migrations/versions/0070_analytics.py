"""Anonymous events on their way to the lake, its files, and how far each person came"""

import sqlalchemy as sa
from alembic import op

revision = "0070_analytics"
down_revision = "0066_runs_by_status"


def upgrade() -> None:
    op.create_table(
        "analytics_events",
        sa.Column("batch", sa.String(length=32), nullable=False),
        sa.Column("place", sa.Integer(), nullable=False),
        sa.Column("event", sa.String(length=40), nullable=False),
        sa.Column("hour", sa.String(length=13), nullable=False),
        sa.Column("visitor", sa.String(length=16), nullable=True),
        sa.Column("plan", sa.String(length=20), nullable=True),
        sa.Column("fields", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("batch", "place", name=op.f("pk_analytics_events")),
    )
    with op.batch_alter_table("analytics_events", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_analytics_events_visitor"), ["visitor"], unique=False)
    op.create_table(
        "analytics_files",
        sa.Column("name", sa.String(length=32), nullable=False),
        sa.Column("day", sa.String(length=10), nullable=False),
        sa.Column("rows", sa.BigInteger(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("sealed", sa.Boolean(), nullable=False),
        sa.Column("gone", sa.Boolean(), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_analytics_files")),
    )
    with op.batch_alter_table("analytics_files", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_analytics_files_day"), ["day"], unique=False)
    op.create_table(
        "analytics_progress",
        sa.Column("account_id", sa.String(length=36), nullable=False),
        sa.Column("week", sa.String(length=10), nullable=False),
        sa.Column("stages", sa.Integer(), nullable=False),
        sa.Column("runs", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("fk_analytics_progress_account_id")),
        sa.PrimaryKeyConstraint("account_id", name=op.f("pk_analytics_progress")),
    )


def downgrade() -> None:
    for table in ("analytics_progress", "analytics_files", "analytics_events"):
        op.drop_table(table)
