"""Every failure of the API as `{"error", "code", "details"?}`, without internals or an echo of the input."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse

from core.platform.logging import get_logger
from core.shared.errors import AppError
from web.api.measured import ERROR
from web.api.operations import methods_at
from web.errors import retry_headers, status_of

log = get_logger("web.api")

CODES = {404: "NOT_FOUND", 405: "METHOD_NOT_ALLOWED", 413: "BODY_TOO_LARGE"}
TEXTS = {404: "There is no such address.", 405: "This address does not take that method."}


def problem(
    status: int, code: str, text: str, details: Any = None, headers: dict[str, str] | None = None
) -> JSONResponse:
    """The one form of every error."""
    body: dict[str, Any] = {"error": text, "code": code}
    if details is not None:
        body["details"] = details
    return JSONResponse(body, status, headers=headers)


def install_error_handlers(api: FastAPI) -> None:
    """Render the errors of the core, of validation and of routing."""
    api.add_exception_handler(AppError, _app_error)
    api.add_exception_handler(RequestValidationError, _invalid_request)
    api.add_exception_handler(HTTPException, _http_error)
    api.add_exception_handler(Exception, _crash)


def _app_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, AppError)
    status = status_of(error)
    request.scope["state"][ERROR] = error.code
    if status == 500:
        log.error("api.failed", code=error.code, exc_info=error)
        return problem(500, "INTERNAL", "Something failed on our side. Try again.")
    headers = retry_headers(error)
    if status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    details = error.context.get("details")
    if details is None and "field" in error.context:
        details = [{"path": error.context["field"], "code": error.code, "message": error.message}]
    return problem(status, error.code, error.message, details, headers)


def _crash(request: Request, error: Exception) -> JSONResponse:
    # Raised on by the framework after this answer, and logged by the outermost middleware.
    return problem(500, "INTERNAL", "Something failed on our side. Try again.")


def _invalid_request(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    found = error.errors()
    malformed = next((item for item in found if item["type"] == "json_invalid"), None)
    if malformed is not None:
        return problem(400, "MALFORMED_JSON", str(malformed.get("ctx", {}).get("error", "The body is not JSON.")))
    details = [
        {
            "path": ".".join(str(part) for part in item["loc"] if part != "body"),
            "code": str(item["type"]).upper(),
            "message": str(item["msg"]).removeprefix("Value error, "),  # of pydantic, before what a validator says
        }
        for item in found
    ]
    first = details[0]
    place = f"{first['path']}: " if first["path"] else ""
    return problem(422, "INVALID_REQUEST", f"{place}{first['message'].rstrip('.')}.", details)


def _http_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    status = error.status_code
    text = TEXTS.get(status, str(error.detail))
    headers = dict(error.headers) if error.headers else None
    if status == 405 and (methods := methods_at(request.app.routes, request.scope)):
        # All of them (RFC 9110, section 10.2.1): the router names those of the first route it met.
        headers = {"Allow": ", ".join(methods)}
    return problem(status, CODES.get(status, "REFUSED"), text, headers=headers)
