"""Looking for what was planted: in opened rows, in rows as they are stored, and in what a living key still opens."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import ColumnElement, LargeBinary, exists, or_, select

from core.accounts.domain import Account
from core.platform.runtime import Runtime
from core.platform.vault import INSTALLATION
from core.privacy.inventory import ACCOUNTS, NOBODY, TableEntry, find_table, owned_by, tables
from core.privacy.scan.streams import opened_rows
from core.shared.errors import AppError


def opened_places(runtime: Runtime, account_id: str) -> dict[str, bytes]:
    """`table.column` and all that stands there of a person, opened; `files` for the contents of theirs."""
    return {place: b"\n".join(pieces) for place, pieces in opened_rows(runtime, [account_id])}


def readable_columns(runtime: Runtime, word: str) -> set[str]:
    """`table.column` where a word stands as anybody reads it who has the database."""
    return {place for place, _, value in _stored(runtime) if word.lower().encode() in value.lower()}


def still_opened(runtime: Runtime, word: str) -> set[tuple[str, str]]:
    """`table.column` and the owner of the key, where a word stands under a key that there is."""
    accounts, requests = find_table(ACCOUNTS), find_table("privacy_requests")
    with runtime.database.read() as session:
        owners = [INSTALLATION, *session.scalars(select(accounts.c.id)), *session.scalars(select(requests.c.id))]
    found = set()
    for place, row, value in _stored(runtime):
        for owner in owners:
            try:
                opened = runtime.vault.open(owner, f"{place}:{row}", value)
            except (AppError, ValueError):
                continue
            if word.lower().encode() in opened.lower():
                found.add((place, owner))
    return found


def tables_without(runtime: Runtime, account: Account) -> set[str]:
    """Tables of people's data that hold no row of this person."""
    index = runtime.vault.blind_index("email", account.email)
    missing = set()
    for entry in tables():
        if entry.name in NOBODY:
            continue
        with runtime.database.read() as session:
            here = select(exists().select_from(find_table(entry.name)).where(_of(entry, account.id, index)))
            if not session.scalar(here):
                missing.add(entry.name)
    return missing


def columns_without(runtime: Runtime, account: Account) -> set[str]:
    """Personal columns of bytes, which hold what people wrote or who they are, that are null in all rows of theirs."""
    index = runtime.vault.blind_index("email", account.email)
    missing = set()
    for entry in tables():
        for field in entry.fields:
            column = find_table(entry.name).c[field.column]
            if not isinstance(column.type, LargeBinary):
                continue
            with runtime.database.read() as session:
                here = select(exists().where(_of(entry, account.id, index), column.is_not(None)))
                if not session.scalar(here):
                    missing.add(f"{entry.name}.{column.name}")
    return missing


def _of(entry: TableEntry, account_id: str, index: bytes) -> ColumnElement[bool]:
    """The condition for rows that are a person's, or about their address."""
    table = find_table(entry.name)
    ways = [owned_by(entry, account_id)] if entry.owner is not None else []
    if entry.address is not None:
        ways.append(table.c[entry.address] == index)
    return or_(*ways)


def _stored(runtime: Runtime) -> Iterator[tuple[str, str, bytes]]:
    """`table.column`, the row's key as it is sealed for, and the value as it is stored."""
    for entry in tables():
        table = find_table(entry.name)
        with runtime.database.read() as session:
            rows = session.execute(select(table)).mappings().all()
        for row in rows:
            keys = [row[column.name] for column in table.primary_key]
            where = "/".join(part.hex() if isinstance(part, bytes) else str(part) for part in keys)
            for column in table.columns:
                value = row[column.name]
                if value is not None:
                    raw = bytes(value) if isinstance(column.type, LargeBinary) else str(value).encode()
                    yield f"{entry.name}.{column.name}", where, raw
