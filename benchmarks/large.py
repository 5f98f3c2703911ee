"""`make bench-large`: what takes long to set up. Prints its table, and keeps it in docs/benchmarks-large.md.

`BENCH_RUNS=20000 BENCH_EVENTS=500000 make bench-large` looks at a smaller history and lake, in some minutes. Data lies
in the folder for temporary files (TMPDIR), one database at a time, and is gone afterwards.
"""

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from benchmarks import dashboards, erasure, retention
from benchmarks.progress import tell
from benchmarks.table import HEADER, Row

TABLE = Path("docs/benchmarks-large.md")
DISK_A_RUN = 12_000
"""Bytes that a run of a measurement takes at most: sweep and peer have one each, with its rows, indexes and log."""


def main() -> None:
    _check_disk(retention.RUNS * DISK_A_RUN)
    found = []
    for row in _rows():
        tell(row.line())
        found.append(row)
    table = "\n".join([HEADER, *(row.line() for row in found)])
    print(table)
    TABLE.write_text(f"{_intro()}\n{table}\n")


def _rows() -> Iterator[Row]:
    yield from retention.rows()
    yield from erasure.rows()
    yield from dashboards.rows()


def _check_disk(needed: int) -> None:
    folder = tempfile.gettempdir()
    free = shutil.disk_usage(folder).free
    if free < needed:
        sys.exit(f"This needs {needed / 1e9:.0f} GB in {folder}, and {free / 1e9:.0f} GB are free: set TMPDIR.")


def _intro() -> str:
    where = f"{datetime.now(UTC).date().isoformat()}, on {os.cpu_count()} cores with a load of {os.getloadavg()[2]:.1f}"
    return f"""# Benchmarks over large data

Written by `make bench-large` on {where}. Value and peer were
measured in turns in the same process: where others use the machine too, read the ratios. PostgreSQL is a server on the
disk with the settings that it comes with; SQLite has those of the application.

The sweep and the bare peer delete as many runs from the same six tables, with as many in a transaction. What the sweep
does besides: it asks in every transaction whether the person restricted their data, has another plan or is held since,
passes over what has not ended or was not delivered, carries sums on and unlinks schedules. Triggers are starts of a run
by another person, in the process that sweeps. Erasure and its peer delete the same rows of two copies of a file.
"""


if __name__ == "__main__":
    main()
