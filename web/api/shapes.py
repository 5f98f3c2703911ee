"""What the bodies and answers of the API are made of, and how its routes document them."""

from __future__ import annotations

from typing import Annotated, Any, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from core.accounts.automation import LARGEST_CAP
from core.shared.money import credits_number

Item = TypeVar("Item")
Number = int | float
ID = r"^[A-Za-z0-9_-]{1,64}$"
Responses = dict[int | str, dict[str, Any]]
Cap = Annotated[
    float | None,
    Field(ge=0, le=LARGEST_CAP, allow_inf_nan=False, description="Credits a calendar month (UTC); null: no cap."),
]


def problems(*statuses: int) -> Responses:
    """The documented errors of a route."""
    return {status: {"model": Problem} for status in statuses}


def answers(status: int, model: Any, *refused: int) -> Responses:
    """The documented responses of a route: its answer, and the statuses of its errors."""
    found: Responses = {status: {"model": model}}
    return found | problems(*refused)


def file_answer(media: dict[str, Any], *refused: int) -> Responses:
    """The documented responses of a route that answers another type than JSON: media types, and what each holds."""
    found: Responses = {200: {"content": media}}
    return found | problems(*refused)


class Inward(BaseModel):
    """A body: a field that would do nothing is refused, and nothing is coerced."""

    model_config = ConfigDict(extra="forbid", strict=True)


class Problem(BaseModel):
    """Every error."""

    error: str
    code: str
    details: list[dict[str, Any]] | None = None


def shown_cap(micros: int | None) -> Number | None:
    """A cap as it goes out: credits, or null."""
    return None if micros is None else credits_number(micros)


class Listing(BaseModel, Generic[Item]):
    """A page of a list; ask again with `cursor=next_cursor` while it is not null."""

    items: list[Item]
    next_cursor: str | None
