"""Every way a vendor's SDK can fail, as a `ProviderError` that holds neither key, prompt nor output."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import httpx2

from core.platform.outbound import OutboundError, OutboundRefused
from core.providers.domain import (
    ADDRESS_REFUSED,
    AUTHENTICATION,
    BAD_REQUEST,
    CONNECTION,
    MALFORMED,
    OVERLOADED,
    RATE_LIMITED,
    REFUSED,
    TIMEOUT,
    TRUNCATED_STREAM,
    VENDOR_ERROR,
    ModelRequest,
    Usage,
)
from core.shared.errors import ProviderError
from core.shared.masking import MIN_LENGTH, Masker

LONGEST_WAIT = 3_600.0
SHINGLE = 16  # characters of a prompt that, met in a vendor's message, make us drop the message
KEY_PIECE = 8  # characters of a key, likewise

_SENTENCES = {
    RATE_LIMITED: "{provider} limits how often it can be called. Wait and try again.",
    OVERLOADED: "{provider} is overloaded. Wait and try again.",
    VENDOR_ERROR: "{provider} failed on its side. Try again.",
    TIMEOUT: "{provider} did not finish in time. Try again, or raise the step's timeout_seconds.",
    CONNECTION: "The connection to {provider} failed. Try again.",
    AUTHENTICATION: "{provider} refused the key. Check that it is valid and may use this model.",
    BAD_REQUEST: "{provider} refused the request. Check the model's name and the step's settings.",
    TRUNCATED_STREAM: "The answer of {provider} ended before it was complete. Try again.",
    MALFORMED: "{provider} sent an answer that cannot be read. Try again.",
    REFUSED: "{provider} declined to answer this prompt under its usage policy. Change the prompt.",
    ADDRESS_REFUSED: "The address of your {provider} key may not be reached.",
}
_RETRYABLE = frozenset({RATE_LIMITED, OVERLOADED, VENDOR_ERROR, TIMEOUT, CONNECTION, TRUNCATED_STREAM, MALFORMED})

_BY_TYPE = {
    "rate_limit_error": RATE_LIMITED,
    "rate_limit_exceeded": RATE_LIMITED,
    "insufficient_quota": RATE_LIMITED,
    "overloaded_error": OVERLOADED,
    "server_is_overloaded": OVERLOADED,
    "slow_down": OVERLOADED,
    "api_error": VENDOR_ERROR,
    "server_error": VENDOR_ERROR,
    "timeout_error": TIMEOUT,
    "vector_store_timeout": TIMEOUT,
    "authentication_error": AUTHENTICATION,
    "invalid_api_key": AUTHENTICATION,
    "permission_error": AUTHENTICATION,
    "invalid_request_error": BAD_REQUEST,
    "invalid_prompt": BAD_REQUEST,
    "not_found_error": BAD_REQUEST,
    "content_policy_violation": REFUSED,
    "content_filter": REFUSED,
    "cyber_policy": REFUSED,
}
# Waiting does not help until somebody pays.
_HOPELESS = frozenset({"insufficient_quota", "billing_error", "billing_hard_limit_reached"})
_KEY_SHAPED = re.compile(r"\b(?:sk|pk|key|gsk|Bearer)[-_ ][\w-]{6,}[\w*.-]*", re.IGNORECASE)
_IDENTIFIER = re.compile(r"[a-zA-Z][\w.-]{0,63}")


@dataclass(frozen=True, slots=True)
class SdkErrors:
    """The exception classes of one SDK; both vendors' SDKs are generated alike."""

    api: type[Exception]
    status: type[Exception]
    timeout: type[Exception]
    connection: type[Exception]
    validation: type[Exception]


@dataclass(slots=True)
class Progress:
    """How far a call came before it failed: whether the vendor had begun to answer, and what it had counted."""

    began: bool = False
    usage: Usage | None = None


@dataclass(frozen=True, slots=True)
class Failure:
    """What a vendor's refusal says, before it becomes an error for people."""

    code: str
    retryable: bool
    retry_after: float | None = None
    status: int | None = None
    vendor_type: str = ""
    vendor_message: str = ""
    guard_message: str = ""


def read_failure(error: Exception, sdk: SdkErrors, progress: Progress) -> Failure | None:
    """Classify an exception of an SDK or of its HTTP client; None for one that is neither."""
    stopped = _stopped_by_guard(error)
    if stopped is not None:
        code = ADDRESS_REFUSED if isinstance(stopped, OutboundRefused) else CONNECTION
        return Failure(code, stopped.retryable, guard_message=stopped.message)
    if isinstance(error, (sdk.timeout, httpx2.TimeoutException, TimeoutError)):
        return Failure(TIMEOUT, True)
    if isinstance(error, sdk.status):
        return _read_status(error)
    if isinstance(error, (sdk.connection, httpx2.TransportError, httpx2.StreamError, ConnectionError)):
        return Failure(TRUNCATED_STREAM if progress.began else CONNECTION, True)
    if isinstance(error, sdk.validation):
        return Failure(MALFORMED, True)
    if isinstance(error, sdk.api):
        return _read_event(error)
    if isinstance(error, (ValueError, httpx2.HTTPError)):  # a body that is not JSON, or not text
        return Failure(MALFORMED, True)
    # Reading an answer of the wrong shape; before there is an answer such an error is our own defect.
    if progress.began and isinstance(error, (TypeError, AttributeError, LookupError)):
        return Failure(MALFORMED, True)
    return None


def _stopped_by_guard(error: Exception) -> OutboundError | None:
    """Why the way out made no connection to an address of a person's own: the SDKs raise their own error from it."""
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, OutboundError):
        cause = cause.__cause__
    return cause


def _read_status(error: Any) -> Failure:
    status = int(error.status_code)
    kind, message = _vendor_words(error.body)
    headers: Mapping[str, str] = error.response.headers
    wait = read_retry_after(headers, datetime.now(UTC))
    if status < 400:  # an error event inside a stream that had begun with 200
        code = _BY_TYPE.get(kind, VENDOR_ERROR)
    elif _BY_TYPE.get(kind) == REFUSED:
        code = REFUSED
    elif status == 429:
        code = RATE_LIMITED
    elif status in (503, 529):
        code = OVERLOADED
    elif status in (408, 504):
        code = TIMEOUT
    elif status in (401, 403):
        code = AUTHENTICATION
    elif status in (409, 425) or status >= 500:
        code = VENDOR_ERROR
    else:
        code = BAD_REQUEST
    retryable = code in _RETRYABLE and kind not in _HOPELESS
    return Failure(code, retryable, wait if retryable else None, status, kind, message)


def _read_event(error: Any) -> Failure:
    kind, message = _vendor_words(error.body)
    kind = kind if kind in _BY_TYPE else str(getattr(error, "code", None) or kind)
    return from_vendor_code(kind, message)


def from_vendor_code(kind: str, message: str = "") -> Failure:
    """The failure a vendor names inside an answer, such as OpenAI's `response.failed`."""
    code = _BY_TYPE.get(kind, VENDOR_ERROR)
    return Failure(code, code in _RETRYABLE and kind not in _HOPELESS, vendor_type=kind, vendor_message=message)


def _vendor_words(body: object) -> tuple[str, str]:
    inner = body.get("error", body) if isinstance(body, Mapping) else None
    if not isinstance(inner, Mapping):
        return "", ""
    message = inner.get("message")
    kinds = [str(inner[key]) for key in ("code", "type") if isinstance(inner.get(key), str)]
    known = [kind for kind in kinds if kind in _BY_TYPE or kind in _HOPELESS]
    return (known or kinds or [""])[0], message if isinstance(message, str) else ""


def read_retry_after(headers: Mapping[str, str], now: datetime) -> float | None:
    """Seconds to wait, from `retry-after-ms` or `Retry-After` in seconds or as an HTTP date (RFC 9110, 10.2.3)."""
    for name, unit in (("retry-after-ms", 1_000.0), ("retry-after", 1.0)):
        raw = headers.get(name)
        if not raw:
            continue
        try:
            seconds = float(raw) / unit
        except ValueError:
            try:
                moment = parsedate_to_datetime(raw)
            except ValueError:
                continue
            seconds = ((moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - now).total_seconds()
        if seconds == seconds:  # not NaN
            return min(LONGEST_WAIT, max(0.0, seconds))
    return None


def to_error(failure: Failure, *, provider: str, request: ModelRequest, key: str, progress: Progress) -> ProviderError:
    """The error for people and for the engine. `charged` only when the vendor had counted tokens."""
    message = _SENTENCES[failure.code].format(provider=provider)
    detail = safe_detail(failure.vendor_message, request, key)
    if detail and failure.code in (BAD_REQUEST, VENDOR_ERROR, RATE_LIMITED):
        message = f"{message} It said: {detail}"
    if failure.guard_message:
        message = f"{message} {failure.guard_message}"
    context: dict[str, Any] = {"provider": provider, "model": request.model}
    if failure.status is not None:
        context["status"] = failure.status
    if _IDENTIFIER.fullmatch(failure.vendor_type) and not tells_key(failure.vendor_type, key):
        context["vendor_type"] = failure.vendor_type
    if progress.usage is not None:
        context["usage"] = progress.usage
    return ProviderError(
        failure.code,
        message,
        retryable=failure.retryable,
        retry_after=failure.retry_after,
        charged=progress.usage is not None,
        **context,
    )


def safe_detail(message: str, request: ModelRequest, key: str) -> str:
    """A vendor's own words, shortened; empty when they hold the key or repeat any of the prompt."""
    # The whole message is judged: one cut to its length may end in the middle of a key.
    if tells_key(message, key):
        return ""
    clean = _KEY_SHAPED.sub("[key]", " ".join(message.split()))[:300]
    if not clean:
        return ""
    sent = " ".join(" ".join(request.texts()).split())
    pieces = {clean[at : at + SHINGLE] for at in range(max(1, len(clean) - SHINGLE + 1))}
    if any(len(piece) == SHINGLE and piece in sent for piece in pieces):
        return ""
    short = [part.strip() for part in request.texts()]
    return "" if any(3 < len(part) <= SHINGLE * 2 and part in clean for part in short) else clean


def tells_key(message: str, key: str) -> bool:
    """Whether a vendor's words hold the key, in whatever form, or a piece of it."""
    if len(key) < MIN_LENGTH:
        return False
    pieces = {key[at : at + KEY_PIECE] for at in range(max(1, len(key) - KEY_PIECE + 1))}
    return any(piece in message for piece in pieces) or Masker({"key": key}).mask_text(message) != message
