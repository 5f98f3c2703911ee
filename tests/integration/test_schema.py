"""The migrated schema is the declared one, and every column is annotated for privacy."""

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Column, MetaData, String, Table, func, select, text

from core.accounts.commands import create_account
from core.analytics.models import BatchRow
from core.bootstrap import MIGRATIONS, migrate, newest_revision
from core.credits.commands import set_credits
from core.credits.queries import balance, verify_ledger
from core.execution.commands import start_run
from core.pipelines.commands import create_pipeline
from core.platform.annotations import NotPersonal, Personal
from core.platform.database import Base, undeclared_columns
from core.platform.keystore import KEY_METADATA
from core.platform.runtime import Runtime
from core.shared.money import MICROS
from tests.conftest import PASSWORD

SAY = {"name": "Say", "version": 1, "steps": [{"id": "say", "type": "transform", "template": "x"}]}


def test_migrations_make_the_declared_schema(runtime: Runtime) -> None:
    with runtime.database.engine.connect() as connection:
        options = {"compare_type": True, "include_object": _is_ours}
        context = MigrationContext.configure(connection, opts=options)
        assert compare_metadata(context, Base.metadata) == []


def _is_ours(_found: object, name: str | None, *_: object) -> bool:
    # The queue's tables are made and migrated by its own library.
    return not str(name).startswith("procrastinate_")


def test_a_database_that_is_full_is_migrated(runtime: Runtime) -> None:
    """Tables that others refer to are made anew on SQLite, with all that is in them."""
    owner = create_account(runtime, email="ada@example.org", password=PASSWORD, plan="pro")
    set_credits(runtime, owner, micros=5 * MICROS)
    start_run(runtime, owner, create_pipeline(runtime, owner, SAY).id, {})
    before, credits = _counts(runtime), balance(runtime, owner)
    assert all(before[name] for name in ("ledger_entries", "runs", "pipeline_versions"))
    command.downgrade(_config(runtime), "0022_schedule_keys")
    migrate(runtime.database)
    after = _counts(runtime)
    assert {name: count for name, count in before.items() if after[name] != count} == {}
    assert (
        verify_ledger(runtime).problems == () and balance(runtime, owner).available_micros == credits.available_micros
    )
    if runtime.database.is_sqlite:
        with runtime.database.connect() as connection:
            assert connection.scalar(text("PRAGMA foreign_keys")) == 1


def test_events_that_wait_are_carried_over(runtime: Runtime) -> None:
    ada = create_account(runtime, email="ada@example.org", password=PASSWORD)
    runtime.events.emit("page.viewed", ada.id, page="runs", duration_ms=33)
    runtime.events.emit("page.viewed", None, page="runs")
    runtime.events.write_now()
    everything = select(BatchRow.name, BatchRow.size, BatchRow.events)
    with runtime.database.read() as session:
        before = session.execute(everything).all()
    command.downgrade(_config(runtime), "0080_lake_turns")
    with runtime.database.connect() as connection:
        one_by_one = connection.execute(text("SELECT visitor, plan, fields FROM analytics_events")).all()
    assert (None, None, '{"page":"runs"}') in one_by_one and len(one_by_one) == sum(row.size for row in before)
    migrate(runtime.database)
    with runtime.database.read() as session:
        assert sorted(session.execute(everything).all()) == sorted(before)


def _config(runtime: Runtime) -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["engine"] = runtime.database.engine
    return config


def _counts(runtime: Runtime) -> dict[str, int]:
    with runtime.database.read() as session:
        return {
            table.name: session.scalar(select(func.count()).select_from(table)) or 0
            for table in Base.metadata.sorted_tables
            if table.name
            not in (
                "price_books",
                "plan_changes",
                "planned_plans",
                "policy_versions",
            )  # younger than where it goes back to
        }


def test_the_newest_migration_is_known_by_its_file() -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    assert ScriptDirectory.from_config(config).get_current_head() == newest_revision()


def test_every_column_is_annotated(runtime: Runtime) -> None:
    assert undeclared_columns(Base.metadata) == []
    assert undeclared_columns(KEY_METADATA) == []
    kinds = {type(c.info["privacy"]) for t in Base.metadata.sorted_tables for c in t.columns}
    assert kinds == {Personal, NotPersonal}


def test_a_column_without_an_annotation_is_named() -> None:
    metadata = MetaData()
    Table("notes", metadata, Column("text", String))
    assert undeclared_columns(metadata) == ["notes.text"]
