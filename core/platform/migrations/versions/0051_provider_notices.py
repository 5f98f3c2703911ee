"""Which terms of providers a person was shown before the first use"""

import sqlalchemy as sa
from alembic import op

revision = "0051_provider_notices"
down_revision = "0050_egress"


def upgrade() -> None:
    op.create_table(
        "provider_notices",
        sa.Column("owner_id", sa.String(length=36), nullable=False),
        sa.Column("provider", sa.String(length=60), nullable=False),
        sa.Column("terms_dated", sa.String(length=10), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["owner_id"], ["accounts.id"], name=op.f("fk_provider_notices_owner_id")),
        sa.PrimaryKeyConstraint("owner_id", "provider", "terms_dated", name=op.f("pk_provider_notices")),
    )


def downgrade() -> None:
    op.drop_table("provider_notices")
