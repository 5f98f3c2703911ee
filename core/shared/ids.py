"""Identifiers as a dependency: UUID version 7 (RFC 9562, section 5.7), which sort by time of creation."""

from typing import Protocol

import uuid_utils


class Ids(Protocol):
    """Makes identifiers that are never used twice."""

    def new(self) -> str: ...


class Uuid7Ids:
    """UUIDv7 in its 36-character text form."""

    def new(self) -> str:
        return str(uuid_utils.uuid7())
