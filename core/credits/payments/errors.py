"""Errors of payment."""

from core.shared.errors import Conflict, InvalidInput, ProviderError


class CodeRefused(InvalidInput):
    """A discount code that does not count, or not for this person."""


class PaymentFailed(ProviderError):
    """Stripe could not be asked, or refused."""


class NotOnSale(Conflict):
    """Payment is not configured, or not for this."""


def unreachable() -> PaymentFailed:
    """Stripe cannot be reached, or fails: the same may work later."""
    message = "Our payment service does not answer right now. Nothing was changed. Try again in a minute."
    return PaymentFailed("PAYMENT_UNAVAILABLE", message, retryable=True)


def refused(reason: str | None) -> PaymentFailed:
    """Stripe answered that it will not do it. `reason` is its own code, never its text."""
    message = "Our payment service refused this. Nothing was changed. Write to us if it happens again."
    return PaymentFailed("PAYMENT_REFUSED", message, retryable=False, reason=reason)


def not_configured() -> NotOnSale:
    """No payment here."""
    message = "Nothing is sold on this installation: an admin sets the plans. Ask yours."
    return NotOnSale("PAYMENT_NOT_CONFIGURED", message)
