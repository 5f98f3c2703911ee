"""Credits that an admin gives or takes back by hand: how many, and the declared words why. Pure."""

from core.shared.errors import InvalidInput
from core.shared.money import micros_from_credits

GIFTS = {
    "goodwill": "Goodwill, after something went wrong",
    "correction": "Correction of a mistake in what was charged",
    "agreed": "Agreed with the person",
    "trial": "To try something out",
    "taken_back": "Given by mistake",
}
"""Why credits are moved by hand, in words."""
MOST = 1_000_000  # credits


def gift_micros(credits: float, why: str) -> int:
    """The micro-credits of a gift; below zero to take back. Raises InvalidInput."""
    if why not in GIFTS:
        raise InvalidInput("UNKNOWN_REASON", "Choose why.", field="why")
    if not 0 < abs(credits) <= MOST:
        message = f"Enter a number of credits up to {MOST:,}, below zero to take some back. Nothing was changed."
        raise InvalidInput("INVALID_CREDITS", message, field="credits")
    micros = micros_from_credits(f"{abs(credits):.6f}")
    return micros if credits > 0 else -micros
