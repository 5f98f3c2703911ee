"""Events wait for the lake in one row a batch"""

import json
from itertools import groupby

import sqlalchemy as sa
from alembic import op

revision = "0081_event_batches"
down_revision = "0080_lake_turns"

ABOUT = ("event", "hour", "visitor", "plan")


def upgrade() -> None:
    batches = op.create_table(
        "analytics_batches",
        sa.Column("name", sa.String(length=32), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("events", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_analytics_batches")),
    )
    old = sa.table("analytics_events", *map(sa.column, ("batch", "place", *ABOUT, "fields")))
    bind = op.get_bind()
    waiting = bind.execute(sa.select(old).order_by(old.c.batch, old.c.place)).all()
    for name, rows in groupby(waiting, key=lambda row: row.batch):
        events = [
            {column: value for column in ABOUT if (value := getattr(row, column)) is not None} | json.loads(row.fields)
            for row in rows
        ]
        packed = json.dumps(events, separators=(",", ":"))
        bind.execute(sa.insert(batches).values(name=name, size=len(events), events=packed))
    op.drop_table("analytics_events")


def downgrade() -> None:
    op.create_table(
        "analytics_events",
        sa.Column("batch", sa.String(length=32), nullable=False),
        sa.Column("place", sa.Integer(), nullable=False),
        sa.Column("event", sa.String(length=40), nullable=False),
        sa.Column("hour", sa.String(length=13), nullable=False),
        sa.Column("visitor", sa.String(length=16), nullable=True),
        sa.Column("plan", sa.String(length=20), nullable=True),
        sa.Column("fields", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("batch", "place", name=op.f("pk_analytics_events")),
    )
    with op.batch_alter_table("analytics_events", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_analytics_events_visitor"), ["visitor"], unique=False)
    old = sa.table("analytics_events", *map(sa.column, ("batch", "place", *ABOUT, "fields")))
    batches = sa.table("analytics_batches", *map(sa.column, ("name", "events")))
    bind = op.get_bind()
    for name, packed in bind.execute(sa.select(batches.c.name, batches.c.events)).all():
        for place, each in enumerate(json.loads(packed)):
            about = {column: each.pop(column, None) for column in ABOUT}
            fields = json.dumps(each, separators=(",", ":"))
            bind.execute(sa.insert(old).values(batch=name, place=place, fields=fields, **about))
    op.drop_table("analytics_batches")
