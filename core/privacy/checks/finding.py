"""What a check found. Pure. Numbers, dates and declared words only: findings are public."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from core.platform.runtime import Runtime

Verdict = Literal["kept", "broken", "unknown"]
VERDICTS: dict[str, str] = {"kept": "kept", "broken": "broken", "unknown": "cannot tell"}
Figure = int | float | str


@dataclass(frozen=True, slots=True)
class Finding:
    """`says`: a sentence or two for people, with the figures in it. `figures`: the same for programs."""

    verdict: Verdict
    says: str
    figures: Mapping[str, Figure] = field(default_factory=dict)


Check = Callable[["Runtime"], Finding]


def kept(says: str, **figures: Figure) -> Finding:
    """The promise is kept as far as this check can see."""
    return Finding("kept", says, figures)


def broken(says: str, **figures: Figure) -> Finding:
    """The promise is broken: somebody has to act."""
    return Finding("broken", says, figures)


def unknown(says: str, **figures: Figure) -> Finding:
    """The check cannot tell, and says why."""
    return Finding("unknown", says, figures)


def counted(number: int, one: str, many: str | None = None) -> str:
    """`1 row`, `1,204 rows`."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"
