"""The API as one ASGI application, to be mounted."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from anyio import CapacityLimiter
from fastapi import APIRouter, FastAPI
from starlette.routing import BaseRoute

from core.platform.files.inspection import AT_ONCE
from web.api import (
    accounts,
    api_keys,
    auth,
    automation,
    billing,
    consent,
    egress,
    files,
    pipelines,
    privacy_download,
    privacy_requests,
    run_exports,
    runs,
    schedules,
    secrets,
    statements,
    system,
    webhooks,
)
from web.api.bare import bare_api
from web.api.measured import Measured
from web.api.openapi import describe
from web.api.rate_limit import RateLimit

if TYPE_CHECKING:
    from core.platform.runtime import Runtime

ABOUT = """Pipelines of model calls: make them, price them, run them, follow them.

Send the token of `auth/login` as `Authorization: Bearer <token>`, or an API key as `X-API-Key: sk_live_…`; a key may
do what its scopes say, and nothing with your account, secrets and keys. Errors are `{"error", "code", "details"?}`.
A POST that makes something takes `Idempotency-Key`: the same request sent again under it answers what the first
one made, for 24 hours; another request under it is refused (409).
Lists take `limit` (at most 100) and `cursor`. Times are ISO 8601 in UTC, credits are numbers.
"""


RESOURCES = (
    system,
    auth,
    accounts,
    statements,
    egress,
    api_keys,
    automation,
    billing,
    consent,
    pipelines,
    run_exports,  # `runs/export` stands before `runs/{run_id}`, which would take its name for an id
    runs,
    schedules,
    files,
    secrets,
    privacy_requests,
    privacy_download,
    webhooks,
)


def build_api(runtime: Runtime) -> FastAPI:
    """The API over one runtime."""
    api = bare_api(runtime, title="stepIQ", version=system.app_version(), description=ABOUT)
    api.state.judging = CapacityLimiter(AT_ONCE)
    api.router.routes.extend(_routes())
    describe(api)
    api.add_middleware(RateLimit, runtime=runtime)
    api.add_middleware(Measured, runtime=runtime)
    return api


@cache
def _routes() -> list[BaseRoute]:
    """The routes of every resource, once a process: FastAPI has to work out what each one reads."""
    together = APIRouter(strict_content_type=False, redirect_slashes=False)
    for resource in RESOURCES:
        together.include_router(resource.router)
    return together.routes
