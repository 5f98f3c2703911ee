"""Price books, the one a run is priced by, and what a charge was for; no index that no query asks for"""

import sqlalchemy as sa
from alembic import op

revision = "0026_price_books"
down_revision = "0025_funding_choice"

TOKENS = ("input_tokens", "cached_tokens", "written_tokens", "output_tokens")
TEXTS = {"pipeline_id": 36, "plan": 20, "model": 200}


def upgrade() -> None:
    op.create_table(
        "price_books",
        sa.Column("version", sa.String(length=40), nullable=False),
        sa.Column("digest", sa.String(length=12), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("taken_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("version", name=op.f("pk_price_books")),
        sa.UniqueConstraint("digest", name=op.f("uq_price_books_digest")),
    )
    with op.batch_alter_table("runs", schema=None) as batch_op:
        batch_op.add_column(sa.Column("price_version", sa.String(length=40), nullable=True))
    with op.batch_alter_table("ledger_transactions", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_ledger_transactions_owner_id_id"))
        for name in ("balance_micros", "spent_micros"):
            batch_op.add_column(sa.Column(name, sa.BigInteger(), nullable=False, server_default="0"))
        for name, length in TEXTS.items():
            batch_op.add_column(sa.Column(name, sa.String(length=length), nullable=True))
        for name in TOKENS:
            batch_op.add_column(sa.Column(name, sa.BigInteger(), nullable=True))
    with op.batch_alter_table("ledger_entries", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_ledger_entries_owner_id_account"))
    _sum_up(op.get_bind())
    with op.batch_alter_table("ledger_transactions", schema=None) as batch_op:
        for name in ("balance_micros", "spent_micros"):
            batch_op.alter_column(name, server_default=None)


def downgrade() -> None:
    with op.batch_alter_table("ledger_entries", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_ledger_entries_owner_id_account"), ["owner_id", "account"], unique=False)
    with op.batch_alter_table("ledger_transactions", schema=None) as batch_op:
        for name in (*reversed(TOKENS), *reversed(TEXTS), "spent_micros", "balance_micros"):
            batch_op.drop_column(name)
        batch_op.create_index(batch_op.f("ix_ledger_transactions_owner_id_id"), ["owner_id", "id"], unique=False)
    with op.batch_alter_table("runs", schema=None) as batch_op:
        batch_op.drop_column("price_version")
    op.drop_table("price_books")


def _sum_up(connection: sa.Connection) -> None:
    """What each movement spent, and what there was after it."""
    connection.execute(
        sa.text(
            "UPDATE ledger_transactions SET "
            "spent_micros = COALESCE((SELECT SUM(e.amount_micros) FROM ledger_entries e "
            "WHERE e.transaction_id = ledger_transactions.id AND e.account = 'spent'), 0), "
            "balance_micros = COALESCE((SELECT SUM(e.amount_micros) FROM ledger_entries e "
            "WHERE e.transaction_id = ledger_transactions.id AND e.account IN ('available', 'held')), 0)"
        )
    )
    connection.execute(
        sa.text(
            "UPDATE ledger_transactions SET balance_micros = summed.balance FROM (SELECT id, "
            "SUM(balance_micros) OVER (PARTITION BY owner_id ORDER BY number) AS balance FROM ledger_transactions"
            ") AS summed WHERE summed.id = ledger_transactions.id"
        )
    )
