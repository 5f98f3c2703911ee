"""What is asked in the console and what is answered, and the limits of both. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal

from core.shared.errors import LimitExceeded

Outcome = Literal["running", "answered", "refused", "failed", "stopped", "lost"]
"""`refused`: it wanted what nobody may; `failed`: it is no query that can be answered; `stopped`: too long or too
large; `lost`: the process that asked died."""
Cut = Literal["", "rows", "bytes"]
Cell = str | int | float | bool | list["Cell"] | dict[str, "Cell"] | None

NAME = "analytics.duckdb"
"""The file of the data: DuckDB calls the database by it."""
READY = b"R"
"""What a process writes when the time of its query begins."""
LONGEST = 20_000
"""Characters of a query."""
DAYS = (7, 30, 90, 365, 760)
"""The newest days that can be asked about: the last is everything that is kept."""
DEFAULT_DAYS = 90
KEPT_DAYS = 90
"""How long an admin's queries are kept."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What one query may use. `seconds`: of wall time, once its data is open. `memory_mb`: beside what the process has
    when it begins. An answer that has more rows or bytes is cut."""

    seconds: float = 3.0
    memory_mb: int = 512
    most_rows: int = 10_000
    most_bytes: int = 5_000_000


LIMITS = Limits()


@dataclass(frozen=True, slots=True)
class Part:
    """A relation as it was asked: its rows, its days, and whether days (`since`) or rows were left out."""

    name: str
    rows: int
    first: date | None
    last: date | None
    cut: Literal["", "days", "rows"] = ""


@dataclass(frozen=True, slots=True)
class Problem:
    """Why there is no answer, in words, and where in the query, counted from 1, where that is known."""

    message: str
    line: int | None = None
    column: int | None = None


@dataclass(frozen=True, slots=True)
class Column:
    """A column of an answer: its name, different from every other's, and its type in DuckDB's words."""

    name: str
    type: str


@dataclass(frozen=True, slots=True)
class Found:
    """What a process made of a query. Where there is no problem there are columns."""

    outcome: Outcome
    columns: tuple[Column, ...] = ()
    rows: Sequence[Sequence[Cell]] = ()
    cut: Cut = ""
    problem: Problem | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer with what it was made from. `milliseconds`: what the query took, without its preparation."""

    id: str
    query: str
    found: Found
    parts: tuple[Part, ...]
    milliseconds: int


@dataclass(frozen=True, slots=True)
class Asked:
    """A query of the history."""

    id: str
    query: str
    days: int
    outcome: Outcome
    rows: int | None
    milliseconds: int | None
    created_at: datetime


class ConsoleBusy(LimitExceeded):
    """As many queries are under way as may be: nothing was run."""

    def __init__(self, *, own: bool) -> None:
        why = "Your query before is still under way." if own else "Other admins' queries are under way."
        super().__init__("CONSOLE_BUSY", f"{why} Nothing was run; try again in a few seconds.")
