"""How a person stands to the use of their data: restricted, objecting, leaving"""

import sqlalchemy as sa
from alembic import op

revision = "0029_standing"
down_revision = "0028_request_steps"
COLUMNS = ("restricted_at", "objected_at", "closing_at")


def upgrade() -> None:
    for name in COLUMNS:
        op.add_column("accounts", sa.Column(name, sa.DateTime(timezone=True), nullable=True))


def downgrade() -> None:
    for name in reversed(COLUMNS):
        op.drop_column("accounts", name)
