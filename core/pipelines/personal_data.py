"""What becomes of personal data in what a pipeline's models are sent: a choice about the pipeline, not a part of it.

It is no field of the definition: the same text runs elsewhere, and belongs to whoever copies it; this is one person's
choice about their data, and no version of it is kept.
"""

from collections.abc import Collection

from sqlalchemy import select

from core.accounts.domain import SCREENINGS, Account, Screening, clean_screening
from core.pipelines.models import PipelineRow
from core.pipelines.queries import owned_row
from core.platform.runtime import Runtime


def screening_of(runtime: Runtime, owner: Account, pipeline_id: str | None, called: Collection[str] = ()) -> Screening:
    """What holds for a run: the pipeline's own choice, else the person's; and the strictest that a called one has."""
    chosen = own_screenings(runtime, owner.id, {*called, *([pipeline_id] if pipeline_id is not None else [])})
    modes: list[Screening] = [chosen.pop(pipeline_id or "", owner.personal_data), *chosen.values()]
    return max(modes, key=SCREENINGS.index)


def own_screenings(runtime: Runtime, owner_id: str, pipeline_ids: Collection[str]) -> dict[str, Screening]:
    """The choices of those of a person's pipelines that have one, by id."""
    if not pipeline_ids:
        return {}
    mine = (PipelineRow.owner_id == owner_id, PipelineRow.id.in_(pipeline_ids), PipelineRow.personal_data.is_not(None))
    with runtime.database.read() as session:
        rows = session.execute(select(PipelineRow.id, PipelineRow.personal_data).where(*mine)).tuples()
        return {pipeline_id: clean_screening(mode or "") for pipeline_id, mode in rows}


def choose_screening(runtime: Runtime, owner_id: str, pipeline_id: str, mode: str | None) -> None:
    """Choose for one pipeline; with None the person's own choice holds again. Raises InvalidInput, NotFound."""
    chosen = clean_screening(mode) if mode is not None else None
    with runtime.database.write() as session:
        owned_row(session, owner_id, pipeline_id, lock=True).personal_data = chosen
