"""Requests of data subjects: the way they came in, their time line, links that prove who asked"""

import sqlalchemy as sa
from alembic import op

revision = "0033_request_time_line"
down_revision = "0030_erasures"


def upgrade() -> None:
    with op.batch_alter_table("privacy_requests") as batch:
        batch.add_column(sa.Column("channel", sa.String(length=10), nullable=False, server_default="app"))
        batch.add_column(sa.Column("identity", sa.String(length=10), nullable=True))
        batch.add_column(sa.Column("details", sa.LargeBinary(), nullable=True))
        batch.add_column(sa.Column("extended_until", sa.DateTime(timezone=True), nullable=True))
    with op.batch_alter_table("privacy_requests") as batch:
        batch.alter_column("channel", server_default=None)
    # Requests so far were asked for in the app, right after the password.
    op.execute("UPDATE privacy_requests SET identity = 'session'")
    op.create_table(
        "privacy_request_events",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("request_id", sa.String(length=36), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor", sa.String(length=20), nullable=False),
        sa.Column("actor_id", sa.String(length=36), nullable=True),
        sa.Column("before", sa.String(length=20), nullable=False),
        sa.Column("after", sa.String(length=20), nullable=False),
        sa.Column("code", sa.String(length=40), nullable=False),
        sa.Column("text", sa.LargeBinary(), nullable=True),
        sa.ForeignKeyConstraint(
            ["request_id"], ["privacy_requests.id"], name=op.f("fk_privacy_request_events_request_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_privacy_request_events")),
    )
    op.create_index(op.f("ix_privacy_request_events_request_id_id"), "privacy_request_events", ["request_id", "id"])
    op.create_table(
        "privacy_request_links",
        sa.Column("token_hash", sa.LargeBinary(), nullable=False),
        sa.Column("request_id", sa.String(length=36), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["request_id"], ["privacy_requests.id"], name=op.f("fk_privacy_request_links_request_id")
        ),
        sa.PrimaryKeyConstraint("token_hash", name=op.f("pk_privacy_request_links")),
    )
    op.create_index(op.f("ix_privacy_request_links_request_id"), "privacy_request_links", ["request_id"])


def downgrade() -> None:
    op.drop_table("privacy_request_links")
    op.drop_table("privacy_request_events")
    with op.batch_alter_table("privacy_requests") as batch:
        for name in ("extended_until", "details", "identity", "channel"):
            batch.drop_column(name)
