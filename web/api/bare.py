"""An API with no route yet, as each of ours begins."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastapi import FastAPI

from core.operations.readiness import Readiness
from web.api.errors import install_error_handlers

if TYPE_CHECKING:
    from core.platform.runtime import Runtime


def bare_api(runtime: Runtime, **about: Any) -> FastAPI:
    """Over one runtime, with our errors."""
    api = FastAPI(
        **about,
        docs_url=None,  # the interactive pages load scripts from a foreign host
        redoc_url=None,
        redirect_slashes=False,  # a redirect built from the Host header could carry a token elsewhere
        # No exporter may be switched on from the environment: its logs would carry exceptions' texts.
        telemetry={"tracing": False, "metrics": False, "logs": False, "auto_configure": False},
    )
    api.state.runtime = runtime
    api.state.readiness = Readiness(runtime)
    install_error_handlers(api)
    return api
