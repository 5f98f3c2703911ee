"""What a worker of its own answers over HTTP: that it lives, whether it can work, and what it counted. Nothing else."""

from fastapi import FastAPI

from core.bootstrap import get_runtime
from core.platform.runtime import Runtime
from web.api import system
from web.api.bare import bare_api


def build_face(runtime: Runtime) -> FastAPI:
    """The same three addresses that a server has."""
    face = bare_api(runtime, openapi_url=None)
    for path, answer in (("health", system.health), ("ready", system.ready), ("metrics", system.metrics)):
        face.add_api_route(f"/api/{path}", answer, response_model=None)
    return face


def make() -> FastAPI:
    """For who starts it by name."""
    return build_face(get_runtime())
