"""The migrated schema is the declared one, and every column is annotated for privacy."""

from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Column, MetaData, String, Table

from core.bootstrap import MIGRATIONS, newest_revision
from core.platform.annotations import NotPersonal, Personal
from core.platform.database import Base, undeclared_columns
from core.platform.keystore import KEY_METADATA
from core.platform.runtime import Runtime


def test_migrations_make_the_declared_schema(runtime: Runtime) -> None:
    with runtime.database.engine.connect() as connection:
        options = {"compare_type": True, "include_object": _is_ours}
        context = MigrationContext.configure(connection, opts=options)
        assert compare_metadata(context, Base.metadata) == []


def _is_ours(_found: object, name: str | None, *_: object) -> bool:
    # The queue's tables are made and migrated by its own library.
    return not str(name).startswith("procrastinate_")


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
