"""A scan reads the files of PostgreSQL, and those that two databases share once."""

from collections.abc import Callable
from pathlib import Path

from sqlalchemy import create_engine

from core.platform.runtime import Runtime
from core.privacy.scan.commands import scan
from core.privacy.scan.streams import server_files
from tests.support.postgres import new_database, new_migrated_database


def test_the_log_that_data_and_keys_share_is_read_once(runtime_with: Callable[..., Runtime]) -> None:
    runtime = runtime_with(database_url=new_migrated_database(), key_store_url=new_database())
    places = set()
    for url in (runtime.settings.database, runtime.settings.key_store):
        engine = create_engine(url)
        with engine.connect() as connection:
            told = server_files(connection)
        engine.dispose()
        assert told is not None
        places |= {Path(told[0], below) for below in told[1]}
    sizes = {place: sum(each.stat().st_size for each in place.rglob("*") if each.is_file()) for place in places}
    (log,) = (size for place, size in sizes.items() if place.name == "pg_wal")
    result = scan(runtime, ["nowhere-canary-6201"])
    assert not result.hits
    assert sum(sizes.values()) < result.bytes_read < sum(sizes.values()) + log, "each file, and rows besides"
