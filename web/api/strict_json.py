"""JSON as RFC 8259 has it, and as the database can keep it."""

from __future__ import annotations

import json
from collections.abc import Callable, Coroutine
from typing import Any, NoReturn

from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response

from core.shared.errors import InvalidInput


def read_json(body: bytes) -> Any:
    """Parse a body. Raises InvalidInput MALFORMED_JSON, also for NaN, lone surrogates and deep nesting."""
    try:
        value = json.loads(body.decode("utf-8-sig"), parse_constant=_refuse_constant)
        if b"\\u" in body:
            json.dumps(value, ensure_ascii=False).encode()  # a lone surrogate is no text and cannot be stored
        return value
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise InvalidInput("MALFORMED_JSON", f"The body is not JSON ({place}): {error.msg}.") from None
    except UnicodeError:
        raise InvalidInput("MALFORMED_JSON", "The body is not text in UTF-8.") from None
    except RecursionError:
        raise InvalidInput("MALFORMED_JSON", "The body is nested too deeply.") from None
    except ValueError as error:
        raise InvalidInput("MALFORMED_JSON", f"The body is not JSON: {error}.") from None


def read_text(body: bytes) -> str:
    """Decode a body. Raises InvalidInput."""
    try:
        return body.decode("utf-8-sig")
    except UnicodeError:
        raise InvalidInput("INVALID_DEFINITION", "The body is not text in UTF-8.", details=[]) from None


class StrictJsonRoute(APIRoute):
    """A route whose body is read by `read_json`."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The handler, with every request made strict."""
        handler = super().get_route_handler()

        async def handle(request: Request) -> Response:
            return await handler(_StrictRequest(request.scope, request.receive))

        return handle


class _StrictRequest(Request):
    async def json(self) -> Any:
        body = await self.body()
        try:
            return read_json(body)
        except InvalidInput as error:
            # FastAPI turns this one kind, and no other, into an answer of ours.
            raise json.JSONDecodeError(error.message, "", 0) from None


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON value")
