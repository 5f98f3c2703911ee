"""Erasures under way, and the certificates of those that ended"""

import sqlalchemy as sa
from alembic import op

revision = "0030_erasures"
down_revision = "0029_standing"


def upgrade() -> None:
    op.create_table(
        "erasures",
        sa.Column("request_id", sa.String(length=36), nullable=False),
        sa.Column("account_id", sa.String(length=36), nullable=False),
        sa.Column("number", sa.String(length=40), nullable=False),
        sa.Column("closes_installation", sa.Boolean(), nullable=False),
        sa.Column("address_index", sa.LargeBinary(), nullable=True),
        sa.Column("subject", sa.LargeBinary(), nullable=True),
        sa.Column("began_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("key_gone_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["request_id"], ["privacy_requests.id"], name=op.f("fk_erasures_request_id")),
        sa.PrimaryKeyConstraint("request_id", name=op.f("pk_erasures")),
        sa.UniqueConstraint("number", name=op.f("uq_erasures_number")),
    )
    op.create_index(op.f("ix_erasures_account_id"), "erasures", ["account_id"])
    op.create_index(op.f("ix_erasures_address_index"), "erasures", ["address_index"])
    op.create_table(
        "erasure_certificates",
        sa.Column("number", sa.String(length=40), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("before", sa.LargeBinary(), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_erasure_certificates")),
        sa.UniqueConstraint("seq", name=op.f("uq_erasure_certificates_seq")),
    )


def downgrade() -> None:
    op.drop_table("erasure_certificates")
    op.drop_table("erasures")
