"""`make bench-large`: what takes long to set up. Prints its table, and keeps it in docs/benchmarks-large.md.

`BENCH_RUNS=20000 make bench-large` looks at a smaller history, in about a minute; so does
`BENCH_EVENTS=500000` for the lake.
"""

from pathlib import Path

from benchmarks import dashboards, erasure, retention
from benchmarks.table import HEADER

TABLE = Path("docs/benchmarks-large.md")
INTRO = "# Benchmarks over large data\n\nWritten by `make bench-large`; value and peer were measured together.\n"


def main() -> None:
    table = "\n".join([HEADER, *(row.line() for row in [*retention.rows(), *erasure.rows(), *dashboards.rows()])])
    print(table)
    TABLE.write_text(f"{INTRO}\n{table}\n")


if __name__ == "__main__":
    main()
