"""Errors of the core as HTTP statuses, once for the API and the forms."""

import math

from core.shared.errors import (
    AppError,
    Conflict,
    Forbidden,
    InvalidInput,
    LimitExceeded,
    NotFound,
    ProviderError,
)

_BY_CODE = {
    "INVALID_DEFINITION": 400,
    "INVALID_CRON": 400,
    "MALFORMED_JSON": 400,
    "MALFORMED_FORM": 400,
    "BAD_SIGNATURE": 400,
    "INVALID_CREDENTIALS": 401,
    "UNAUTHENTICATED": 401,
    "SECOND_FACTOR_REQUIRED": 401,
    "WRONG_CODE": 401,
    "INSUFFICIENT_CREDITS": 402,
    "CAP_REACHED": 402,
    "MALFORMED_UPLOAD": 400,
    "UPLOAD_TIMEOUT": 408,
    "BODY_TOO_LARGE": 413,
    "FILE_TOO_LARGE": 413,
    "TOO_LARGE": 413,
    "FILE_TYPE_UNSUPPORTED": 415,
}
_BY_KIND: tuple[tuple[type[AppError], int], ...] = (
    (InvalidInput, 422),
    (NotFound, 404),
    (Forbidden, 403),
    (Conflict, 409),
    (ProviderError, 502),
)


def status_of(error: AppError) -> int:
    """The HTTP status of an error. A limit that waiting cannot lift is the plan's: 403; else 429."""
    if error.code in _BY_CODE:
        return _BY_CODE[error.code]
    if isinstance(error, LimitExceeded):
        return 403 if error.retry_after is None else 429
    return next((status for kind, status in _BY_KIND if isinstance(error, kind)), 500)


def retry_headers(error: AppError) -> dict[str, str]:
    """`Retry-After` in whole seconds (RFC 9110, section 10.2.3) where waiting helps."""
    wait = getattr(error, "retry_after", None)
    return {} if wait is None else {"Retry-After": str(max(1, math.ceil(wait)))}
