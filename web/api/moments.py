"""Days and moments as clients write them: in words of ISO 8601, never as a number.

A number, or a text of digits, would be read as seconds since 1970.
"""

from datetime import date
from re import match
from typing import Annotated

from pydantic import AwareDatetime, BeforeValidator


def _day(value: object) -> object:
    if not isinstance(value, date | str) or (isinstance(value, str) and not match(r"\d{4}-\d\d-\d\d\Z", value)):
        raise ValueError("Write a day as 2026-12-31.")
    return value


def _moment(value: object) -> object:
    if not isinstance(value, date | str) or (isinstance(value, str) and not match(r"\d{4}-\d\d-\d\d[Tt ]", value)):
        raise ValueError("Write a moment as 2026-12-31T23:59:00Z.")
    return value


Day = Annotated[date, BeforeValidator(_day)]
Moment = Annotated[AwareDatetime, BeforeValidator(_moment)]
