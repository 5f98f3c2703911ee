"""Model calls by when they began"""

import sqlalchemy as sa
from alembic import op

revision = "0018_vendor_calls"
down_revision = "0017_automation"

CALLS = sa.text("provider IS NOT NULL")


def upgrade() -> None:
    op.create_index(
        op.f("ix_step_runs_started_at"), "step_runs", ["started_at"], sqlite_where=CALLS, postgresql_where=CALLS
    )


def downgrade() -> None:
    op.drop_index(op.f("ix_step_runs_started_at"), table_name="step_runs")
