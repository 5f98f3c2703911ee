"""Requests of data subjects: decisions, restrictions, words of others that are left out"""

import sqlalchemy as sa
from alembic import op

revision = "0034_request_decisions"
down_revision = "0033_request_time_line"


def upgrade() -> None:
    op.create_table(
        "privacy_decisions",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("request_id", sa.String(length=36), nullable=False),
        sa.Column("verdict", sa.String(length=10), nullable=False),
        sa.Column("reason", sa.LargeBinary(), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("signed_by", sa.String(length=36), nullable=False),
        sa.Column("signed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("second_by", sa.String(length=36), nullable=True),
        sa.Column("second_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("signed_alone", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["request_id"], ["privacy_requests.id"], name=op.f("fk_privacy_decisions_request_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_privacy_decisions")),
    )
    op.create_index(op.f("ix_privacy_decisions_request_id"), "privacy_decisions", ["request_id"])
    op.create_table(
        "privacy_restrictions",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("request_id", sa.String(length=36), nullable=False),
        sa.Column("account_id", sa.String(length=36), nullable=False),
        sa.Column("began_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("told_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("lift_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["request_id"], ["privacy_requests.id"], name=op.f("fk_privacy_restrictions_request_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_privacy_restrictions")),
        sa.UniqueConstraint("request_id", name=op.f("uq_privacy_restrictions_request_id")),
    )
    op.create_index(
        op.f("ix_privacy_restrictions_account_id_ended_at"), "privacy_restrictions", ["account_id", "ended_at"]
    )
    op.create_index(op.f("ix_privacy_restrictions_ended_at_lift_at"), "privacy_restrictions", ["ended_at", "lift_at"])
    op.create_table(
        "privacy_redactions",
        sa.Column("request_id", sa.String(length=36), nullable=False),
        sa.Column("place", sa.String(length=40), nullable=False),
        sa.Column("row_id", sa.String(length=36), nullable=False),
        sa.Column("marked_by", sa.String(length=36), nullable=False),
        sa.Column("marked_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["request_id"], ["privacy_requests.id"], name=op.f("fk_privacy_redactions_request_id")),
        sa.PrimaryKeyConstraint("request_id", "place", "row_id", name=op.f("pk_privacy_redactions")),
    )


def downgrade() -> None:
    for name in ("privacy_redactions", "privacy_restrictions", "privacy_decisions"):
        op.drop_table(name)
