"""Credits in whole micro-credits: one credit is 1,000,000. Floats never hold money."""

from decimal import ROUND_CEILING, Decimal

MICROS = 1_000_000


def micros_from_credits(credits: Decimal | int | str) -> int:
    """Convert credits to micro-credits, rounding any remainder up."""
    return int((Decimal(credits) * MICROS).to_integral_value(rounding=ROUND_CEILING))


def credits_number(micros: int) -> int | float:
    """Micro-credits as the JSON number of credits, with at most six decimals."""
    whole, rest = divmod(micros, MICROS)
    return whole if rest == 0 else round(micros / MICROS, 6)


def format_credits(micros: int) -> str:
    """Micro-credits for people: `0.38 cr`, `1,842 cr`; a small positive amount never shows as zero."""
    if micros == 0:
        return "0 cr"
    if 0 < micros < MICROS // 100:
        return "< 0.01 cr"
    amount = Decimal(micros) / MICROS
    if amount == amount.to_integral_value():
        return f"{int(amount):,} cr"
    return f"{amount:,.2f} cr"


def exact_credits(micros: int) -> str:
    """Micro-credits to the last digit, for statements: `-0.037875`, `2,000.00`; at least two decimals."""
    text = f"{Decimal(micros) / MICROS:,.6f}".rstrip("0")
    whole, _, rest = text.partition(".")
    return f"{whole}.{rest:0<2}"
