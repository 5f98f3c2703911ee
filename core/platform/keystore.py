"""The key store: one data key a person, wrapped by the master key, in a database of its own.

It is backed up apart from the data. Destroying a person's row makes everything encrypted for them
unreadable, in the database as in its old backups.

A key is held in memory for a few seconds only. So a key that another process destroyed stops sealing here within that
time, and an erasure that waits for it knows that nobody seals for that person any more.
"""

import hashlib
import os
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from threading import Lock
from time import monotonic
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import Column, Integer, LargeBinary, MetaData, String, Table, bindparam, delete, select, update
from sqlalchemy.dialects import postgresql, sqlite

from core.platform.annotations import not_personal
from core.platform.database import UtcDateTime, open_engine
from core.platform.hot import HotStatement
from core.platform.old_pages import cut_log, vacuum
from core.shared.clock import Clock
from core.shared.errors import InvariantViolated

KEY_METADATA = MetaData()
DATA_KEYS = Table(
    "data_keys",
    KEY_METADATA,
    Column("subject_id", String(36), primary_key=True, info=not_personal("opaque account id")),
    Column("wrapped_key", LargeBinary, nullable=False, info=not_personal("random key, encrypted")),
    Column("master_version", Integer, nullable=False, info=not_personal("which master key wraps it")),
    Column("created_at", UtcDateTime(), nullable=False, info=not_personal("age of the key")),
)
ERASED = Table(
    "erased_subjects",
    KEY_METADATA,
    Column("subject_id", String(36), primary_key=True, info=not_personal("opaque id of an account that is no more")),
    Column("erased_at", UtcDateTime(), nullable=False, info=not_personal("when its key was destroyed")),
)
"""Accounts that must not come back, wherever a backup of the data is put back: see `core.platform.tombstones`."""
LOAD = HotStatement(
    select(DATA_KEYS.c.subject_id, DATA_KEYS.c.wrapped_key, DATA_KEYS.c.master_version).where(
        DATA_KEYS.c.subject_id == bindparam("b_subject")
    )
)
NONCE = 12
HELD_SECONDS = 5.0
"""How long a key is used from memory before the store is asked again, which costs a person 0.1 ms on SQLite and 0.5 ms
on PostgreSQL; a seal costs 0.005 ms."""
INSTALLATION = "installation"
"""Whose key the installation's own values are sealed with: it is never destroyed."""
BATCH = 500


@dataclass(frozen=True, slots=True)
class _Held:
    key: bytes
    cipher: AESGCM
    until: float


class KeyStore:
    """Reads, makes and destroys data keys."""

    def __init__(self, url: str, masters: Callable[[], Sequence[bytes]], clock: Clock) -> None:
        """`masters` answers the 32-byte master keys, the present one first: it wraps, the others only unwrap.

        It is asked again when a key does not open: a rotation beside this process may have made a new one.
        """
        self._engine = open_engine(url)
        # A look needs no transaction on PostgreSQL, which would be two more turns to the server.
        self._reader = self._engine
        if self._engine.dialect.name != "sqlite":
            self._reader = self._engine.execution_options(isolation_level="AUTOCOMMIT")
        self._ask_masters = masters
        self._masters = tuple(masters())
        self._clock = clock
        self._held: dict[str, _Held] = {}
        self._swept = monotonic()
        self._lock = Lock()

    def prepare(self) -> None:
        """Create the tables where they are missing."""
        KEY_METADATA.create_all(self._engine)

    def key(self, subject_id: str, *, create: bool = False) -> bytes:
        """The 32-byte data key of a subject. Raises InvariantViolated when it was destroyed or never made."""
        return self._get(subject_id, create=create).key

    def cipher(self, subject_id: str) -> AESGCM:
        """The same, ready to seal and open. It is not to be kept by who asks."""
        return self._get(subject_id).cipher

    def exists(self, subject_id: str) -> bool:
        """Whether the store has a key of this subject now; what is held in memory does not count."""
        with self._engine.connect() as connection:
            mine = select(DATA_KEYS.c.subject_id).where(DATA_KEYS.c.subject_id == subject_id)
            return connection.scalar(mine) is not None

    def known(self, prefix: str) -> dict[str, datetime]:
        """Subjects with a key whose names begin with a prefix, and when each key was made."""
        mine = DATA_KEYS.c.subject_id.startswith(prefix, autoescape=True)
        with self._engine.connect() as connection:
            rows = connection.execute(select(DATA_KEYS.c.subject_id, DATA_KEYS.c.created_at).where(mine)).all()
        return {row.subject_id: row.created_at for row in rows}

    def destroy(self, subject_id: str) -> None:
        """Delete the data key of a subject. Other processes may go on using it for HELD_SECONDS."""
        with self._lock, self._write() as connection:
            connection.execute(delete(DATA_KEYS).where(DATA_KEYS.c.subject_id == subject_id))
        self._held.pop(subject_id, None)

    def destroy_all(self, subject_ids: Collection[str]) -> int:
        """The same for several; answers how many had a key."""
        mine = DATA_KEYS.c.subject_id.in_(list(subject_ids))
        with self._engine.connect() as connection:  # mostly there is none, and nobody is kept from writing
            if connection.execute(select(DATA_KEYS.c.subject_id).where(mine).limit(1)).first() is None:
                return 0
        with self._write() as connection:
            count: int = connection.execute(delete(DATA_KEYS).where(mine)).rowcount
        for subject_id in subject_ids:
            self._held.pop(subject_id, None)
        return count

    def entomb(self, subject_ids: Collection[str]) -> None:
        """Note accounts as erased, for good."""
        rows = [{"subject_id": each, "erased_at": self._clock.now()} for each in sorted(subject_ids)]
        if rows:
            with self._write() as connection:
                connection.execute(self._insert_into(ERASED).on_conflict_do_nothing(), rows)

    def entombed(self) -> frozenset[str]:
        """Every account that was noted as erased."""
        with self._engine.connect() as connection:
            return frozenset(connection.scalars(select(ERASED.c.subject_id)))

    def cut_log(self, between: Callable[[], None]) -> bool:
        """Overwrite what destroyed keys left in the files of the store; False while a reader is in the way."""
        vacuum(self._engine, DATA_KEYS.name)
        return cut_log(self._engine, between)

    def rewrap(self) -> int:
        """Wrap every key anew that an earlier master key wraps; answers how many.

        A batch is one transaction, and a key is always wrapped by one or the other: killed anywhere, it goes on where
        it ended, and meanwhile both master keys are known to every process.
        """
        self._masters = tuple(self._ask_masters())
        version, done = version_of(self._masters[0]), 0
        older = select(DATA_KEYS).where(DATA_KEYS.c.master_version != version).order_by(DATA_KEYS.c.subject_id)
        while True:
            with self._write() as connection:
                rows = connection.execute(older.limit(BATCH).with_for_update()).all()
                for row in rows:
                    key = self._unwrap(row.subject_id, row.wrapped_key, row.master_version)
                    values = {"wrapped_key": self._wrap(row.subject_id, key), "master_version": version}
                    mine = update(DATA_KEYS).where(DATA_KEYS.c.subject_id == row.subject_id)
                    connection.execute(mine.values(values))
            if not rows:
                return done
            done += len(rows)

    def _get(self, subject_id: str, *, create: bool = False) -> _Held:
        begun = monotonic()
        held = self._held.get(subject_id)
        if held is not None and begun < held.until:
            return held
        key = self._load(subject_id)
        if key is None and create:
            with self._lock:
                self._insert(subject_id, self._clock.now())
            key = self._load(subject_id)
        if key is None:
            self._held.pop(subject_id, None)
            raise InvariantViolated("KEY_GONE", "The key of this account no longer exists.", subject=subject_id)
        until = float("inf") if subject_id == INSTALLATION else begun + HELD_SECONDS
        held = self._held[subject_id] = _Held(key, AESGCM(key), until)
        if begun - self._swept > HELD_SECONDS:
            self._swept = begun
            for name, each in list(self._held.items()):
                if each.until < begun:
                    self._held.pop(name, None)
        return held

    def _load(self, subject_id: str) -> bytes | None:
        with self._reader.connect() as connection:
            found = LOAD.run(connection, {"b_subject": subject_id}).fetchone()
        return None if found is None else self._unwrap(*found)

    def _unwrap(self, subject_id: str, sealed: bytes, version: int) -> bytes:
        for ask in (False, True):
            if ask:
                self._masters = tuple(self._ask_masters())
            # The one that the row names first: each try of a wrong one is a decryption for nothing.
            for master in sorted(self._masters, key=lambda each: version_of(each) != version):
                try:
                    return AESGCM(master).decrypt(sealed[:NONCE], sealed[NONCE:], subject_id.encode())
                except InvalidTag:
                    continue
        raise InvariantViolated(
            "MASTER_KEY_WRONG",
            "STEPIQ_MASTER_KEY does not open the key store. Set the key this data was written with.",
        )

    def _wrap(self, subject_id: str, key: bytes) -> bytes:
        nonce = os.urandom(NONCE)
        return nonce + AESGCM(self._masters[0]).encrypt(nonce, key, subject_id.encode())

    def _insert(self, subject_id: str, now: datetime) -> None:
        self._masters = tuple(self._ask_masters())  # a new key is wrapped by what is the master key now
        values = {
            "subject_id": subject_id,
            "wrapped_key": self._wrap(subject_id, os.urandom(32)),
            "master_version": version_of(self._masters[0]),
            "created_at": now,
        }
        with self._write() as connection:
            if connection.scalar(select(ERASED.c.subject_id).where(ERASED.c.subject_id == subject_id)) is not None:
                raise InvariantViolated("ERASED", "This account was erased. Its id is never used again.")
            # Two processes may meet here: the first key stays, both read it back.
            connection.execute(self._insert_into(DATA_KEYS).values(values).on_conflict_do_nothing())

    def _insert_into(self, table: Table) -> Any:
        return (sqlite.insert if self._engine.dialect.name == "sqlite" else postgresql.insert)(table)

    def _write(self) -> Any:
        return self._engine.execution_options(stepiq_write=True).begin()

    def dispose(self) -> None:
        """Close every pooled connection."""
        self._engine.dispose()


def version_of(master: bytes) -> int:
    """The number by which a row names its master key: told by the key itself, and telling nothing of it."""
    return int.from_bytes(hashlib.sha256(b"stepIQ master key\0" + master).digest()[:4]) & 0x7FFFFFFF
