"""What legal holds keep of people who are erased: rows sealed with a key of the hold's own"""

import sqlalchemy as sa
from alembic import op

revision = "0061_held_rows"
down_revision = "0052_personal_data_choice"


def upgrade() -> None:
    op.add_column("erasures", sa.Column("no_way_back_at", sa.DateTime(timezone=True), nullable=True))
    op.create_table(
        "hold_copies",
        sa.Column("hold_id", sa.String(length=36), nullable=False),
        sa.Column("request_id", sa.String(length=36), nullable=False),
        sa.Column("counts", sa.Text(), nullable=False),
        sa.Column("kept_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("released_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("hold_id", name=op.f("pk_hold_copies")),
    )
    op.create_index(op.f("ix_hold_copies_released_at"), "hold_copies", ["released_at"])
    op.create_table(
        "held_rows",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("hold_id", sa.String(length=36), nullable=False),
        sa.Column("account_id", sa.String(length=36), nullable=False),
        sa.Column("table_name", sa.String(length=60), nullable=False),
        sa.Column("row_id", sa.String(length=120), nullable=False),
        sa.Column("part", sa.Integer(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("kept_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_held_rows")),
        sa.UniqueConstraint(
            "hold_id", "table_name", "row_id", "part", name=op.f("uq_held_rows_hold_id_table_name_row_id_part")
        ),
    )
    op.create_index(op.f("ix_held_rows_account_id"), "held_rows", ["account_id"])


def downgrade() -> None:
    op.drop_table("held_rows")
    op.drop_table("hold_copies")
    op.drop_column("erasures", "no_way_back_at")
