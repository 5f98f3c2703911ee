"""The operations of an API, as its routes say them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from fastapi.routing import APIRoute
from starlette.routing import BaseRoute
from starlette.types import Scope


def routes_of(routes: Iterable[BaseRoute]) -> Iterator[APIRoute]:
    """The operations of an API, those of its routers too."""
    for route in routes:
        if isinstance(route, APIRoute):
            yield route
        included = getattr(route, "original_router", None)
        if included is not None:
            yield from routes_of(included.routes)


def methods_at(routes: Iterable[BaseRoute], scope: Scope) -> list[str]:
    """Every method that the address of a request takes; none where it is no operation of the API."""
    path = str(scope["path"]).removeprefix(scope.get("root_path", ""))
    found = [route for route in routes_of(routes) if route.path_regex.match(path)]
    # `schedules/upcoming` would do for `schedules/{schedule_id}` too: what stands first is what is there.
    return sorted({method for route in found if route.path == found[0].path for method in route.methods or ()})
