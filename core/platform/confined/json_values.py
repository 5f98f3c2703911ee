"""Values of Python and of SQL as JSON.

Dates and times are ISO 8601 texts, durations ISO 8601 durations, UUIDs texts, bytes base64 texts; decimals
are numbers (a text is made by the person who needs more than 15 digits); NaN and the infinities are null;
tuples and sets are lists; keys are texts.
"""

from __future__ import annotations

import base64
import datetime
import json
import math
from decimal import Decimal
from typing import Any
from uuid import UUID

from core.platform.confined.failure import Failure

MAX_DEPTH = 100
MAX_DIGITS = 4_300
"""Digits of a whole number that Python still writes out, and reads."""


def json_text(value: Any) -> str:
    """The value as strict JSON. Raises Failure for what JSON cannot hold."""
    try:
        return _written(value)
    except (ValueError, TypeError):
        # A NaN, a key that is no text, a number without end, a circle: rare, and slower to look for.
        return _written(plain(value))


def _written(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=plain)


def plain(value: Any, depth: int = 0) -> Any:
    """The value made of what JSON knows."""
    if value is None or isinstance(value, str | bool):
        return value
    if isinstance(value, int):
        if abs(value) >= 10**MAX_DIGITS:
            raise Failure("failed", f"the output holds a number of more than {MAX_DIGITS:,} digits")
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if depth > MAX_DEPTH:
        raise Failure("failed", f"the output is nested more than {MAX_DEPTH} deep")
    if isinstance(value, dict):
        return {_key(key): plain(item, depth + 1) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item, depth + 1) for item in value]
    return _scalar(value)


def _key(key: Any) -> str:
    if isinstance(key, str):
        return key
    made = plain(key, MAX_DEPTH)
    if isinstance(made, list):
        raise Failure("failed", "the output holds an object with a list as a key, and keys are texts")
    return made if isinstance(made, str) else json.dumps(made)


def _scalar(value: Any) -> Any:
    if isinstance(value, Decimal):
        number = float(value)
        return number if math.isfinite(number) else None
    if isinstance(value, datetime.date | datetime.time):
        return value.isoformat()
    if isinstance(value, datetime.timedelta):
        return _duration(value)
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, bytes | bytearray | memoryview):
        return base64.b64encode(value).decode()
    kind = getattr(value, "name", type(value).__name__)
    raise Failure("failed", f"the output holds a value of the type {kind}, which JSON does not have")


def _duration(value: datetime.timedelta) -> str:
    sign = "-" if value < datetime.timedelta(0) else ""
    value = abs(value)
    hours, rest = divmod(value.seconds, 3600)
    minutes, seconds = divmod(rest, 60)
    fraction = f".{value.microseconds:06}".rstrip("0") if value.microseconds else ""
    days = f"{value.days}D" if value.days else ""
    return f"{sign}P{days}T{hours}H{minutes}M{seconds}{fraction}S"
