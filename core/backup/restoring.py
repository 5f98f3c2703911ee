"""Putting a backup back: verified before anything is touched, beside what is there until it is done, and nobody erased
comes back with it.

Everything is staged beside its place and swapped by renaming; what was there is kept aside and put back when anything
fails. The list of erased accounts is not part of what is put back: it only grows.
"""

import json
import shutil
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import IO, Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import Connection, create_engine, delete, insert

from core.backup.archive import parts, save, verify
from core.backup.bucket import NEW, PutBack, staged_lake
from core.bootstrap import MIGRATIONS, build_runtime, migrate, newest_revision, prepare
from core.platform.database import Database
from core.platform.datalock import DataLock
from core.platform.keystore import DATA_KEYS, KEY_METADATA, NONCE
from core.platform.master_key import master_keys
from core.platform.runtime import Runtime
from core.platform.settings import Settings
from core.platform.tombstones import entomb, entombed
from core.shared.errors import Conflict, InvalidInput

BEFORE = ".before-restore"
OLD_SCHEMA = "before_restore"


def restore(settings: Settings, data: Path, keys: Path | None = None) -> int:
    """Put a backup of the data in the place of what is there, and with `keys` also one of the key store.

    Answers how many erased accounts were in it, and are gone again. Raises InvalidInput for a file that is not whole or
    does not fit; Conflict DATA_IN_USE while a process serves this data.
    """
    manifest = verify(data, "data")
    kept_keys = None if keys is None else verify(keys, "keys")
    is_sqlite = settings.database.startswith("sqlite")
    if (manifest["database"] == "sqlite") != is_sqlite:
        raise InvalidInput("WRONG_DATABASE", f"This is a backup of {manifest['database']}: set DATABASE_URL to such.")
    if manifest["revision"] not in {file.stem for file in (MIGRATIONS / "versions").glob("[0-9]*.py")}:
        raise InvalidInput("NEWER_BACKUP", "This backup is of a newer version. Update first, then put it back.")
    if keys is not None:
        _check_master_key(settings, keys)
    lock = DataLock(settings.data_dir)
    if not lock.acquire():
        raise Conflict("DATA_IN_USE", f"Another process serves {settings.data_dir}. Stop it first.")
    try:
        _put_back(settings)  # what a restore that was cut left aside
        erased = {*manifest["erased"], *(kept_keys or {"erased": []})["erased"]}
        return _restore(settings, data, keys, manifest, erased)
    finally:
        lock.release()


def _restore(settings: Settings, data: Path, keys: Path | None, manifest: dict[str, Any], erased: set[str]) -> int:
    is_sqlite = settings.database.startswith("sqlite")
    before = build_runtime(settings)
    _check_alone(before)
    entomb(before, erased | entombed(before))  # while the list of today is still in the key store
    listed = entombed(before)
    _stage(settings, data, keys)
    _dispose(before)
    steps: list[Callable[[], None]] = []
    put = PutBack(settings)
    try:
        put.files()  # before what lists them is in its place
        for path in _places(settings, with_keys=keys is not None):
            steps.append(lambda path=path: _swap_back(path))  # type: ignore[misc]
            _swap(path)
        if not is_sqlite:
            _restore_tables(settings, data, manifest)
        if keys is not None and not _key_file(settings):
            _write_keys(settings.key_store, keys, listed)
        runtime = build_runtime(settings)
        try:
            entomb(runtime, listed)
            migrate(runtime.database)
            put.check(runtime)
            prepare(runtime)
        finally:
            _dispose(runtime)
    except BaseException:
        if not is_sqlite:
            _tables_back(settings)
        for undo in reversed(steps):
            undo()
        put.undo()
        raise
    finally:
        put.forget()
    put.finish()
    if not is_sqlite:
        _drop_old_tables(settings)
    for path in _places(settings, with_keys=True):
        _remove(Path(str(path) + BEFORE))
    return len(listed)


def _stage(settings: Settings, data: Path, keys: Path | None) -> None:
    """Write everything beside its place."""
    for path in (*_places(settings, with_keys=True), settings.lake):
        _remove(Path(str(path) + NEW))
    blobs = Path(str(settings.blobs) + NEW)
    blobs.mkdir(parents=True, mode=0o700)
    lake = staged_lake(settings)
    for name, file in parts(data):
        if name == "database/stepiq.db":
            save(file, Path(str(_database_file(settings)) + NEW))
        elif name.startswith("blobs/"):
            _save_below(blobs, name.removeprefix("blobs/"), file)
        elif name.startswith("lake/"):
            _save_below(lake, name.removeprefix("lake/"), file)
    file_ = _key_file(settings)
    if keys is not None and file_ is not None:
        _write_keys(f"sqlite:///{file_}{NEW}", keys, frozenset())


def _save_below(folder: Path, name: str, file: IO[bytes]) -> None:
    target = folder / name
    if not target.resolve().is_relative_to(folder.resolve()):
        raise InvalidInput("BACKUP_BROKEN", "A part of the backup names a place outside of it.")
    save(file, target)


def _places(settings: Settings, *, with_keys: bool) -> list[Path]:
    """What is swapped."""
    places = [settings.blobs]
    if settings.lake_bucket is None:
        places.append(settings.lake)
    files = [_database_file(settings)] if settings.database.startswith("sqlite") else []
    if with_keys and (key_file := _key_file(settings)) is not None:
        files.append(key_file)
    for file in files:
        places += [file, Path(f"{file}-wal"), Path(f"{file}-shm")]
    return places


def _swap(path: Path) -> None:
    """Put what is there aside, and what is staged in its place; a log of SQLite's has nothing staged."""
    if path.exists():
        path.rename(str(path) + BEFORE)
    staged = Path(str(path) + NEW)
    if staged.exists():
        staged.rename(path)


def _swap_back(path: Path) -> None:
    _remove(path)
    aside = Path(str(path) + BEFORE)
    if aside.exists():
        aside.rename(path)


def _put_back(settings: Settings) -> None:
    places = _places(settings, with_keys=True)
    if any(Path(str(path) + BEFORE).exists() for path in places):
        for path in places:
            if Path(str(path) + BEFORE).exists():
                _swap_back(path)
            elif path.name.endswith(("-wal", "-shm")):
                _remove(path)
    if not settings.database.startswith("sqlite"):
        _tables_back(settings)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _database_file(settings: Settings) -> Path:
    return Path(settings.database.removeprefix("sqlite:///"))


def _key_file(settings: Settings) -> Path | None:
    url = settings.key_store
    return Path(url.removeprefix("sqlite:///")) if url.startswith("sqlite") else None


def _check_master_key(settings: Settings, keys: Path) -> None:
    """One key of each master key is opened: another master key is found out before anything is touched."""
    masters = master_keys(settings)
    for version in {row[2]: row for row in _read_rows(keys)}.values():
        subject_id, wrapped = version[0], bytes.fromhex(version[1])
        for master in masters:
            try:
                AESGCM(master).decrypt(wrapped[:NONCE], wrapped[NONCE:], subject_id.encode())
                break
            except InvalidTag:
                continue
        else:
            message = "STEPIQ_MASTER_KEY does not open this backup of the keys. Set the key it was written with."
            raise InvalidInput("MASTER_KEY_WRONG", message)


def _read_rows(path: Path) -> list[list[Any]]:
    rows: list[list[Any]] = []
    for _, file in parts(path):
        rows += [json.loads(line) for line in file.read().splitlines() if line]
    return rows


def _write_keys(url: str, keys: Path, erased: frozenset[str]) -> None:
    """Put the keys of a backup in the place of those there are, in one transaction; the list of the erased stays."""
    engine = create_engine(url)
    try:
        KEY_METADATA.create_all(engine)
        with engine.begin() as connection:
            connection.execute(delete(DATA_KEYS))
            rows = [
                {
                    "subject_id": subject_id,
                    "wrapped_key": bytes.fromhex(wrapped),
                    "master_version": version,
                    "created_at": datetime.fromisoformat(created_at),
                }
                for subject_id, wrapped, version, created_at in _read_rows(keys)
                if subject_id not in erased
            ]
            if rows:
                connection.execute(insert(DATA_KEYS), rows)
    finally:
        engine.dispose()
    if url.startswith("sqlite"):
        Path(url.removeprefix("sqlite:///")).chmod(0o600)


def _check_alone(runtime: Runtime) -> None:
    """On PostgreSQL nobody else may be connected: processes on other machines hold no lock of this folder."""
    if runtime.database.is_sqlite:
        return
    with runtime.database.engine.connect() as connection:
        others = connection.exec_driver_sql(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() "
            "AND backend_type = 'client backend'"
        ).scalar_one()
    if others:
        raise Conflict("DATA_IN_USE", f"{others} other connections use this database. Stop every process first.")


def _restore_tables(settings: Settings, data: Path, manifest: dict[str, Any]) -> None:
    """Put the tables of today aside as a schema of their own, and make those of the backup, at its revision."""
    from alembic import command
    from alembic.config import Config

    database = Database(settings.database)
    try:
        with database.engine.begin() as connection:
            _run(connection, f"ALTER SCHEMA public RENAME TO {OLD_SCHEMA}", "CREATE SCHEMA public")
        config = Config()
        config.set_main_option("script_location", str(MIGRATIONS))
        config.attributes["engine"] = database.engine
        command.upgrade(config, manifest["revision"])
        with database.engine.begin() as connection:
            for name, file in parts(data):
                if name.startswith("tables/"):
                    _copy_in(connection, name.removeprefix("tables/"), manifest["columns"], file)
        if manifest["revision"] != newest_revision():
            command.upgrade(config, "head")
    finally:
        database.dispose()


def _copy_in(connection: Connection, name: str, columns: dict[str, list[str]], file: Any) -> None:
    listed = ", ".join(f'"{column}"' for column in columns[name])
    connection.exec_driver_sql(f'DELETE FROM "{name}"')  # noqa: S608 - a table's name; what a migration wrote itself
    cursor: Any = connection.connection.cursor()
    with cursor.copy(f'COPY "{name}" ({listed}) FROM STDIN (FORMAT binary)') as copy:
        while block := file.read(1 << 20):
            copy.write(block)


def _tables_back(settings: Settings) -> None:
    """Undo: the schema that was put aside is the one again."""
    database = Database(settings.database)
    try:
        with database.engine.begin() as connection:
            if _has_old_schema(connection):
                _run(connection, "DROP SCHEMA public CASCADE", f"ALTER SCHEMA {OLD_SCHEMA} RENAME TO public")
    finally:
        database.dispose()


def _drop_old_tables(settings: Settings) -> None:
    database = Database(settings.database)
    try:
        with database.engine.begin() as connection:
            _run(connection, f"DROP SCHEMA IF EXISTS {OLD_SCHEMA} CASCADE")
    finally:
        database.dispose()


def _has_old_schema(connection: Connection) -> bool:
    found = connection.exec_driver_sql("SELECT 1 FROM pg_namespace WHERE nspname = %s", (OLD_SCHEMA,))
    return found.first() is not None


def _run(connection: Connection, *statements: str) -> None:
    for statement in statements:
        connection.exec_driver_sql(statement)


def _dispose(runtime: Runtime) -> None:
    runtime.database.dispose()
    runtime.vault.dispose()
