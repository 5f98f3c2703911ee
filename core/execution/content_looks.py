"""What an admin reads of a person's content within a look: pipelines and runs, and nothing that changes them.

Each asks `core.accounts.looks` first, which refuses without an open look and writes down what was opened.
"""

from core.accounts.domain import SessionView
from core.accounts.looks import check_look, note_looked
from core.execution.domain import RunView
from core.execution.queries import get_run
from core.pipelines.domain import PipelineSummary, PipelineView
from core.pipelines.queries import get_pipeline, list_pipelines
from core.platform.runtime import Runtime
from core.shared.pages import Page

A_PAGE = 50


def look_at_pipelines(
    runtime: Runtime, by: SessionView, account_id: str, cursor: str | None = None
) -> Page[PipelineSummary]:
    """The names of a person's pipelines, newest first. Raises Forbidden LOOK_NEEDED."""
    note_looked(runtime, by, account_id, "list", account_id)
    return list_pipelines(runtime, account_id, A_PAGE, cursor)


def look_at_pipeline(runtime: Runtime, by: SessionView, account_id: str, pipeline_id: str) -> PipelineView:
    """A pipeline of a person's with its text. Raises Forbidden LOOK_NEEDED, NotFound."""
    check_look(runtime, by, account_id)
    found = get_pipeline(runtime, account_id, pipeline_id)  # what is not there was not looked at
    note_looked(runtime, by, account_id, "pipeline", pipeline_id)
    return found


def look_at_run(runtime: Runtime, by: SessionView, account_id: str, run_id: str) -> RunView:
    """A run of a person's with its input, its output and its steps. Raises Forbidden LOOK_NEEDED, NotFound."""
    check_look(runtime, by, account_id)
    found = get_run(runtime, account_id, run_id)  # what is not there was not looked at
    note_looked(runtime, by, account_id, "run", run_id)
    return found
