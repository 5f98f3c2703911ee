"""How an outbound request can end other than with an answer.

    OutboundError
    ├── OutboundRefused   OUTBOUND_REFUSED: it may not be sent, now or later
    ├── OutboundTimeout   OUTBOUND_TIMEOUT: no whole answer in time; may be tried again
    └── OutboundFailed    OUTBOUND_FAILED: no connection or a broken answer; `retryable` says which

Messages name the host at most: a path, a query string or a header may hold a secret.
"""

from __future__ import annotations

from core.shared.errors import AppError


class OutboundError(AppError):
    """Base; `retryable`: the same request may succeed later."""

    def __init__(self, code: str, message: str, *, retryable: bool) -> None:
        super().__init__(code, message)
        self.retryable = retryable


class OutboundRefused(OutboundError):
    """The target or the request is not allowed. No byte was sent to it."""

    def __init__(self, message: str) -> None:
        super().__init__("OUTBOUND_REFUSED", message, retryable=False)


class OutboundTimeout(OutboundError):
    """The time ran out. The receiver may have acted on the request."""

    def __init__(self, message: str) -> None:
        super().__init__("OUTBOUND_TIMEOUT", message, retryable=True)


class OutboundFailed(OutboundError):
    """There was no connection, or the answer broke off. The receiver may have acted on the request."""

    def __init__(self, message: str, *, retryable: bool = True) -> None:
        super().__init__("OUTBOUND_FAILED", message, retryable=retryable)
