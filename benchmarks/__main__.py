"""`make bench`: measure, print the table, and keep it in docs/benchmarks.md."""

from pathlib import Path

from benchmarks import (
    concurrency,
    first_token,
    ingest,
    ledger,
    lists,
    machine,
    maps,
    over_http,
    overhead,
    parallel_steps,
    triggers,
    workers,
)
from benchmarks.table import HEADER

TABLE = Path("docs/benchmarks.md")
INTRO = "# Benchmarks\n\nWritten by `make bench`. Ratios of one run: value and peer were measured together.\n"


def main() -> None:
    rows = [*overhead.rows(), *parallel_steps.rows(), *concurrency.many_runs(), *concurrency.first_step()]
    rows += [
        *over_http.rows(),
        *triggers.rows(),
        *ingest.rows(),
        *first_token.rows(),
        *maps.rows(),
        *ledger.rows(),
        *workers.rows(),
        *lists.rows(),
        *machine.rows(),
    ]
    table = "\n".join([HEADER, *(row.line() for row in rows)])
    print(table)
    TABLE.write_text(f"{INTRO}\n{table}\n")


if __name__ == "__main__":
    main()
