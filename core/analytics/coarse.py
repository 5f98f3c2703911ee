"""Coarse values: a number is counted by its size alone, so that a rare one points at nobody. Pure."""

from bisect import bisect_left

STEPS = (10, 15, 20, 30, 50, 70)
"""Six sizes a decade, each about 1.5 times the one before: a percentile read from them is off by a quarter at most."""
LARGEST = 1_000_000_000


def _sizes() -> tuple[int, ...]:
    sizes = [0, 1, 2, 3, 5, 7]
    decade = 1
    while decade * 10 <= LARGEST:
        sizes += [step * decade for step in STEPS]
        decade *= 10
    return tuple(sizes)


SIZES = _sizes()
_AT = (*SIZES, SIZES[-1])
"""The size for each place among them: beyond the last one it is the last."""


def coarse(value: float) -> int:
    """The next of `SIZES` at or above a number; what is below zero is 0, what is beyond the last one is the last."""
    return _AT[bisect_left(SIZES, value)]
