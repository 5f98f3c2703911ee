"""The jobs of this installation.

They are declared in a room above, beside what makes them tick. They are loaded by name, as tables are in
`core.platform.registry`, so that the command line and the operators' page reach them and no room below knows one above.
"""

from importlib import import_module

from core.platform.jobs.domain import Job
from core.shared.errors import NotFound

CATALOGUE = "jobs.catalogue"


def declared_jobs() -> tuple[Job, ...]:
    """Every job, in the order of the catalogue."""
    found: tuple[Job, ...] = import_module(CATALOGUE).JOBS
    return found


def find_job(name: str) -> Job:
    """The job of a name. Raises NotFound, which says what there is."""
    for job in declared_jobs():
        if job.name == name:
            return job
    names = ", ".join(job.name for job in declared_jobs())
    raise NotFound("JOB_NOT_FOUND", f"There is no job {name[:40]!r}. There are: {names}.")
