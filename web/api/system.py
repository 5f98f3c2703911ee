"""`health`, `ready`, `models`, `schema/pipeline.json`."""

from __future__ import annotations

from decimal import Decimal
from importlib.metadata import PackageNotFoundError, version
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from core.credits.domain import MARKUP
from core.operations.readiness import Readiness, in_own_thread
from core.operations.reading import may_read
from core.pipelines.json_schema import json_schema
from core.providers.domain import ModelCard
from web.api.context import MAX_PAGE, CursorQuery, RuntimeDep
from web.api.errors import problem
from web.api.payloads import Health, ModelAnswer, Ready
from web.api.shapes import Listing, Problem, answers

router = APIRouter(tags=["system"])
ModelLimit = Annotated[int | None, Query(ge=1, le=MAX_PAGE, description="How many at most.")]
METRICS_TEXT = "text/plain; version=0.0.4; charset=utf-8"


def readiness_of(request: Request) -> Readiness:
    """The one that tries the parts of this process."""
    found: Readiness = request.app.state.readiness
    return found


ReadinessDep = Annotated[Readiness, Depends(readiness_of)]


def app_version() -> str:
    """The installed version."""
    try:
        return version("stepiq")
    except PackageNotFoundError:
        return "0.0.0"


@router.get("/health", response_model=None, responses={200: {"model": Health}})
async def health() -> dict[str, str]:
    """The process is up."""
    return {"status": "ok", "version": app_version()}


@router.get("/ready", response_model=None, responses={200: {"model": Ready}, 503: {"model": Problem}})
async def ready(readiness: ReadinessDep) -> JSONResponse:
    """The process can work: database, schema, keys, disk, files, and what it does beside requests. Within two seconds.

    Where it cannot, `details` says of each part whether it is well. `impaired` names what is not well and without which
    it works all the same: a lake in a bucket.
    """
    # In a thread of its own: those that requests share may all be waiting for what does not answer.
    parts = await in_own_thread(readiness.look)
    if all(part.ok or not part.is_needed for part in parts):
        impaired = [part.check for part in parts if not part.ok]
        also = {"impaired": impaired} if impaired else {}
        return JSONResponse({"status": "ok", "version": app_version(), **also})
    failing = ", ".join(part.check for part in parts if not part.ok)
    details = [{"check": part.check, "ok": part.ok} for part in parts]
    return problem(503, "NOT_READY", f"This process cannot work now: {failing}. Its log says why.", details)


@router.get(
    "/metrics",
    response_model=None,
    responses={
        200: {"content": {"text/plain": {"schema": {"type": "string"}}}, "description": "The text format."},
        401: {"model": Problem},
    },
    openapi_extra={"security": [{"metrics": []}]},
)
def metrics(request: Request, runtime: RuntimeDep) -> Response:
    """What is measured, for Prometheus, with `METRICS_TOKEN` as a bearer token; docs/operations.md lists it."""
    if not may_read(runtime, request.headers.get("authorization", "")):
        return problem(
            401, "UNAUTHENTICATED", "Send METRICS_TOKEN as a bearer token.", headers={"WWW-Authenticate": "Bearer"}
        )
    from core.operations.metrics import render  # loads prometheus_client: only where it is read

    return Response(render(runtime, app_version()), media_type=METRICS_TEXT, headers={"Cache-Control": "no-store"})


@router.get("/models", response_model=None, responses=answers(200, Listing[ModelAnswer], 422))
def models(runtime: RuntimeDep, limit: ModelLimit = None, cursor: CursorQuery = None) -> dict[str, Any]:
    """Every model that steps can name, with our price and what its provider does with data.

    All of them where no `limit` is given.
    """
    cards = runtime.catalogue.list()
    begin = next((place for place, card in enumerate(cards, 1) if _name(card) == cursor), 0)
    shown = cards[begin : begin + limit] if limit else cards[begin:]
    available = {card.provider: runtime.catalogue.platform_key_available(card.provider) for card in cards}
    return {
        "items": [_model(card, available[card.provider]) for card in shown],
        "next_cursor": _name(shown[-1]) if len(cards) > begin + len(shown) else None,
    }


@router.get(
    "/schema/pipeline.json",
    response_model=None,
    responses={200: {"content": {"application/schema+json": {"schema": {"type": "object"}}}}},
)
def pipeline_schema() -> JSONResponse:
    """The JSON Schema of the pipeline format."""
    return JSONResponse(json_schema(), media_type="application/schema+json")


def _name(card: ModelCard) -> str:
    return f"{card.provider}/{card.id}"


def _model(card: ModelCard, available: bool) -> dict[str, Any]:
    price, terms = card.price, card.data_terms
    prices = None
    if price is not None:
        prices = {
            "input_usd_per_mtok": _marked_up(price.input_usd_per_mtok),
            "output_usd_per_mtok": _marked_up(price.output_usd_per_mtok),
            "cached_input_usd_per_mtok": _marked_up(price.cached_input_usd_per_mtok),
            "cache_write_usd_per_mtok": _marked_up(price.cache_write_usd_per_mtok),
            "source": price.source,
            "as_of": price.as_of,
        }
    return {
        "id": card.id,
        "provider": card.provider,
        "prices": prices,
        "free": card.free,
        "available": available,
        "context_tokens": card.context_tokens,
        "max_output_tokens": card.max_output_tokens,
        "json": card.json,
        "vision": card.vision,
        "tools": card.tools,
        "region": card.region,
        "data_terms": {
            "training": terms.training,
            "retention": terms.retention,
            "url": terms.url,
            "checked_at": terms.checked_at,
            "safeguard": terms.safeguard,
            "in_eea": terms.in_eea,
        },
    }


def _marked_up(usd: Decimal) -> float:
    return float(round(usd * MARKUP, 6))
