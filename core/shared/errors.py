"""The errors a person or a client can be shown.

    AppError
    ├── InvalidInput        what was sent is wrong
    ├── NotFound            it does not exist, or not for this person
    ├── Forbidden           known, but not allowed
    ├── Conflict            it changed meanwhile, or exists already
    ├── LimitExceeded       too much or too soon (`retry_after` seconds)
    ├── ProviderError       a model vendor failed (`retryable`, `retry_after`, `charged`)
    └── InvariantViolated   a promise of our own code was broken

`code` is stable and upper case, for programs. `message` says what to do next, for people.
"""

from __future__ import annotations

from typing import Any


class AppError(Exception):
    """Base of every error that is rendered to a person or a client.

    `context` holds values a face may render (`details`, ids); never a secret, prompt or output.
    """

    def __init__(self, code: str, message: str, **context: Any) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.context = context

    def __str__(self) -> str:
        return self.message

    def __repr__(self) -> str:
        return f"{type(self).__name__}(code={self.code!r}, message={self.message!r})"


class InvalidInput(AppError):
    """What was sent is wrong; sending it again unchanged fails again."""


class NotFound(AppError):
    """It does not exist, or not for this person."""


class Forbidden(AppError):
    """The person or key is known, but may not do this."""


class Conflict(AppError):
    """It changed meanwhile, or exists already."""


class LimitExceeded(AppError):
    """Too much or too soon. `retry_after` is in seconds, None when waiting does not help."""

    def __init__(self, code: str, message: str, *, retry_after: float | None = None, **context: Any) -> None:
        super().__init__(code, message, **context)
        self.retry_after = retry_after


class ProviderError(AppError):
    """A model vendor failed.

    `retryable`: the same call may succeed later. `retry_after`: seconds the vendor asked to wait.
    `charged`: the vendor billed the call although it failed.
    """

    def __init__(
        self,
        code: str,
        message: str,
        *,
        retryable: bool,
        retry_after: float | None = None,
        charged: bool = False,
        **context: Any,
    ) -> None:
        super().__init__(code, message, **context)
        self.retryable = retryable
        self.retry_after = retry_after
        self.charged = charged


class InvariantViolated(AppError):
    """A promise of our own code was broken: a defect, never the person's fault."""
