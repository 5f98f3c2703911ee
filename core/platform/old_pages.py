"""What a deletion leaves in the files of a database, and how far it can be made to go at once.

On SQLite deleted content is overwritten in its page (`secure_delete`), but earlier versions of the page stay in the
write-ahead log until that is folded back and cut, which no reader may be in the way of. On PostgreSQL dead rows stay
until they are vacuumed, and the log until it is recycled: what lies there is sealed under a key that is gone.
"""

import time
from collections.abc import Callable
from contextlib import suppress

from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

TRIES, PAUSE_SECONDS = 40, 0.25


def cut_log(engine: Engine, between: Callable[[], None] = lambda: None) -> bool:
    """Fold the write-ahead log of a SQLite database back and cut it to nothing; False while a reader holds it back.

    On PostgreSQL a checkpoint is asked for, where this user may: it writes out what was deleted. True there.
    """
    if engine.dialect.name != "sqlite":
        with suppress(DBAPIError), engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
            connection.exec_driver_sql("CHECKPOINT")
        return True
    for _ in range(TRIES):
        raw = engine.raw_connection()
        try:
            # Not within a transaction, which would be a reader itself. Answers: busy, pages of the log, pages folded.
            cursor = raw.cursor()
            cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            (busy, _, _) = cursor.fetchone() or (1, 0, 0)
            cursor.close()
        finally:
            raw.close()
        if not busy:
            return True
        between()
        time.sleep(PAUSE_SECONDS)
    return False


def vacuum(engine: Engine, table: str) -> None:
    """Let PostgreSQL clear the dead rows of a table away; nothing on SQLite."""
    if engine.dialect.name != "sqlite":
        with suppress(DBAPIError), engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
            connection.exec_driver_sql(f"VACUUM {table}")
