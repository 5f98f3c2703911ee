"""Changes of plans, announced and done; what the month of a person's credits was granted for, and until when"""

from calendar import monthrange
from datetime import UTC, datetime

import sqlalchemy as sa
from alembic import op

from core.platform.database import UtcDateTime

revision = "0024_plan_changes"
down_revision = "0023_ledger_chain"


def upgrade() -> None:
    op.create_table(
        "plan_changes",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("owner_id", sa.String(length=36), nullable=False),
        sa.Column("before", sa.String(length=20), nullable=False),
        sa.Column("plan", sa.String(length=20), nullable=False),
        sa.Column("cause", sa.String(length=200), nullable=False),
        sa.Column("created_at", UtcDateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_plan_changes")),
        sa.UniqueConstraint("owner_id", "cause", name=op.f("uq_plan_changes_owner_id_cause")),
    )
    op.create_table(
        "planned_plans",
        sa.Column("owner_id", sa.String(length=36), nullable=False),
        sa.Column("plan", sa.String(length=20), nullable=False),
        sa.Column("at", UtcDateTime(timezone=True), nullable=False),
        sa.Column("cause", sa.String(length=200), nullable=False),
        sa.Column("created_at", UtcDateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("owner_id", name=op.f("pk_planned_plans")),
    )
    op.create_index(op.f("ix_planned_plans_at"), "planned_plans", ["at"])
    with op.batch_alter_table("credit_accounts", schema=None) as batch_op:
        batch_op.add_column(sa.Column("month_ends_at", UtcDateTime(timezone=True), nullable=True))
        batch_op.add_column(sa.Column("month_plan", sa.String(length=20), nullable=True))
        batch_op.add_column(sa.Column("month_granted_micros", sa.BigInteger(), nullable=True))
        batch_op.create_index(op.f("ix_credit_accounts_month_ends_at"), ["month_ends_at"])
    settled = sa.text("kind = 'settle'")
    op.create_index(
        "ix_ledger_transactions_settled", "ledger_transactions", ["owner_id", "created_at"],
        sqlite_where=settled, postgresql_where=settled,
    )  # fmt: skip
    _note_months(op.get_bind())


def downgrade() -> None:
    op.drop_index("ix_ledger_transactions_settled", table_name="ledger_transactions")
    with op.batch_alter_table("credit_accounts", schema=None) as batch_op:
        batch_op.drop_index(op.f("ix_credit_accounts_month_ends_at"))
        for name in ("month_granted_micros", "month_plan", "month_ends_at"):
            batch_op.drop_column(name)
    op.drop_index(op.f("ix_planned_plans_at"), table_name="planned_plans")
    op.drop_table("planned_plans")
    op.drop_table("plan_changes")


def _note_months(connection: sa.Connection) -> None:
    """Note until when the newest month that was granted lasts, so that it is not granted once more."""
    grants = connection.execute(
        sa.text(
            "SELECT a.id, a.created_at, t.cause, e.amount_micros FROM accounts a "
            "JOIN ledger_transactions t ON t.owner_id = a.id AND t.kind = 'grant' "
            "JOIN ledger_entries e ON e.transaction_id = t.id AND e.account = 'available' "
            "ORDER BY t.owner_id, t.number"
        ).columns(created_at=UtcDateTime())
    ).all()
    newest = {}
    for row in grants:
        kind, _, rest = row.cause.partition(":")
        owner_id, _, month = rest.partition(":")
        plan, _, number = month.partition(":")
        if kind == "plan" and owner_id == row.id and number.isdecimal():
            newest[row.id] = (_month_start(row.created_at, int(number) + 1), plan, row.amount_micros)
    accounts = sa.table(
        "credit_accounts",
        *(sa.column(name) for name in ("owner_id", "month_plan", "month_granted_micros")),
        sa.column("month_ends_at", UtcDateTime(timezone=True)),
    )
    for owner_id, (ends_at, plan, micros) in newest.items():
        values = {"month_ends_at": ends_at, "month_plan": plan, "month_granted_micros": micros}
        connection.execute(sa.update(accounts).where(accounts.c.owner_id == owner_id).values(values))


def _month_start(anchor: datetime, number: int) -> datetime:
    years, month = divmod(anchor.month - 1 + number, 12)
    year = anchor.year + years
    return datetime(year, month + 1, min(anchor.day, monthrange(year, month + 1)[1]), tzinfo=UTC)
