"""Stores that are no tables: whether each holds something of a person."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from sqlalchemy import select

from core.analytics.commands import flush
from core.analytics.proof import lake_texts
from core.analytics.salts import open_days, visitor_ids
from core.platform.runtime import Runtime
from core.platform.tombstones import entombed
from core.privacy.inventory import find_table
from core.privacy.scan.streams import stored_tables
from tests.support.planting.plant import Planted
from tests.support.planting.stage import Outside

Probe = Callable[[Runtime, Outside, Planted], bool]


def _has_blob(runtime: Runtime, _around: Outside, planted: Planted) -> bool:
    files = find_table("files")
    with runtime.database.read() as session:
        ids = session.scalars(select(files.c.id).where(files.c.owner_id == planted.account.id)).all()
    return bool(ids) and all(_opens(runtime, each) for each in ids)


def _opens(runtime: Runtime, key: str) -> bool:
    try:
        runtime.blobs.open(key).close()
    except FileNotFoundError:
        return False
    return True


def _in_mail_folder(runtime: Runtime, _around: Outside, planted: Planted) -> bool:
    word = planted.words.tag.encode()
    return any(word in path.read_bytes() for path in (runtime.settings.data_dir / "mail").glob("*.eml"))


def _has_copy(runtime: Runtime, _around: Outside, planted: Planted) -> bool:
    folder: Path = runtime.settings.exports / planted.account.id
    return folder.is_dir() and any(path.is_file() for path in folder.rglob("*"))


def _is_queued(runtime: Runtime, _around: Outside, planted: Planted) -> bool:
    """Where there is a queue. On SQLite runs that wait are rows alone."""
    if runtime.database.is_sqlite:
        return True
    return any(name == "procrastinate_jobs" and _names(pieces, planted) for name, pieces in _tables(runtime))


def _names(pieces: list[bytes], planted: Planted) -> bool:
    return any(run_id.encode() in b"".join(pieces) for run_id in planted.runs)


def _tables(runtime: Runtime) -> list[tuple[str, list[bytes]]]:
    return [(name, list(pieces)) for name, pieces in stored_tables(runtime.database.engine)]


def _in_lake(runtime: Runtime, _around: Outside, planted: Planted) -> bool:
    """Under the id that they have there today."""
    flush(runtime)
    visitors = [visitor_ids(runtime.vault, day)(planted.account.id).encode() for day in open_days(runtime)]
    files = [b"".join(pieces) for _, pieces in lake_texts(runtime)]
    return any(visitor in data for visitor in visitors for data in files)


def _is_customer(_runtime: Runtime, around: Outside, planted: Planted) -> bool:
    customers = around.stripe.stub.all("customer")
    return any(planted.words.tag in str(each) and not each.get("deleted") for each in customers)


def _was_sent(_runtime: Runtime, around: Outside, planted: Planted) -> bool:
    return any(planted.words.tag in str(seen.body) for seen in around.vendor.stub.requests)


HOLD: dict[str, Probe] = {
    "blobs": _has_blob,
    "keys": lambda runtime, _around, planted: runtime.vault.knows(planted.account.id),
    "mail_folder": _in_mail_folder,
    "exports": _has_copy,
    "queue": _is_queued,
    "lake": _in_lake,
    "stripe": _is_customer,
    "models": _was_sent,
}
"""By the name of a store: whether it has something of the person. All of them have, before an erasure."""
ELSEWHERE = {
    "tombstones": "written by the erasure: looked at after it",
    "lake_cache": "where the lake is a bucket: looked at in tests of its own",
    "log": "looked through as a whole: what was logged from the beginning to the end",
    "memory": "gone with the process; keys in it live for five seconds",
    "mail_server": "one is configured, or the folder is used: tests of its own send by SMTP",
    "posthog": "anonymous, and none is configured",
    "backups": "made before the erasure, and restored after it",
}
"""Stores that are looked at in another way, or not here, and why."""


def is_entombed(runtime: Runtime, planted: Planted) -> bool:
    """Whether the person is on the list of erased accounts."""
    return planted.account.id in entombed(runtime)
