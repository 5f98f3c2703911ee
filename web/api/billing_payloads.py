"""The bodies and answers of `billing/*`."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, Field

from web.api.moments import Moment
from web.api.shapes import Inward


class CheckoutRequest(Inward):
    """A plan with how it is paid, or a number of credits."""

    plan: Literal["starter", "pro"] | None = None
    interval: Literal["monthly", "yearly"] = "monthly"
    credits: int | None = Field(None, description="Credits to buy, in thousands, instead of a plan.")
    discount_code: str | None = Field(None, max_length=60)


class PageAnswer(BaseModel):
    """A page to send the person to."""

    url: str


class EventAnswer(BaseModel):
    """What became of a message."""

    received: bool
    state: Literal["done", "noted", "received"]


class CodeRequest(Inward):
    """A discount code. `cycles`: for how many payments it counts; null: for every one."""

    code: str = Field(max_length=60)
    percent: int
    cycles: int | None = 1
    plan: Literal["starter", "pro"] | None = None
    max_redemptions: int | None = Field(None, le=1_000_000)
    expires_at: Annotated[Moment | None, Field(strict=False)] = None
    addresses: list[Annotated[str, Field(max_length=320)]] = Field(
        default_factory=list, max_length=1000, description="The only addresses it counts for; none: for everybody."
    )


class CodeItem(BaseModel):
    """A discount code. `redemptions`: how often it was used, with the Checkouts that are open."""

    id: str
    code: str
    percent: int
    cycles: int | None
    plan: str | None
    max_redemptions: int | None
    redemptions: int
    limited_to_addresses: bool
    expires_at: datetime | None
    created_at: datetime
    ended_at: datetime | None
