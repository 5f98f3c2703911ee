"""Writing backups, beside whatever is being served: the data in one file, the keys in another, never both in one.

Who has only one of the two can read nothing of anybody. The keys are kept for a shorter time than the data: once a
person is erased, what older backups of the data hold of them opens only with a backup of the keys from before.
"""

import json
import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, create_engine, select, text

from core.analytics.facts_store import facts_of
from core.analytics.lake import Lake, alone, lake_of, list_files, mend
from core.backup.archive import Writer, writing
from core.platform.database import Base
from core.platform.keystore import DATA_KEYS, version_of
from core.platform.master_key import master_keys
from core.platform.registry import load_models
from core.platform.runtime import Runtime
from core.platform.tombstones import entombed
from core.shared.clock import iso_z

VERSIONS = "alembic_version"


def back_up_data(runtime: Runtime, path: Path) -> int:
    """Write database, blobs and lake as they are now to a file; answers how many parts it has.

    Nobody else writes to the lake meanwhile: its list in the database and its files belong together.
    """
    lake = lake_of(runtime)
    with alone(lake):
        mend(runtime, lake)
        return _back_up(runtime, lake, path)


def _back_up(runtime: Runtime, lake: Lake, path: Path) -> int:
    settings = runtime.settings
    with runtime.database.engine.connect() as connection:
        revision = connection.scalar(text(f"SELECT version_num FROM {VERSIONS}"))  # noqa: S608 - our own name
    facts = {
        "made_at": iso_z(runtime.clock.now()),
        "revision": revision,
        "database": "sqlite" if runtime.database.is_sqlite else "postgresql",
        "erased": sorted(entombed(runtime)),
    }
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".backup-") as folder, writing(path, "data", facts) as out:
        if runtime.database.is_sqlite:
            copy = Path(folder) / "stepiq.db"
            _copy_sqlite(settings.database.removeprefix("sqlite:///"), copy)
            out.add("database/stepiq.db", copy)
        else:
            facts["columns"] = _copy_tables(runtime, Path(folder), out)
        # After the rows: a file that was added since has a blob too many, which the clean-up finds.
        for blob in sorted(settings.blobs.glob("[0-9a-f][0-9a-f]/*")):
            if blob.suffix != ".part":
                try:
                    out.add(f"blobs/{blob.parent.name}/{blob.name}", blob)
                except FileNotFoundError:
                    continue  # deleted since; its row is about to go as well
        for file in list_files(runtime):
            out.add(f"lake/{file.key}", lake.whole(file, Path(folder) / "lake"))
        for place, path in facts_of(runtime).all_files():  # of rows that may be gone: they cannot be made again
            out.add(f"lake/{place}", path)
    return len(out.members)


def back_up_keys(runtime: Runtime, path: Path) -> int:
    """Write the key store to a file, as wrapped by the master key, which is not in it; answers how many keys."""
    masters = master_keys(runtime.settings)
    engine = create_engine(runtime.settings.key_store)
    try:
        with engine.connect() as connection:
            rows = connection.execute(select(DATA_KEYS).order_by(DATA_KEYS.c.subject_id)).all()
    finally:
        engine.dispose()
    lines = [
        json.dumps([row.subject_id, row.wrapped_key.hex(), row.master_version, row.created_at.isoformat()])
        for row in rows
    ]
    where = "STEPIQ_MASTER_KEY" if runtime.settings.master_key else "keys/master.key in the data folder"
    facts = {
        "made_at": iso_z(runtime.clock.now()),
        "erased": sorted(entombed(runtime)),
        "master_key": {"version": version_of(masters[0]), "kept_in": where},
    }
    with writing(path, "keys", facts) as out:
        out.add_bytes("keys.jsonl", "\n".join(lines).encode())
    return len(rows)


def table_columns() -> dict[str, list[str]]:
    """Every table of the newest schema with its columns, parents first."""
    load_models()
    return {table.name: [column.name for column in table.columns] for table in Base.metadata.sorted_tables}


def _copy_sqlite(source: str, target: Path) -> None:
    """SQLite's online backup: a snapshot, while others go on writing."""
    with closing(sqlite3.connect(source)) as there, closing(sqlite3.connect(target)) as here:
        there.backup(here)
    target.chmod(0o600)


def _copy_tables(runtime: Runtime, folder: Path, out: Writer) -> dict[str, list[str]]:
    """Every table of one snapshot, as PostgreSQL writes them."""
    columns = table_columns()
    with runtime.database.engine.connect() as connection:
        connection = connection.execution_options(isolation_level="REPEATABLE READ")
        for name, names in columns.items():
            part = folder / "table"
            _copy_out(connection, name, names, part)
            out.add(f"tables/{name}", part)
            part.unlink()
    return columns


def _copy_out(connection: Connection, name: str, columns: list[str], part: Path) -> None:
    listed = ", ".join(f'"{column}"' for column in columns)
    connection.exec_driver_sql("SELECT 1")  # the transaction begins through SQLAlchemy, with its isolation
    cursor: Any = connection.connection.cursor()
    with part.open("wb") as file, cursor.copy(f'COPY "{name}" ({listed}) TO STDOUT (FORMAT binary)') as copy:
        for block in copy:
            file.write(block)
