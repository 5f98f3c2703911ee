"""What left: a row a call, webhook, tool call and delivery"""

import sqlalchemy as sa
from alembic import op

revision = "0050_egress"
down_revision = "0042_promises"


def upgrade() -> None:
    op.create_table(
        "egress",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("owner_id", sa.String(length=36), nullable=False),
        sa.Column("run_id", sa.String(length=36), nullable=False),
        sa.Column("pipeline_id", sa.String(length=36), nullable=True),
        sa.Column("step_id", sa.String(length=100), nullable=True),
        sa.Column("kind", sa.String(length=10), nullable=False),
        sa.Column("recipient", sa.String(length=255), nullable=False),
        sa.Column("region", sa.String(length=60), nullable=True),
        sa.Column("purpose", sa.String(length=20), nullable=False),
        sa.Column("funding", sa.String(length=10), nullable=True),
        sa.Column("categories", sa.String(length=500), nullable=True),
        sa.Column("masked", sa.String(length=500), nullable=True),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("outcome", sa.String(length=10), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_egress")),
    )
    with op.batch_alter_table("egress", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_egress_owner_id_id"), ["owner_id", "id"], unique=False)
        batch_op.create_index(batch_op.f("ix_egress_run_id"), ["run_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_egress_at"), ["at"], unique=False)


def downgrade() -> None:
    op.drop_table("egress")
