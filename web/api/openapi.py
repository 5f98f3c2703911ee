"""What the description of the API says of every operation alike: who may call it, what it refuses, and examples.

It is taken from the routes and their dependencies, so that a route cannot forget to say it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fastapi import FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute

from web.api.context import current_once, current_session
from web.api.examples import ANSWERS, BODIES, problem_example
from web.api.operations import routes_of
from web.api.rate_limit import UNLIMITED

SCHEMES = {
    "token": {"type": "http", "scheme": "bearer", "description": "The token of `auth/login`."},
    "metrics": {"type": "http", "scheme": "bearer", "description": "`METRICS_TOKEN` of the installation."},
    "key": {"type": "apiKey", "in": "header", "name": "X-API-Key", "description": "An API key, with the scope named."},
    "key_in_address": {
        "type": "apiKey",
        "in": "query",
        "name": "api_key",
        "description": "An API key whose only scope is `webhooks:trigger`.",
    },
}
JSON = "application/json"
REFERENCE = "#/components/schemas/"
PROBLEM = {"$ref": f"{REFERENCE}Problem"}
TEXTS = {
    "400": "The body is not JSON.",
    "401": "Nobody is signed in, or the token or key is over.",
    "403": "The API key has not the scope, or the plan no API keys.",
    "409": "The `Idempotency-Key` came with another request before.",
    "413": "The body is too large.",
    "422": "A parameter or a field of the body is not as described.",
    "429": "Asked faster than this installation allows; `Retry-After` says how many seconds to wait.",
}
HEADERS: dict[str, dict[str, Any]] = {
    "401": {"WWW-Authenticate": {"required": True, "schema": {"type": "string", "const": "Bearer"}}},
    "429": {
        "Retry-After": {
            "required": True,
            "schema": {"type": "integer", "minimum": 1},
            "description": "Seconds to wait.",
        }
    },
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


def _names(route: APIRoute) -> list[tuple[str, str]]:
    return [(route.path, method.lower()) for method in route.methods or ()]


def _complete(schema: dict[str, Any], routes: dict[tuple[str, str], APIRoute]) -> None:
    schemas = schema["components"]["schemas"]
    schema["components"]["securitySchemes"] = SCHEMES
    for framework in ("HTTPValidationError", "ValidationError"):  # its own form of an error, which is never sent
        schemas.pop(framework, None)
    for path, methods in schema["paths"].items():
        for method, operation in methods.items():
            calls = set(_calls(routes[path, method].dependant))
            operation["security"] = operation.get("security") or _security(calls)
            responses = operation["responses"]
            for status in _refused(path, operation, calls) - set(responses):
                responses[status] = {"description": TEXTS[status], "content": {JSON: {"schema": PROBLEM}}}
            for status, response in responses.items():
                if status >= "400":
                    response["content"] = {JSON: {"schema": PROBLEM, "example": problem_example(status)}}
                if status in HEADERS:
                    response["headers"] = HEADERS[status]
            operation["responses"] = dict(sorted(responses.items()))
            _add_examples(operation)


def _refused(path: str, operation: dict[str, Any], calls: set[Any]) -> set[str]:
    """The statuses that follow from what an operation takes."""
    security, body = operation["security"], operation.get("requestBody", {}).get("content", {})
    return {
        *(("401",) if security else ()),
        *(("403",) if any("token" not in each for each in security) else ()),
        *(("429",) if path not in UNLIMITED else ()),
        *(("413", "422") if body else ()),
        *(("400",) if JSON in body else ()),
        *(("409",) if current_once in calls else ()),
        *(("422",) if operation.get("parameters") else ()),
    }


def _security(calls: set[Any]) -> list[dict[str, list[str]]]:
    scopes = {scope for call in calls if (scope := getattr(call, "scope", None))}
    if scopes:
        return [{"token": []}, {"key": sorted(scopes)}]
    return [{"token": []}] if current_session in calls else []


def _calls(dependant: Dependant) -> Iterator[Any]:
    for each in dependant.dependencies:
        yield each.call
        yield from _calls(each)


def _add_examples(operation: dict[str, Any]) -> None:
    for media in operation.get("requestBody", {}).get("content", {}).values():
        if "examples" not in media and (given := BODIES.get(_name_of(media.get("schema", {})))):
            media["examples"] = {name: {"value": value} for name, value in given.items()}
    for response in operation["responses"].values():
        for media in response.get("content", {}).values():
            example = _answer_example(_name_of(media.get("schema", {})))
            if example is not None:
                media["example"] = example


def _answer_example(name: str) -> Any:
    item = name.removeprefix("Listing_").removesuffix("_")
    if item == name:
        return ANSWERS.get(name)
    return {"items": [ANSWERS[item]], "next_cursor": None} if item in ANSWERS else None


def _name_of(schema: dict[str, Any]) -> str:
    """The component that a schema is, or may be."""
    choices = [schema, *schema.get("anyOf", ())]
    found = [str(each["$ref"]).removeprefix(REFERENCE) for each in choices if "$ref" in each]
    return found[0] if found else ""
