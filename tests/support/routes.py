"""Every address an installation answers at, taken from the application itself."""

from starlette.routing import Mount, Route

from core.platform.runtime import Runtime
from web.api.app import build_api
from web.api.operations import routes_of
from web.routes import build_routes


def api_operations(runtime: Runtime) -> list[tuple[str, str]]:
    """Method and path of everything the API does."""
    routes = routes_of(build_api(runtime).routes)
    return sorted((method, route.path) for route in routes for method in route.methods or ())


def site_operations(runtime: Runtime) -> list[tuple[str, str]]:
    """Method and path of every page and form outside the API and the app."""
    routes = [route for route in build_routes(runtime) if isinstance(route, Route) and route.methods]
    return sorted((method, route.path) for route in routes for method in route.methods or () if method != "HEAD")


def mounts(runtime: Runtime) -> set[str]:
    """What is mounted as an application of its own."""
    return {route.path for route in build_routes(runtime) if isinstance(route, Mount)}
