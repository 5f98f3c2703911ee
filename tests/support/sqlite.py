"""A SQLite database with the newest schema, made once a test process: a copy costs a third of the migrations."""

import tempfile
from functools import cache
from pathlib import Path

from core.bootstrap import migrate
from core.platform.database import Database
from core.platform.registry import load_models


@cache
def _migrated() -> bytes:
    load_models()
    with tempfile.TemporaryDirectory(prefix="stepiq-sqlite-") as folder:
        file = Path(folder) / "stepiq.db"
        database = Database(f"sqlite:///{file}")
        migrate(database)
        with database.engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
        database.dispose()
        return file.read_bytes()


def put_migrated_database(data_dir: Path) -> None:
    """Put such a database where an installation looks for its own, unless there is one."""
    file = data_dir / "stepiq.db"
    if not file.exists():
        data_dir.mkdir(parents=True, exist_ok=True)
        file.write_bytes(_migrated())
