"""Encryption of content and identifiers: AES-256-GCM under the owner's data key.

Layout of a ciphertext: one version byte, 12 bytes of nonce, then the sealed text with its 16-byte tag
(NIST SP 800-38D). The associated data names table, column and row, so a value moved to another row
does not open; it also covers the version byte, so that compressed text is never taken for plain. Text above
a few hundred bytes is compressed first.
"""

import hashlib
import hmac
import json
import os
import zlib
from collections.abc import Callable, Collection
from datetime import datetime
from typing import cast

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from core.platform.keystore import INSTALLATION, KeyStore
from core.shared.errors import InvariantViolated
from core.shared.types import JsonValue

ALGORITHM = "AES-256-GCM"
KEY_VERSION = 1
"""Which of an owner's data keys seals; each has one, wrapped anew when the master key is changed."""
PLAIN, DEFLATED = 3, 4
FORMER = {1: PLAIN, 2: DEFLATED}  # written before the version was covered; still read
COMPRESS_FROM = 512
__all__ = ["ALGORITHM", "INSTALLATION", "KEY_VERSION", "Vault"]


class Vault:
    """Seals and opens values; derives the keyed hashes that look-ups and fingerprints use."""

    def __init__(self, keys: KeyStore) -> None:
        self._keys = keys

    def adopt(self, owner_id: str) -> None:
        """Make the data key of a new owner."""
        self._keys.key(owner_id, create=True)

    def forget(self, owner_id: str) -> None:
        """Destroy the data key of somebody: what was sealed with it does not open any more."""
        self._keys.destroy(owner_id)

    def forget_all(self, owner_ids: Collection[str]) -> int:
        """Destroy the keys of several, where there are any; answers how many there were."""
        return self._keys.destroy_all(owner_ids)

    def knows(self, owner_id: str) -> bool:
        """Whether somebody has a data key."""
        return self._keys.exists(owner_id)

    def known(self, prefix: str) -> dict[str, datetime]:
        """Owners with a data key whose names begin with a prefix, and when each key was made."""
        return self._keys.known(prefix)

    def entomb(self, owner_ids: Collection[str]) -> None:
        """Note accounts as erased in the key store, which is not put back together with the data."""
        self._keys.entomb(owner_ids)

    def entombed(self) -> frozenset[str]:
        """The accounts that the key store knows as erased."""
        return self._keys.entombed()

    def cut_log(self, between: Callable[[], None]) -> bool:
        """Overwrite what destroyed keys left in the key store's files; False while a reader is in the way."""
        return self._keys.cut_log(between)

    def dispose(self) -> None:
        """Let go of the key store."""
        self._keys.dispose()

    def rewrap(self) -> int:
        """Wrap every data key with the present master key; answers how many an earlier one wrapped."""
        return self._keys.rewrap()

    def seal(self, owner_id: str, where: str, value: bytes) -> bytes:
        """Encrypt bytes for an owner. `where` is `table.column:row id`."""
        version = PLAIN
        if len(value) >= COMPRESS_FROM:
            value, version = zlib.compress(value, 1), DEFLATED
        nonce = os.urandom(12)
        return bytes([version]) + nonce + self._cipher(owner_id).encrypt(nonce, value, _covered(where, version))

    def open(self, owner_id: str, where: str, sealed: bytes) -> bytes:
        """Decrypt what `seal` made. Raises InvariantViolated when it was altered or moved."""
        version = sealed[0] if sealed else 0
        covered = where.encode() if version in FORMER else _covered(where, version)
        try:
            value = self._cipher(owner_id).decrypt(sealed[1:13], sealed[13:], covered)
        except (InvalidTag, ValueError):  # ValueError: too short for a nonce
            raise InvariantViolated("SEAL_BROKEN", "Stored content does not open with its owner's key.") from None
        return zlib.decompress(value) if FORMER.get(version, version) == DEFLATED else value

    def seal_json(self, owner_id: str, where: str, value: JsonValue) -> bytes:
        """Encrypt a JSON value."""
        return self.seal(owner_id, where, json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode())

    def open_json(self, owner_id: str, where: str, sealed: bytes) -> JsonValue:
        """Decrypt a JSON value."""
        return cast(JsonValue, json.loads(self.open(owner_id, where, sealed)))

    def seal_text(self, owner_id: str, where: str, value: str) -> bytes:
        """Encrypt text."""
        return self.seal(owner_id, where, value.encode())

    def open_text(self, owner_id: str, where: str, sealed: bytes) -> str:
        """Decrypt text."""
        return self.open(owner_id, where, sealed).decode()

    def blind_index(self, kind: str, value: str) -> bytes:
        """A keyed hash (HMAC-SHA256) by which an encrypted identifier is looked up."""
        return hmac.digest(self.derive("blind-index:" + kind), value.encode(), "sha256")

    def keyed_hash(self, owner_id: str, purpose: str) -> Callable[[bytes], bytes]:
        """A hash function under the owner's key, gone when the key is destroyed."""
        key = hmac.digest(self._keys.key(owner_id), purpose.encode(), "sha256")
        return lambda value: hmac.digest(key, value, hashlib.sha256)

    def derive(self, purpose: str) -> bytes:
        """A 32-byte key of the installation for one purpose (HMAC as a key derivation, RFC 5869 style)."""
        return hmac.digest(self._keys.key(INSTALLATION, create=True), purpose.encode(), "sha256")

    def _cipher(self, owner_id: str) -> AESGCM:
        return self._keys.cipher(owner_id)


def _covered(where: str, version: int) -> bytes:
    return f"{where}#{version}".encode()
