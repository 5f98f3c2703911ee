"""Every chart over a large lake, against the same SQL over a bare scan of the same Parquet, in the same run.

What the product does more: it reads its list of files, folds what is open, and shows declared columns of sealed rows.
Both are asked of all days and of four weeks; each number is the quickest of three.
"""

import os
import tempfile
import time
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

from benchmarks.events import make_events, parquet_files
from benchmarks.ground import ground
from benchmarks.table import Row
from core.analytics.charts import CHARTS, Chart
from core.analytics.engine import new_duckdb, quoted
from core.analytics.queries import ask
from core.analytics.reading import open_events
from core.platform.runtime import Runtime

EVENTS = int(os.environ.get("BENCH_EVENTS", "50000000"))
"""How many events the lake has; the environment makes it fewer for a quick look."""
DAYS = 760
TIMES = 3
LIMIT = 1.5


def rows() -> list[Row]:
    """The sum over the charts, and the one that does worst, of all days and of four weeks."""
    # On the disk, not in memory: as a lake lies.
    with tempfile.TemporaryDirectory() as folder, ground(lake_url=str(Path(folder) / "lake")) as (runtime, _):
        number = make_events(runtime, EVENTS, days=DAYS)
        last = runtime.clock.now().date()
        found = []
        for title, days in (("all days", DAYS), ("4 weeks", 28)):
            first = last - timedelta(days=days)
            taken = {
                chart.name: _measure(runtime, chart, first, last)
                for chart in CHARTS.values()
                if chart.relation == "events"
            }
            against = "the bare scan of the same Parquet"
            ours, bare = (sum(pair[side] for pair in taken.values()) for side in (0, 1))
            worst = max(taken, key=lambda name: taken[name][0] / taken[name][1])
            what = f"dashboard queries over {number:,} events, {title}"
            found += [
                Row(f"{what}, all {len(taken)} charts", ours, "ms", against, bare, LIMIT),
                Row(f"{what}, the worst ({worst})", taken[worst][0], "ms", against, taken[worst][1], LIMIT),
            ]
        return found


def _measure(runtime: Runtime, chart: Chart, first: date, last: date) -> tuple[float, float]:
    """Milliseconds of the product and of the bare scan, by turns."""
    ours, bare = [], []
    files = [path for path in parquet_files(runtime) if first.isoformat() <= path.parent.name[3:] <= last.isoformat()]
    for _ in range(TIMES):
        ours.append(_timed(lambda: _ours(runtime, chart, first, last)))
        bare.append(_timed(lambda: _bare(files, chart, first, last)))
    return min(ours), min(bare)


def _ours(runtime: Runtime, chart: Chart, first: date, last: date) -> int:
    with open_events(runtime, first, last) as connection:
        return int(ask(connection, chart, first, last, {}).num_rows)


def _bare(files: list[Path], chart: Chart, first: date, last: date) -> int:
    connection = new_duckdb()
    try:
        listed = ", ".join(quoted(path) for path in files)
        connection.execute(f"CREATE VIEW events AS FROM read_parquet([{listed}])")
        return int(ask(connection, chart, first, last, {}).num_rows)
    finally:
        connection.close()


def _timed(work: Callable[[], int]) -> float:
    before = time.perf_counter()
    assert work() > 0
    return (time.perf_counter() - before) * 1000
