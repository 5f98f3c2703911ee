"""One page of a keyset-paged list."""

from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Items in order, and the cursor of the next page (None at the end)."""

    items: tuple[T, ...]
    next_cursor: str | None
