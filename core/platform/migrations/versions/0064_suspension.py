"""Accounts that are suspended, and lists of people by plan, role and standing"""

import sqlalchemy as sa
from alembic import op

revision = "0064_suspension"
down_revision = "0062_passages"
FEW = ("suspended", "restricted", "closing")


def upgrade() -> None:
    op.add_column("accounts", sa.Column("suspended_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("accounts", sa.Column("suspension_reason", sa.LargeBinary(), nullable=True))
    for column in ("plan", "roles"):
        op.create_index(op.f(f"ix_accounts_{column}_id"), "accounts", [column, "id"])
    for name in FEW:
        few = sa.text(f"{name}_at IS NOT NULL")
        op.create_index(op.f(f"ix_accounts_{name}"), "accounts", ["id"], sqlite_where=few, postgresql_where=few)


def downgrade() -> None:
    for name in (*FEW, "roles_id", "plan_id"):
        op.drop_index(op.f(f"ix_accounts_{name}"), "accounts")
    for column in ("suspension_reason", "suspended_at"):
        op.drop_column("accounts", column)
