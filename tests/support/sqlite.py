"""SQLite databases with the newest schema, made once a test process: a copy costs a third of the migrations."""

import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path

from core.bootstrap import migrate
from core.platform.database import Database
from core.platform.keystore import KEY_METADATA
from core.platform.registry import load_models


def _made(fill: Callable[[Database], None]) -> bytes:
    with tempfile.TemporaryDirectory(prefix="stepiq-sqlite-") as folder:
        file = Path(folder) / "made.db"
        database = Database(f"sqlite:///{file}")
        fill(database)
        with database.engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
        database.dispose()
        return file.read_bytes()


@cache
def _migrated() -> bytes:
    load_models()
    return _made(migrate)


@cache
def _without_keys() -> bytes:
    return _made(lambda database: KEY_METADATA.create_all(database.engine))


def put_migrated_database(data_dir: Path) -> None:
    """Put them where an installation looks for its own, unless they are there: the data, and a store without keys."""
    (data_dir / "keys").mkdir(mode=0o700, parents=True, exist_ok=True)
    for file, content in ((data_dir / "stepiq.db", _migrated), (data_dir / "keys" / "keys.db", _without_keys)):
        if not file.exists():
            file.write_bytes(content())
