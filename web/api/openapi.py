"""What the description of the API says of every operation alike: who may call it, and the errors that follow from that.

It is taken from the dependencies of the routes, so that a route cannot forget to say it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fastapi import FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from starlette.routing import BaseRoute

from web.api.context import current_session
from web.api.rate_limit import UNLIMITED

SCHEMES = {
    "token": {"type": "http", "scheme": "bearer", "description": "The token of `auth/login`."},
    "key": {"type": "apiKey", "in": "header", "name": "X-API-Key", "description": "An API key, with the scope named."},
    "key_in_address": {
        "type": "apiKey",
        "in": "query",
        "name": "api_key",
        "description": "An API key whose only scope is `webhooks:trigger`.",
    },
}
PROBLEM = {"application/json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
TEXTS = {
    "401": "Nobody is signed in, or the token or key is over.",
    "403": "The API key has not the scope, or the plan no API keys.",
    "429": "Asked faster than this installation allows; `Retry-After` says how many seconds to wait.",
}


def describe(api: FastAPI) -> None:
    """Complete the description that the framework makes of the routes."""
    made = api.openapi

    def openapi() -> dict[str, Any]:
        if api.openapi_schema is None:
            _complete(made(), {path_method: route for route in routes_of(api.routes) for path_method in _names(route)})
        assert api.openapi_schema is not None
        return api.openapi_schema

    api.openapi = openapi  # type: ignore[method-assign]


def routes_of(routes: list[BaseRoute]) -> Iterator[APIRoute]:
    """The operations of an API, those of its routers too."""
    for route in routes:
        if isinstance(route, APIRoute):
            yield route
        included = getattr(route, "original_router", None)
        if included is not None:
            yield from routes_of(included.routes)


def _names(route: APIRoute) -> list[tuple[str, str]]:
    return [(route.path, method.lower()) for method in route.methods or ()]


def _complete(schema: dict[str, Any], routes: dict[tuple[str, str], APIRoute]) -> None:
    schema["components"]["securitySchemes"] = SCHEMES
    for path, methods in schema["paths"].items():
        for method, operation in methods.items():
            security = operation.get("security") or _security(routes[path, method].dependant)
            operation["security"] = security
            wanted = {"401"} if security else set()
            wanted |= {"403"} if any("key" in each for each in security) else set()
            wanted |= set() if path in UNLIMITED else {"429"}
            for status in sorted(wanted - set(operation["responses"])):
                operation["responses"][status] = {"description": TEXTS[status], "content": PROBLEM}


def _security(dependant: Dependant) -> list[dict[str, list[str]]]:
    scopes = {scope for call in _calls(dependant) if (scope := getattr(call, "scope", None))}
    if scopes:
        return [{"token": []}, {"key": sorted(scopes)}]
    return [{"token": []}] if current_session in set(_calls(dependant)) else []


def _calls(dependant: Dependant) -> Iterator[Any]:
    for each in dependant.dependencies:
        yield each.call
        yield from _calls(each)
