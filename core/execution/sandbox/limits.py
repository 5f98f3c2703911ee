"""What one call may use."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """`seconds` of wall time once the call has its data, `memory_mb` of heap, `output_bytes` of JSON.

    The time waited for a free place, and that of sending the data, is not counted: it is not the code's.
    """

    seconds: float = 60.0
    memory_mb: int = 128
    output_bytes: int = 4_000_000

    def __post_init__(self) -> None:
        if not (self.seconds > 0 and self.memory_mb >= 16 and self.output_bytes > 0):
            raise ValueError("limits are positive, and memory at least 16 MB")


CODE_LIMITS = Limits()
SQL_LIMITS = Limits(memory_mb=512)
