"""Every address an installation answers at, taken from the application itself."""

from collections.abc import Iterator

from fastapi.routing import APIRoute
from starlette.routing import BaseRoute, Mount, Route

from core.platform.runtime import Runtime
from web.api.app import build_api
from web.routes import build_routes


def api_operations(runtime: Runtime) -> list[tuple[str, str]]:
    """Method and path of everything the API does."""
    routes = [route for route in _flat(build_api(runtime).routes) if isinstance(route, APIRoute)]
    return sorted((method, route.path) for route in routes for method in route.methods or ())


def site_operations(runtime: Runtime) -> list[tuple[str, str]]:
    """Method and path of every page and form outside the API and the app."""
    routes = [route for route in build_routes(runtime) if isinstance(route, Route) and route.methods]
    return sorted((method, route.path) for route in routes for method in route.methods or () if method != "HEAD")


def mounts(runtime: Runtime) -> set[str]:
    """What is mounted as an application of its own."""
    return {route.path for route in build_routes(runtime) if isinstance(route, Mount)}


def _flat(routes: list[BaseRoute]) -> Iterator[BaseRoute]:
    for route in routes:
        included = getattr(route, "original_router", None)
        if included is not None:
            yield from _flat(included.routes)
        else:
            yield route
