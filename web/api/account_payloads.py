"""What goes in and out about people: their accounts, sign-ins, credits, keys and secrets."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from core.accounts.domain import SCOPES, Funding, Screening
from web.api.moments import Moment
from web.api.shapes import Cap, Inward, Number


class Credentials(Inward):
    """Address and password."""

    email: str = Field(min_length=1, max_length=320)
    password: str = Field(min_length=1, max_length=1000)
    code: str | None = Field(None, max_length=40, description="Of the second factor, where it is on.")


class AddressRequest(Inward):
    """An e-mail address."""

    email: str = Field(min_length=1, max_length=320)


class Registration(Inward):
    """An account to make."""

    email: str = Field(min_length=1, max_length=320)
    password: str = Field(max_length=1000, description="8 characters to 72 bytes, and none of the first guesses.")
    name: str | None = Field(None, max_length=200)
    code: str = Field(max_length=40, description="The six digits that were mailed.")
    invitation: str | None = Field(None, max_length=200, description="The token of an invitation's link.")


class PasswordReset(Inward):
    """A new password, and the token of the link that was mailed."""

    token: str = Field(max_length=200)
    password: str = Field(max_length=1000)


class PasswordChange(Inward):
    """A new password, and the present one."""

    current_password: str = Field(max_length=1000)
    password: str = Field(max_length=1000)


class ProfileChange(Inward):
    """What of a person is to change."""

    name: str | None = Field(None, max_length=200, description="Empty takes the name away.")
    language: Literal["en", "fr"] | None = None
    confirm_above_credits: float | None = Field(
        None, ge=0, le=1_000_000, description="A run whose quoted maximum is above this asks first, in the app."
    )
    funding: Funding | None = Field(
        None,
        description="Whose model keys your runs use: yours where there is one (`own_first`), the platform's where it "
        "has one (`platform_first`), or yours only (`own_only`; without one a step fails). For runs from now on.",
    )
    personal_data: Screening | None = Field(
        None,
        description="What becomes of personal data in what models are sent: `off` looks at nothing, `warn` notes it, "
        "`mask` sends placeholders and restores the answers, `block` fails the step. A pipeline may choose otherwise.",
    )


class ScreeningChoice(Inward):
    """What becomes of personal data in what a pipeline's models are sent; null leaves it to the person's choice."""

    mode: Screening | None


class SecretRequest(Inward):
    """A secret to keep."""

    name: str = Field(description="1 to 100 letters, digits and `_`, not beginning with a digit.")
    value: str = Field(
        json_schema_extra={"writeOnly": True, "format": "password"},
        description="4 characters to 16 KB. Never given back.",
    )


class User(BaseModel):
    """A person."""

    id: str
    email: str
    name: str
    plan: str
    roles: list[str]
    language: Literal["en", "fr"]
    funding: Funding
    confirm_above_credits: Number
    personal_data: Screening
    second_factor: bool
    created_at: datetime


class ScreeningAnswer(BaseModel):
    """The pipeline's own choice, null without one, and what holds for its runs."""

    mode: Screening | None
    holds: Screening


class EgressItem(BaseModel):
    """Something that left, or was about to: who got it and with which kinds of personal data, never what it said.

    `kind` is model, webhook, tool, delivery, mail or file; `size` is in bytes.
    """

    id: str
    at: datetime
    run_id: str
    pipeline_id: str | None
    step_id: str | None
    kind: str
    recipient: str
    region: str | None
    purpose: str
    funding: str | None
    categories: list[str] | None
    masked: list[str]
    size: int
    outcome: Literal["begun", "answered", "failed", "not_sent"]


class CodeSent(BaseModel):
    """A code is on its way."""

    sent: Literal[True]
    expires_in_seconds: int


class Accepted(BaseModel):
    """Whatever there was to do is done."""

    accepted: Literal[True]


class Token(BaseModel):
    """A token of a session."""

    token: str


class SignInItem(BaseModel):
    """A place where a person is signed in."""

    id: str
    device: str
    created_at: datetime
    last_used_at: datetime
    expires_at: datetime
    current: bool


class LedgerItem(BaseModel):
    """A movement of credits between the accounts available, held, spent and granted."""

    id: str
    kind: str
    cause: str
    price_version: str | None
    amounts: dict[str, Number]
    created_at: datetime


class PriceBookAnswer(BaseModel):
    """A version of the prices. `usd_per_mtok`: by provider and model, as texts, so that no digit is lost.

    `content` is the canonical JSON of the rest, whose SHA-256 the version ends with the beginning of.
    """

    version: str
    taken_at: datetime
    markup: str
    credit_value_cents: dict[str, str]
    usd_per_mtok: dict[str, dict[str, Any]]
    content: str


class SignedInUser(BaseModel):
    """A person and the token of their new session."""

    user: User
    token: str


class UsageAnswer(BaseModel):
    """What a person used. `credits_remaining` is null where the plan has no limit."""

    credits_used: Number
    credits_remaining: Number | None
    runs_today: int
    total_cost_cents: Number


class SecretItem(BaseModel):
    """A secret without its value. `pipeline_id` is null where it is for all pipelines."""

    name: str
    pipeline_id: str | None
    created_at: datetime
    updated_at: datetime
    last_used_at: datetime | None


class ApiKeyRequest(Inward):
    """A key to be made."""

    name: str = Field(max_length=1_000)
    scopes: list[str] = Field(max_length=20, description=f"Any of {', '.join(SCOPES)}.")
    expires_at: Annotated[Moment, Field(strict=False)] | None = None
    max_credits_per_month: Cap = None


class ApiKeyChange(Inward):
    """What of a key can change."""

    max_credits_per_month: Cap


class ApiKeyItem(BaseModel):
    """An API key by its first characters. `credits_this_month`: what its runs spent, or reserve while they go on."""

    id: str
    name: str
    prefix: str
    scopes: list[str]
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None
    max_credits_per_month: Number | None
    credits_this_month: Number


class NewApiKeyAnswer(ApiKeyItem):
    """A key that was made just now."""

    key: str
