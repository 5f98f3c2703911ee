"""Contents of any length under the owner's key, in chunks.

Each chunk is sealed by the vault (AES-256-GCM, a nonce of its own) with associated data that names the blob,
the chunk's number and whether it is the last. So a chunk that is moved, repeated or left out, and an end that
is cut off or grown, does not open. On disk a chunk is its length in four bytes, then the sealed bytes.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import BinaryIO

from core.platform.files.blobs import BlobWriter
from core.platform.vault import Vault
from core.shared.errors import InvariantViolated

CHUNK = 256 * 1024
LONGEST = CHUNK + 1024  # a sealed chunk: what deflate and the tag add is far less
LENGTH = struct.Struct(">I")


class SealedWriter:
    """Seals what it is given, a chunk at a time; nothing unsealed leaves memory."""

    def __init__(self, vault: Vault, owner_id: str, where: str, blob: BlobWriter) -> None:
        self._vault, self._owner, self._where, self._blob = vault, owner_id, where, blob
        self._waiting = bytearray()
        self._count = 0

    def write(self, data: bytes) -> None:
        """Take bytes; those of a full chunk are sealed and written."""
        self._waiting += data
        while len(self._waiting) > CHUNK:  # a chunk that may be the last one waits for the end
            self._seal(bytes(self._waiting[:CHUNK]), last=False)
            del self._waiting[:CHUNK]

    def commit(self) -> None:
        """Write the last chunk and put the blob in its place."""
        self._seal(bytes(self._waiting), last=True)
        self._blob.commit()

    def discard(self) -> None:
        """Leave nothing behind."""
        self._blob.discard()

    def _seal(self, chunk: bytes, *, last: bool) -> None:
        sealed = self._vault.seal(self._owner, _label(self._where, self._count, last), chunk)
        self._blob.write(LENGTH.pack(len(sealed)) + sealed)
        self._count += 1


def read_sealed(vault: Vault, owner_id: str, where: str, blob: BinaryIO) -> Iterator[bytes]:
    """The content in pieces. Raises InvariantViolated SEAL_BROKEN where it is not what was written."""
    with blob:
        index = 0
        head = blob.read(LENGTH.size)
        while True:
            sealed = _sealed_chunk(blob, head)
            head = blob.read(LENGTH.size)
            last = not head
            yield vault.open(owner_id, _label(where, index, last), sealed)
            if last:
                return
            index += 1


def _sealed_chunk(blob: BinaryIO, head: bytes) -> bytes:
    length = LENGTH.unpack(head)[0] if len(head) == LENGTH.size else 0
    sealed = blob.read(length) if 0 < length <= LONGEST else b""
    if not sealed or len(sealed) != length:
        raise InvariantViolated("SEAL_BROKEN", "Stored content does not open with its owner's key.")
    return sealed


def _label(where: str, index: int, last: bool) -> str:
    return f"{where}:{index}:{'last' if last else 'more'}"
