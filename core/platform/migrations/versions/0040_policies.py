"""Versions of policies, who was told about them, and for whom they count"""

import sqlalchemy as sa
from alembic import op

revision = "0040_policies"
down_revision = "0037_exports"


def upgrade() -> None:
    op.create_table(
        "policy_versions",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("document", sa.String(length=10), nullable=False),
        sa.Column("version", sa.String(length=14), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("summary", sa.Text(), nullable=False),
        sa.Column("material", sa.Boolean(), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("shipped", sa.Boolean(), nullable=False),
        sa.Column("effective_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("published_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("published_by", sa.String(length=36), nullable=True),
        sa.Column("withdrawn_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("state IN ('published', 'withdrawn')", name=op.f("ck_policy_versions_state")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_policy_versions")),
        sa.UniqueConstraint("document", "version", name=op.f("uq_policy_versions_document_version")),
    )
    op.create_table(
        "policy_drafts",
        sa.Column("document", sa.String(length=10), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("summary", sa.Text(), nullable=False),
        sa.Column("material", sa.Boolean(), nullable=False),
        sa.Column("effective_on", sa.Date(), nullable=True),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("saved_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("saved_by", sa.String(length=36), nullable=False),
        sa.PrimaryKeyConstraint("document", name=op.f("pk_policy_drafts")),
    )
    op.create_table(
        "policy_notices",
        sa.Column("account_id", sa.String(length=36), nullable=False),
        sa.Column("version_id", sa.String(length=36), nullable=False),
        sa.Column("mailed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("dismissed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("retracted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("passed_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("fk_policy_notices_account_id")),
        sa.ForeignKeyConstraint(["version_id"], ["policy_versions.id"], name=op.f("fk_policy_notices_version_id")),
        sa.PrimaryKeyConstraint("account_id", "version_id", name=op.f("pk_policy_notices")),
    )
    op.create_index(op.f("ix_policy_notices_version_id_retracted_at"), "policy_notices", ["version_id", "retracted_at"])
    op.create_table(
        "policy_acceptances",
        sa.Column("account_id", sa.String(length=36), nullable=False),
        sa.Column("document", sa.String(length=10), nullable=False),
        sa.Column("version", sa.String(length=14), nullable=False),
        sa.Column("way", sa.String(length=12), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("fk_policy_acceptances_account_id")),
        sa.PrimaryKeyConstraint("account_id", "document", "version", name=op.f("pk_policy_acceptances")),
    )


def downgrade() -> None:
    op.drop_table("policy_acceptances")
    op.drop_table("policy_notices")
    op.drop_table("policy_drafts")
    op.drop_table("policy_versions")
