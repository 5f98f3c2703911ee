"""What becomes of personal data in what models are sent: a person's choice, and a pipeline's"""

import sqlalchemy as sa
from alembic import op

revision = "0052_personal_data_choice"
down_revision = "0051_provider_notices"


def upgrade() -> None:
    for table in ("accounts", "pipelines"):
        op.add_column(table, sa.Column("personal_data", sa.String(length=5), nullable=True))


def downgrade() -> None:
    for table in ("pipelines", "accounts"):
        op.drop_column(table, "personal_data")
