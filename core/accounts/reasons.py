"""Why an admin does what touches somebody: written words, which that person is mailed. Pure."""

from core.shared.errors import InvalidInput

LEAST_REASON = 20  # characters
LONGEST_REASON = 1_000  # characters


def clean_reason(reason: str) -> str:
    """A reason that says something. Raises InvalidInput; what was typed is not quoted."""
    plain = reason.replace("\r\n", "\n").replace("\0", "").strip().encode("utf-8", "replace").decode()
    if len(plain) < LEAST_REASON:
        message = f"Write a reason of at least {LEAST_REASON} characters: the person reads it. Nothing was done."
        raise InvalidInput("REASON_NEEDED", message, field="reason")
    if len(plain) > LONGEST_REASON:
        message = f"Write at most {LONGEST_REASON:,} characters. Nothing was done."
        raise InvalidInput("REASON_TOO_LONG", message, field="reason")
    return plain
