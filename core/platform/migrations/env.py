"""How Alembic reaches the database: through the engine of the Runtime that asked."""

from alembic import context

from core.platform.database import Base
from core.platform.registry import load_models

load_models()
engine = context.config.attributes["engine"]

with engine.connect().execution_options(stepiq_write=True) as connection:
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        render_as_batch=connection.dialect.name == "sqlite",
        compare_type=True,
        transaction_per_migration=False,
    )
    with context.begin_transaction():
        if connection.dialect.name == "postgresql":
            # Two processes that start together migrate one after the other.
            connection.exec_driver_sql("SELECT pg_advisory_xact_lock(7301947)")
        context.run_migrations()
