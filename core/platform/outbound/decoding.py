"""Undoing a body's compression without ever holding more than was allowed."""

from __future__ import annotations

import zlib


class BrokenBody(Exception):
    """The body is not what its Content-Encoding says, or ends early."""


class BodyDecoder:
    """Collects a body up to a limit of decoded bytes, so that a small bomb cannot become a large text.

    Only what was asked for is undone: gzip and deflate, once (RFC 9110, section 8.4.1).
    """

    def __init__(self, encoding: str, max_bytes: int) -> None:
        self._encoding = encoding.strip().lower()
        self._plain = self._encoding in ("", "identity")
        self._max_bytes = max_bytes
        self._content = bytearray()
        self._inflater: zlib._Decompress | None = None
        self.truncated = False

    @property
    def content(self) -> bytes:
        """What was decoded so far, never above the limit."""
        return bytes(self._content)

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes from the wire. Sets `truncated` when there is more than the limit."""
        if self._plain:
            self._take(chunk)
            return
        if self._encoding not in ("gzip", "x-gzip", "deflate"):
            raise BrokenBody(self._encoding)
        while chunk and not self.truncated:
            if self._inflater is None or self._inflater.eof:  # gzip may hold several members (RFC 1952, section 2.2)
                self._inflater = self._new_inflater(chunk)
            room = self._max_bytes - len(self._content) + 1
            try:
                self._take(self._inflater.decompress(chunk, room))
            except zlib.error:
                raise BrokenBody(self._encoding) from None
            chunk = self._inflater.unused_data if self._inflater.eof else self._inflater.unconsumed_tail

    def finish(self) -> bytes:
        """The whole body. Raises BrokenBody when its compression ended early."""
        if self._inflater is not None and not self._inflater.eof:
            raise BrokenBody(self._encoding)
        return self.content

    def _take(self, piece: bytes) -> None:
        room = self._max_bytes - len(self._content)
        self._content += piece[:room]
        self.truncated = self.truncated or len(piece) > room

    def _new_inflater(self, chunk: bytes) -> zlib._Decompress:
        if self._encoding != "deflate":
            return zlib.decompressobj(16 + zlib.MAX_WBITS)
        # "deflate" is zlib's format, but some servers send it without the zlib header (RFC 9110, section 8.4.1.2).
        wrapped = chunk[0] & 0x0F == 8 and (len(chunk) < 2 or (chunk[0] * 256 + chunk[1]) % 31 == 0)
        return zlib.decompressobj(zlib.MAX_WBITS if wrapped else -zlib.MAX_WBITS)
