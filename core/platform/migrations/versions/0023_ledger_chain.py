"""Movements in a chain; purchases, what ends with its month, and what of a hold came from the month"""

import hashlib
import json
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0023_ledger_chain"
down_revision = "0022_schedule_keys"

START = b"\0" * 32
ACCOUNT_NUMBERS = ("purchased_micros", "expired_micros", "monthly_micros", "month", "movements")


def upgrade() -> None:
    with op.batch_alter_table("credit_accounts", schema=None) as batch_op:
        for name in ACCOUNT_NUMBERS:
            kind: Any = sa.Integer() if name == "month" else sa.BigInteger()
            batch_op.add_column(sa.Column(name, kind, nullable=False, server_default="0"))
        batch_op.add_column(sa.Column("head", sa.LargeBinary(), nullable=True))
    with op.batch_alter_table("ledger_transactions", schema=None) as batch_op:
        batch_op.add_column(sa.Column("monthly_micros", sa.BigInteger(), nullable=False, server_default="0"))
        batch_op.add_column(sa.Column("month", sa.Integer(), nullable=False, server_default="0"))
        batch_op.add_column(sa.Column("number", sa.BigInteger(), nullable=True))
        batch_op.add_column(sa.Column("hash", sa.LargeBinary(), nullable=True))
    _chain(op.get_bind())
    with op.batch_alter_table("credit_accounts", schema=None) as batch_op:
        for name in ACCOUNT_NUMBERS:
            batch_op.alter_column(name, server_default=None)
        batch_op.alter_column("head", existing_type=sa.LargeBinary(), nullable=False)
        batch_op.create_check_constraint(
            op.f("ck_credit_accounts_monthly"), "monthly_micros >= 0 AND monthly_micros <= available_micros"
        )
    with op.batch_alter_table("ledger_transactions", schema=None) as batch_op:
        batch_op.alter_column("monthly_micros", server_default=None)
        batch_op.alter_column("month", server_default=None)
        batch_op.alter_column("number", existing_type=sa.BigInteger(), nullable=False)
        batch_op.alter_column("hash", existing_type=sa.LargeBinary(), nullable=False)
        batch_op.create_unique_constraint(op.f("uq_ledger_transactions_owner_id_number"), ["owner_id", "number"])


def downgrade() -> None:
    with op.batch_alter_table("ledger_transactions", schema=None) as batch_op:
        batch_op.drop_constraint(op.f("uq_ledger_transactions_owner_id_number"), type_="unique")
        for name in ("hash", "number", "month", "monthly_micros"):
            batch_op.drop_column(name)
    with op.batch_alter_table("credit_accounts", schema=None) as batch_op:
        batch_op.drop_constraint(op.f("ck_credit_accounts_monthly"), type_="check")
        for name in ("head", *ACCOUNT_NUMBERS):
            batch_op.drop_column(name)


def _chain(connection: sa.Connection) -> None:
    """Chain what is there, in the order it was booked."""
    read, write = connection.execute, connection.execute
    amounts: dict[str, dict[str, int]] = {}
    for entry in read(sa.text("SELECT transaction_id, account, amount_micros FROM ledger_entries")):
        amounts.setdefault(entry[0], {})[entry[1]] = entry[2]
    heads: dict[str, tuple[int, bytes]] = {}
    rows = read(
        sa.text(
            "SELECT id, owner_id, kind, cause, price_version, created_at FROM ledger_transactions ORDER BY owner_id, id"
        ).columns(created_at=sa.DateTime(timezone=True))
    ).all()
    for row in rows:
        number, head = heads.get(row.owner_id, (0, START))
        at = row.created_at.isoformat(timespec="milliseconds").replace("+00:00", "") + "Z"
        moved = sorted((name, amount) for name, amount in amounts.get(row.id, {}).items() if amount)
        covered = [head.hex(), number + 1, row.id, row.kind, row.cause, 0, row.price_version, at, moved]
        text = json.dumps(covered, separators=(",", ":"), ensure_ascii=False)
        head = hashlib.sha256(text.encode()).digest()
        heads[row.owner_id] = number + 1, head
        values = {"number": number + 1, "hash": head, "id": row.id}
        write(sa.text("UPDATE ledger_transactions SET number = :number, hash = :hash WHERE id = :id"), values)
    write(sa.text("UPDATE credit_accounts SET head = :head"), {"head": START})
    for owner_id, (number, head) in heads.items():
        values = {"number": number, "head": head, "owner": owner_id}
        write(sa.text("UPDATE credit_accounts SET movements = :number, head = :head WHERE owner_id = :owner"), values)
