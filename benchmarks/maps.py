"""A `map` over many rows of a step that does next to nothing, against the same rendering in a plain loop."""

import asyncio
import time

from benchmarks.ground import ground
from benchmarks.table import Row
from core.execution.commands import start_run
from core.execution.engine import Engine
from core.execution.queries import get_run
from core.pipelines.commands import create_pipeline
from core.pipelines.templates import render

ROWS = 10_000
TEMPLATE = "{{row.name}}: {{row.n}}"


def rows() -> list[Row]:
    """Rows a second, journal and encryption on."""
    data = [{"name": f"name {n}", "n": n} for n in range(ROWS)]
    make = {
        "id": "rows",
        "type": "code",
        "language": "python",
        "source": f'output = [{{"name": "name " + str(n), "n": n}} for n in range({ROWS})]',
    }
    each = {
        "id": "each",
        "type": "map",
        "foreach": "rows",
        "as": "row",
        "steps": [{"id": "text", "type": "transform", "template": TEMPLATE}],
    }
    with ground() as (runtime, owner):
        pipeline = create_pipeline(runtime, owner, {"name": "Map", "version": 1, "steps": [make, each]})
        run = start_run(runtime, owner, pipeline.id, {})

        async def advance() -> None:
            engine = Engine(runtime, "serve:bench")
            await engine.advance(run.id)
            engine.close()

        asyncio.run(advance())
        view = get_run(runtime, owner.id, run.id)
        assert view.status == "completed", view.error
        took = (view.steps[1].duration_ms or 1) / 1000
    before = time.perf_counter()
    plain = [render(TEMPLATE, {"row": row}) for row in data]
    bare = time.perf_counter() - before
    assert view.output_data == plain
    return [Row(f"map over {ROWS:,} rows of a template, {ROWS / took:,.0f} rows/s", took, "s", "a plain loop", bare, 3)]
