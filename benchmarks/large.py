"""`make bench-large`: what takes minutes, because it is about very many rows."""

import sys

from benchmarks import erasure
from benchmarks.table import HEADER


def main() -> None:
    rows = [*erasure.rows()]
    sys.stdout.write("\n".join([HEADER, *(row.line() for row in rows)]) + "\n")


if __name__ == "__main__":
    main()
