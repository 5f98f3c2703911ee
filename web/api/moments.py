"""Days and moments as clients write them: in words of ISO 8601, never as a number.

A number, or a text of digits, would be read as seconds since 1970.
"""

from collections.abc import Callable
from datetime import date
from re import match
from typing import Annotated

from pydantic import AwareDatetime, BeforeValidator


def _written(what: str, pattern: str, example: str) -> Callable[[object], object]:
    def check(value: object) -> object:
        if isinstance(value, date) or (isinstance(value, str) and match(pattern, value)):
            return value
        raise ValueError(f"Write a {what} as {example}.")

    return check


Day = Annotated[date, BeforeValidator(_written("day", r"\d{4}-\d\d-\d\d\Z", "2026-12-31"))]
Moment = Annotated[AwareDatetime, BeforeValidator(_written("moment", r"\d{4}-\d\d-\d\d[Tt ]", "2026-12-31T23:59:00Z"))]
