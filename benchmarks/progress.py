"""What a long measurement is at, a line a stage, beside the table that it prints in the end."""

import sys
import time

_begun = time.monotonic()


def tell(line: str) -> None:
    """Say it on stderr, with the seconds since the start."""
    print(f"[{time.monotonic() - _begun:6.0f} s] {line}", file=sys.stderr, flush=True)
