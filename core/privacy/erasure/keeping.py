"""Before a person's key is destroyed: what legal holds are on is sealed anew, for each hold with a key of its own.

The rows themselves are then erased with all others. What is kept lies in a table of its own, which only those read whom
the hold is for, and is unreadable once the hold ends and its key is destroyed. Nothing here is sealed twice: who comes
after a process that was killed seals what is missing.
"""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, LargeBinary, Table, delete, insert, select
from sqlalchemy.orm import Session

from core.platform.annotations import Personal
from core.platform.files.queries import stored_content
from core.platform.runtime import Runtime
from core.platform.vault import INSTALLATION
from core.privacy.erasure.models import HeldRow, HoldCopyRow
from core.privacy.erasure.subject import subject_of
from core.privacy.inventory import TableEntry, find_table
from core.privacy.plain_rows import UNREADABLE, open_value, pages, plain, row_key
from core.privacy.retention.holds import holds_that_count
from core.privacy.retention.scope import HoldScope, held_parts
from core.privacy.steps import Done, Work
from core.shared.errors import AppError, InvariantViolated
from core.shared.types import JsonValue

CLOSED = ("accounts", "api_keys")
"""Tables that are cleared when an account is closed, before everything else."""
CREDENTIALS = "user.authorization"
NOT_KEPT = "[a credential: not kept]"


def keep_held(runtime: Runtime, work: Work) -> Done:
    """Seal everything that is held for its holds. Nothing where the key is gone: then there is nothing to read."""
    if not runtime.vault.knows(work.account_id):
        return Done()
    index = subject_of(runtime, work.request_id).address_index or b""
    found: Counter[str] = Counter()
    for hold in _holds(runtime, work.account_id):
        for entry, condition in held_parts(hold, work.account_id, index):
            _keep(runtime, work, hold, entry, condition)
        counts = held_counts(runtime, hold.id)
        _note(runtime, work.request_id, hold, counts)
        found.update(counts)
    return Done(dict(found))


def keep_before_closing(runtime: Runtime, work: Work) -> None:
    """The same for what closing an account clears at once, as it stands before."""
    for hold in _holds(runtime, work.account_id):
        for entry, condition in held_parts(hold, work.account_id, b""):
            if entry.name in CLOSED:
                _keep(runtime, work, hold, entry, condition)


def all_is_kept(runtime: Runtime, session: Session, account_id: str) -> bool:
    """Whether every hold that counts now has what it is on, in the caller's transaction."""
    holds = {hold.id for hold in holds_that_count(session, account_id, runtime.clock.now())}
    return holds <= set(session.scalars(select(HoldCopyRow.hold_id).where(HoldCopyRow.hold_id.in_(holds))))


def held_counts(runtime: Runtime, hold_id: str) -> dict[str, int]:
    """How many rows of each table are kept for a hold."""
    mine = select(HeldRow.table_name).where(HeldRow.hold_id == hold_id, HeldRow.part == 0)
    with runtime.database.read() as session:
        return dict(Counter(session.scalars(mine)))


def sealed_at(row: HeldRow) -> str:
    """What the associated data of a kept row names: where it lies, and which row of which table it was."""
    return place_of(row.id, row.table_name, row.row_id, row.part)


def place_of(held_id: str, table: str, row_id: str, part: int) -> str:
    """The same before it is written."""
    return f"held_rows.content:{held_id}/{table}/{row_id}/{part}"


def _holds(runtime: Runtime, account_id: str) -> Sequence[HoldScope]:
    """The holds that count, each with a key."""
    with runtime.database.read() as session:
        found = holds_that_count(session, account_id, runtime.clock.now())
    ready = []
    for hold in found:
        try:
            runtime.vault.adopt(hold.id)
        except InvariantViolated:  # it ended once, and a backup brought it back: it stays ended
            continue
        ready.append(hold)
    return ready


def _note(runtime: Runtime, request_id: str, hold: HoldScope, counts: dict[str, int]) -> None:
    with runtime.database.write() as session:
        row = session.get(HoldCopyRow, hold.id)
        if row is None:
            row = HoldCopyRow(hold_id=hold.id, request_id=request_id, kept_at=runtime.clock.now(), counts="{}")
            session.add(row)
        row.counts = json.dumps(counts, sort_keys=True)


def _keep(runtime: Runtime, work: Work, hold: HoldScope, entry: TableEntry, condition: ColumnElement[bool]) -> None:
    table = find_table(entry.name)
    for rows in pages(runtime, list(table.columns), condition, list(table.primary_key.columns)):
        ids = {row_key(table, row): row for row in rows}
        for row_id in _kept_already(runtime, hold.id, entry.name, list(ids)):
            ids.pop(row_id)
        if entry.name == "files":
            for row_id, row in ids.items():
                _keep_file(runtime, work, hold, row_id, _opened(runtime, work.account_id, entry, table, row, row_id))
        else:
            _write(
                runtime,
                [
                    _sealed(runtime, work, hold, table.name, row_id, 0, _as_bytes(table.name, row_id, found))
                    for row_id, row in ids.items()
                    for found in [_opened(runtime, work.account_id, entry, table, row, row_id)]
                ],
            )
        work.renew()


def _keep_file(runtime: Runtime, work: Work, hold: HoldScope, file_id: str, row: dict[str, JsonValue]) -> None:
    """A file with its content; the row itself last, so that it is there only with all of it."""
    with runtime.database.write() as session:
        mine = (HeldRow.hold_id == hold.id, HeldRow.table_name == "files", HeldRow.row_id == file_id)
        session.execute(delete(HeldRow).where(*mine))
    parts = 0
    try:
        for parts, piece in enumerate(stored_content(runtime, work.account_id, file_id), 1):
            _write(runtime, [_sealed(runtime, work, hold, "files", file_id, parts, piece)])
            work.renew()
    except AppError:
        row = {**row, "content": UNREADABLE}
    told = _as_bytes("files", file_id, {**row, "parts": parts})
    _write(runtime, [_sealed(runtime, work, hold, "files", file_id, 0, told)])


def _sealed(
    runtime: Runtime, work: Work, hold: HoldScope, table: str, row_id: str, part: int, content: bytes
) -> dict[str, Any]:
    held_id = runtime.ids.new()
    return {
        "id": held_id,
        "hold_id": hold.id,
        "account_id": work.account_id,
        "table_name": table,
        "row_id": row_id,
        "part": part,
        "content": runtime.vault.seal(hold.id, place_of(held_id, table, row_id, part), content),
        "kept_at": runtime.clock.now(),
    }


def _write(runtime: Runtime, rows: list[dict[str, Any]]) -> None:
    if rows:
        with runtime.database.write() as session:
            session.execute(insert(HeldRow), rows)


def _kept_already(runtime: Runtime, hold_id: str, table: str, row_ids: Sequence[str]) -> list[str]:
    mine = (HeldRow.hold_id == hold_id, HeldRow.table_name == table, HeldRow.part == 0)
    with runtime.database.read() as session:
        return list(session.scalars(select(HeldRow.row_id).where(*mine, HeldRow.row_id.in_(row_ids))))


def _opened(
    runtime: Runtime, account_id: str, entry: TableEntry, table: Table, row: Mapping[str, Any], row_id: str
) -> dict[str, JsonValue]:
    """A row as plain values. Keyed hashes say nothing without the key, and are not kept; nor are credentials."""
    found: dict[str, JsonValue] = {}
    for column in table.columns:
        rules, value = column.info.get("privacy"), row[column.name]
        if isinstance(rules, Personal) and rules.category.startswith(CREDENTIALS):
            found[column.name] = None if value is None else NOT_KEPT
        elif not isinstance(column.type, LargeBinary):
            found[column.name] = plain(value)
        elif isinstance(rules, Personal) and not column.name.endswith("_index"):
            where, owners = f"{entry.name}.{column.name}:{row_id}", (account_id, INSTALLATION)
            found[column.name] = None if value is None else open_value(runtime, owners, where, value)
    return found


def _as_bytes(table: str, row_id: str, row: dict[str, JsonValue]) -> bytes:
    return json.dumps({"table": table, "id": row_id, "row": row}, ensure_ascii=False).encode()
