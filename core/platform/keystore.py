"""The key store: one data key a person, wrapped by the master key, in a database of its own.

It is backed up apart from the data. Destroying a person's row makes everything encrypted for them
unreadable, in the database as in its old backups.
"""

import os
from collections.abc import Mapping
from datetime import datetime
from threading import Lock

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import Column, Integer, LargeBinary, MetaData, String, Table, delete, select
from sqlalchemy.dialects import postgresql, sqlite

from core.platform.annotations import not_personal
from core.platform.database import UtcDateTime, open_engine
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
NONCE = 12


class KeyStore:
    """Reads and makes data keys. Keys are cached in memory for the life of the process."""

    def __init__(self, url: str, masters: Mapping[int, bytes], clock: Clock) -> None:
        """`masters` maps master key versions to 32-byte keys; the highest wraps new keys."""
        self._engine = open_engine(url)
        self._masters = {version: AESGCM(key) for version, key in masters.items()}
        self._current = max(masters)
        self._clock = clock
        self._cache: dict[str, bytes] = {}
        self._lock = Lock()

    def prepare(self) -> None:
        """Create the table where it is missing."""
        KEY_METADATA.create_all(self._engine)

    def key(self, subject_id: str, *, create: bool = False) -> bytes:
        """The 32-byte data key of a subject. Raises InvariantViolated when it was destroyed or never made."""
        cached = self._cache.get(subject_id)
        if cached is not None:
            return cached
        with self._lock:
            key = self._load(subject_id)
            if key is None and create:
                self._insert(subject_id, self._clock.now())
                key = self._load(subject_id)
            if key is None:
                raise InvariantViolated("KEY_GONE", "The key of this account no longer exists.", subject=subject_id)
            self._cache[subject_id] = key
            return key

    def destroy(self, subject_id: str) -> None:
        """Delete the data key of a subject."""
        with self._lock, self._engine.begin() as connection:
            self._cache.pop(subject_id, None)
            connection.execute(delete(DATA_KEYS).where(DATA_KEYS.c.subject_id == subject_id))

    def _load(self, subject_id: str) -> bytes | None:
        with self._engine.connect() as connection:
            row = connection.execute(select(DATA_KEYS).where(DATA_KEYS.c.subject_id == subject_id)).one_or_none()
        if row is None:
            return None
        master = self._masters.get(row.master_version)
        try:
            if master is None:
                raise InvalidTag
            return master.decrypt(row.wrapped_key[:NONCE], row.wrapped_key[NONCE:], subject_id.encode())
        except InvalidTag:
            raise InvariantViolated(
                "MASTER_KEY_WRONG",
                "STEPIQ_MASTER_KEY does not open the key store. Set the key this data was written with.",
            ) from None

    def _insert(self, subject_id: str, now: datetime) -> None:
        nonce = os.urandom(NONCE)
        wrapped = nonce + self._masters[self._current].encrypt(nonce, os.urandom(32), subject_id.encode())
        insert = sqlite.insert if self._engine.dialect.name == "sqlite" else postgresql.insert
        statement = insert(DATA_KEYS).values(
            subject_id=subject_id, wrapped_key=wrapped, master_version=self._current, created_at=now
        )
        # Two processes may meet here: the first key stays, both read it back.
        with self._engine.begin() as connection:
            connection.execute(statement.on_conflict_do_nothing())

    def dispose(self) -> None:
        """Close every pooled connection."""
        self._engine.dispose()
