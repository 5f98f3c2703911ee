"""Looks of admins at the content of people"""

import sqlalchemy as sa
from alembic import op

revision = "0065_content_looks"
down_revision = "0064_suspension"


def upgrade() -> None:
    moment = sa.DateTime(timezone=True)
    op.create_table(
        "content_looks",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("account_id", sa.String(length=36), nullable=False),
        sa.Column("admin_id", sa.String(length=36), nullable=False),
        sa.Column("reason", sa.LargeBinary(), nullable=False),
        sa.Column("opened_at", moment, nullable=False),
        sa.Column("ends_at", moment, nullable=False),
        sa.Column("ended_at", moment, nullable=True),
        sa.Column("seen_at", moment, nullable=True),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("fk_content_looks_account_id_accounts")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_content_looks")),
    )
    op.create_index(op.f("ix_content_looks_account_id_opened_at"), "content_looks", ["account_id", "opened_at"])
    op.create_index(op.f("ix_content_looks_admin_id_ends_at"), "content_looks", ["admin_id", "ends_at"])
    op.create_table(
        "content_looked_at",
        sa.Column("look_id", sa.String(length=36), nullable=False),
        sa.Column("kind", sa.String(length=10), nullable=False),
        sa.Column("thing_id", sa.String(length=36), nullable=False),
        sa.Column("at", moment, nullable=False),
        sa.ForeignKeyConstraint(
            ["look_id"], ["content_looks.id"], name=op.f("fk_content_looked_at_look_id_content_looks")
        ),
        sa.PrimaryKeyConstraint("look_id", "kind", "thing_id", name=op.f("pk_content_looked_at")),
    )


def downgrade() -> None:
    op.drop_table("content_looked_at")
    op.drop_table("content_looks")
