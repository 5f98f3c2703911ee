"""The runs page over 10,000 runs, and the notebook around an output of one megabyte: time of the page's script."""

import time
from pathlib import Path
from unittest.mock import patch

from streamlit.runtime.context import ContextProxy
from streamlit.testing.v1 import AppTest

from benchmarks.ground import ground
from benchmarks.table import Row
from core.accounts.authentication import sign_in
from core.accounts.domain import Account, cookie_name
from core.bootstrap import set_runtime
from core.execution.commands import start_run
from core.execution.domain import ACTIVE
from core.execution.queries import run_status
from core.pipelines.commands import create_pipeline
from core.platform.runtime import Runtime
from tests.support.many_runs import copy_run

NOTEBOOK = str(Path(__file__).resolve().parent.parent / "pages" / "shell.py")
# AppTest opens no page by its address: this is the list as the shell runs it.
LIST = """
from pages.ui.theme import apply_theme
from pages.workspace.runs import runs_page

apply_theme()
runs_page()
"""
SMALL = "name: Small\nsteps:\n  - {id: said, type: transform, template: Hello}\n"
RUNS, RERUNS = 10_000, 40
LIMIT_MS = 150.0
MEGABYTE = f"""
name: A megabyte
variables:
  line: "{"A line of text that is said again and again. " * 22}"
steps:
  - {{id: page, type: transform, template: "{"{{vars.line}}" * 32}"}}
  - {{id: book, type: transform, template: "{"{{steps.page.output}}" * 32}"}}
"""


def rows() -> list[Row]:
    """The 95th percentile of each page's reruns, without the one that loads it."""
    with ground() as (runtime, owner):
        set_runtime(runtime)
        runtime.dispatcher.start()
        try:
            cookies = {cookie_name(https=False): _token(runtime, owner)}
            with patch.object(ContextProxy, "cookies", property(lambda _self: cookies)):
                pipeline, _ = _run(runtime, owner, MEGABYTE)
                app = AppTest.from_file(NOTEBOOK, default_timeout=60)
                app.query_params["pipeline"] = pipeline
                notebook = _p95(app)
                _, run = _run(runtime, owner, SMALL)
                copy_run(runtime, run, RUNS)
                listed = _p95(AppTest.from_string(LIST, default_timeout=60))
        finally:
            set_runtime(None)
    return [
        Row(f"rerun of the runs page over {RUNS:,} runs, p95", listed, "ms", "limit", LIMIT_MS, 1),
        Row("rerun of the notebook around an output of 1 MB, p95", notebook, "ms", "limit", LIMIT_MS, 1),
    ]


def _token(runtime: Runtime, owner: Account) -> str:
    return sign_in(runtime, email=owner.email, password="a long benchmark password").token


def _run(runtime: Runtime, owner: Account, definition: str) -> tuple[str, str]:
    pipeline = create_pipeline(runtime, owner, definition)
    run = start_run(runtime, owner, pipeline.id, {})
    while (status := run_status(runtime, owner.id, run.id)) in ACTIVE:
        time.sleep(0.01)
    assert status == "completed", status
    return pipeline.id, run.id


def _p95(app: AppTest) -> float:
    app.run()
    assert not app.exception, app.exception
    times = []
    for _ in range(RERUNS):
        before = time.perf_counter()
        app.run()
        times.append((time.perf_counter() - before) * 1000)
    return sorted(times)[int(RERUNS * 0.95)]
