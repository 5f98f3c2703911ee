"""An index by which the facts of a day find what was granted, bought and expired"""

import sqlalchemy as sa
from alembic import op

revision = "0073_facts"
down_revision = "0071_console"

GIVEN = sa.text("kind NOT IN ('hold', 'settle', 'release')")


def upgrade() -> None:
    op.create_index(
        "ix_ledger_transactions_given", "ledger_transactions", ["created_at"],
        sqlite_where=GIVEN, postgresql_where=GIVEN,
    )  # fmt: skip


def downgrade() -> None:
    op.drop_index("ix_ledger_transactions_given", table_name="ledger_transactions")
