"""What the installation does by itself, now."""

import sys

import typer

from core.cli.console import ROOT, fail, new_group, open_runtime
from core.platform.jobs.commands import run_job
from core.platform.jobs.declared import find_job

jobs = new_group("jobs", "What the installation does by itself.")


@jobs.command("run")
def jobs_run(name: str) -> None:
    """Run a job now, in this process, whatever else is running; the run is kept with the others."""
    sys.path.insert(0, str(ROOT))  # where the rooms above core are
    runtime, job = open_runtime(), find_job(name)
    ended = run_job(runtime, job, runtime.clock.now())
    if ended is None:
        raise fail("Another process took this run over. See its end under Jobs.")
    if ended.error_code is not None:
        raise fail(f"{name} failed: {ended.error_code}. The log of this command has the place.")
    typer.echo(f"{name}: {ended.done} done")
