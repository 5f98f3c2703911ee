"""What a worker of its own answers over HTTP: that it lives, whether it can work, and what it counted. Nothing else."""

from fastapi import FastAPI

from core.bootstrap import get_runtime
from core.operations.readiness import Readiness
from core.platform.runtime import Runtime
from web.api import system
from web.api.errors import install_error_handlers


def build_face(runtime: Runtime) -> FastAPI:
    """The same three addresses that a server has."""
    face = FastAPI(docs_url=None, redoc_url=None, openapi_url=None, redirect_slashes=False)
    face.state.runtime = runtime
    face.state.readiness = Readiness(runtime)
    for path, answer in (("health", system.health), ("ready", system.ready), ("metrics", system.metrics)):
        face.add_api_route(f"/api/{path}", answer, response_model=None)
    install_error_handlers(face)
    return face


def make() -> FastAPI:
    """For who starts it by name."""
    return build_face(get_runtime())
