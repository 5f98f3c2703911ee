"""`privacy/consent`: what a person said yes or no to."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field

from core.accounts.consent_rules import PURPOSES, ConsentState, Purpose, current_text
from core.accounts.consents import choose, consent_states
from core.shared.clock import iso_z
from core.shared.errors import InvalidInput
from web.api.context import AccountDep, RuntimeDep
from web.api.shapes import Inward, answers
from web.api.strict_json import StrictJsonRoute
from web.choices import sends_signal

if TYPE_CHECKING:
    pass

router = APIRouter(route_class=StrictJsonRoute, tags=["privacy"])


class ConsentChange(Inward):
    """Choices to record; what is not given stays as it is."""

    device_analytics: bool | None = Field(None, description="Whether an identifier may be stored on your device.")
    product_news: bool | None = Field(None, description="Whether news about the product may be mailed to you.")


class ConsentItem(BaseModel):
    """How you stand to one purpose."""

    purpose: Literal["device_analytics", "product_news"]
    granted: bool
    status: Literal["granted", "refused", "open"] = Field(
        description="`open`: you never chose, or your choice is older than six months; it counts as a no."
    )
    source: Literal["banner", "preferences", "api", "signal"] | None
    chosen_at: datetime | None
    counts_until: datetime | None
    text_version: str | None = Field(description="Which text you were shown.")
    current_text_version: str
    current_text: str


class ConsentAnswer(BaseModel):
    """How you stand to each purpose."""

    choices: list[ConsentItem]


@router.get("/privacy/consent", response_model=None, responses=answers(200, ConsentAnswer, 401))
def get_consent(account: AccountDep, runtime: RuntimeDep) -> dict[str, Any]:
    """What you said yes or no to, when, and to which text."""
    return _answer(consent_states(runtime, account.id))


@router.put("/privacy/consent", response_model=None, responses=answers(200, ConsentAnswer, 400, 401, 409, 413, 422))
def put_consent(request: Request, body: ConsentChange, account: AccountDep, runtime: RuntimeDep) -> dict[str, Any]:
    """Say yes or no. Each choice is kept as proof, with the text that is current, and counts for six months.

    A client that sends `Sec-GPC: 1` cannot say yes to `device_analytics` (409).
    """
    wanted = {name: value for name, value in body.model_dump().items() if value is not None}
    if not wanted:
        raise InvalidInput("NOTHING_CHOSEN", f"Give at least one of {', '.join(PURPOSES)}.")
    signal = sends_signal(request.headers)
    return _answer(choose(runtime, account.id, wanted, source="api", signal=signal))


def _answer(states: dict[Purpose, ConsentState]) -> dict[str, Any]:
    return {"choices": [_item(states[purpose]) for purpose in PURPOSES]}


def _item(state: ConsentState) -> dict[str, Any]:
    choice, text = state.choice, current_text(state.purpose)
    return {
        "purpose": state.purpose,
        "granted": state.is_granted,
        "status": state.stand,
        "source": choice.source if choice else None,
        "chosen_at": iso_z(choice.chosen_at) if choice else None,
        "counts_until": iso_z(choice.until) if choice else None,
        "text_version": choice.text_version if choice else None,
        "current_text_version": text.version,
        "current_text": text.text,
    }
