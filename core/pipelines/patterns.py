"""Regular expressions written by people: checked before they are compiled, searched with a time limit.

The `regex` package is used because its search can be interrupted. Compiling cannot: it writes counted
repeats out, so how long they get is worked out first.
"""

from __future__ import annotations

import re
from functools import lru_cache

import regex

SEARCH_SECONDS = 1.0
MAX_WRITTEN_OUT = 100_000

TOKEN = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|\{(\d+)(?:,\d*)?\}|[()|]|.", re.DOTALL)


@lru_cache(maxsize=256)
def pattern_problem(pattern: str) -> str | None:
    """What is wrong with a regular expression and what to do, or None."""
    if _written_out(pattern) > MAX_WRITTEN_OUT:
        return "This regular expression repeats too often: use smaller counts in `{...}`."
    try:
        regex.compile(pattern)
    except regex.error as error:
        return f"This is not a valid regular expression: {error}."
    except (ValueError, OverflowError, RecursionError, MemoryError) as error:
        return f"This is not a valid regular expression ({type(error).__name__}): make it simpler."
    return None


def group_names(pattern: str) -> tuple[int, tuple[str, ...]]:
    """How many groups a valid pattern has, and the names of the named ones."""
    compiled = regex.compile(pattern)
    return compiled.groups, tuple(compiled.groupindex)


def search(pattern: str, text: str) -> regex.Match[str] | None:
    """The first match, or None. Raises TimeoutError after SEARCH_SECONDS."""
    return regex.search(pattern, text, timeout=SEARCH_SECONDS)


def _written_out(pattern: str) -> int:
    """Roughly how long a pattern is once its counted repeats are written out."""
    totals, last = [0], 0
    for token in TOKEN.finditer(pattern):
        sign = token.group()
        if sign == "(":
            totals.append(0)
            last = 0
        elif sign == ")" and len(totals) > 1:
            last = totals.pop()
            totals[-1] += last
        elif token.group(1) is not None:
            times = int(token.group(1)[:9])
            totals[-1] += last * max(times - 1, 0)
            last *= max(times, 1)
        else:
            last = 1
            totals[-1] += 1
        if totals[-1] > MAX_WRITTEN_OUT:
            return totals[-1]
    return sum(totals)
