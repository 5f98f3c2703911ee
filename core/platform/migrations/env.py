"""How Alembic reaches the database: through the engine of the Runtime that asked."""

from alembic import context

from core.platform.database import Base
from core.platform.registry import load_models
from core.shared.errors import InvariantViolated

load_models()
engine = context.config.attributes["engine"]

with engine.connect().execution_options(stepiq_write=True) as connection:
    is_sqlite = connection.dialect.name == "sqlite"
    driver = connection.connection.driver_connection
    if is_sqlite:
        # A table is altered by making it anew, which drops one that others refer to (SQLite, "ALTER TABLE", section 7).
        driver.execute("PRAGMA foreign_keys=OFF")
    try:
        context.configure(
            connection=connection,
            target_metadata=Base.metadata,
            render_as_batch=is_sqlite,
            compare_type=True,
            transactional_ddl=True,  # on SQLite too, for which Alembic does not expect it
            transaction_per_migration=False,
        )
        with context.begin_transaction():
            if not is_sqlite:
                # Two processes that start together migrate one after the other.
                connection.exec_driver_sql("SELECT pg_advisory_xact_lock(7301947)")
            context.run_migrations()
            if is_sqlite and (lost := connection.exec_driver_sql("PRAGMA foreign_key_check").first()):
                raise InvariantViolated(
                    "MIGRATION_BROKEN", f"A row of {lost[0]} refers to nothing. Nothing was changed."
                )
    finally:
        if is_sqlite:
            driver.execute("PRAGMA foreign_keys=ON")
