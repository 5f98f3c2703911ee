"""Reading pipelines. Ownership is a condition of every query."""

from typing import Any, cast

from sqlalchemy import Integer, Select, Table, bindparam, func, select
from sqlalchemy.orm import Session

from core.pipelines.definition import Definition, read_definition
from core.pipelines.domain import DraftView, PipelineSummary, PipelineView, VersionView
from core.pipelines.models import DraftRow, PipelineRow, VersionRow
from core.platform.database import AnyRow
from core.platform.runtime import Runtime
from core.shared.errors import NotFound
from core.shared.pages import Page

# Asked at every start and every look at a run: built once, on the tables themselves.
_pipelines, _versions = cast(Table, PipelineRow.__table__), cast(Table, VersionRow.__table__)
RUNNABLE = (
    select(_versions, _pipelines.c.owner_id)
    .join_from(_pipelines, _versions, _versions.c.pipeline_id == _pipelines.c.id)
    .where(
        _pipelines.c.id == bindparam("b_pipeline"),
        _pipelines.c.owner_id == bindparam("b_owner"),
        _pipelines.c.status != "archived",
        _versions.c.number == func.coalesce(bindparam("b_number", type_=Integer), _pipelines.c.version),
    )
)
ABOUT = select(_pipelines.c.id, _pipelines.c.owner_id, _pipelines.c.about).where(
    _pipelines.c.owner_id == bindparam("b_owner"), _pipelines.c.id.in_(bindparam("b_pipelines", expanding=True))
)


def get_pipeline(runtime: Runtime, owner_id: str, pipeline_id: str) -> PipelineView:
    """A pipeline of this person's. Raises NotFound, also for somebody else's and for an archived one."""
    with runtime.database.read() as session:
        row = owned_row(session, owner_id, pipeline_id)
        version = session.get_one(VersionRow, (row.id, row.version))
        draft = session.get(DraftRow, row.id)
    about, content = open_about(runtime, row), open_version(runtime, version)
    return PipelineView(
        id=row.id,
        name=about["name"],
        description=about["description"],
        version=row.version,
        status=row.status,
        tags=tuple(about["tags"]),
        definition=content.definition,
        text=content.text,
        draft=_open_draft(runtime, draft) if draft else None,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )


def list_pipelines(
    runtime: Runtime, owner_id: str, limit: int = 50, cursor: str | None = None, *, archived: bool = False
) -> Page[PipelineSummary]:
    """A person's pipelines, newest first; those that are archived, or the others."""
    status = "archived" if archived else "active"
    query = select(PipelineRow).where(PipelineRow.owner_id == owner_id, PipelineRow.status == status)
    if cursor:
        query = query.where(PipelineRow.id < cursor)
    with runtime.database.read() as session:
        rows = session.scalars(query.order_by(PipelineRow.id.desc()).limit(limit + 1)).all()
    items = tuple(_summary(runtime, row) for row in rows[:limit])
    return Page(items, items[-1].id if len(rows) > limit else None)


def count_pipelines(runtime: Runtime, owner_id: str) -> int:
    """How many pipelines a person has, archived ones not counted: what the plan's limit is about."""
    with runtime.database.read() as session:
        return count_active(session, owner_id)


def count_active(session: Session, owner_id: str) -> int:
    """The same in the caller's transaction."""
    owned = (PipelineRow.owner_id == owner_id, PipelineRow.status == "active")
    return session.scalar(select(func.count()).select_from(PipelineRow).where(*owned)) or 0


def list_versions(runtime: Runtime, owner_id: str, pipeline_id: str) -> tuple[VersionView, ...]:
    """Every version, newest first."""
    with runtime.database.read() as session:
        owned_row(session, owner_id, pipeline_id)
        rows = session.scalars(
            select(VersionRow).where(VersionRow.pipeline_id == pipeline_id).order_by(VersionRow.number.desc())
        ).all()
    return tuple(open_version(runtime, row) for row in rows)


def get_version(runtime: Runtime, owner_id: str, pipeline_id: str, number: int) -> VersionView:
    """One version. Raises NotFound."""
    with runtime.database.read() as session:
        owned_row(session, owner_id, pipeline_id)
        row = session.get(VersionRow, (pipeline_id, number))
    if row is None:
        raise NotFound("VERSION_NOT_FOUND", f"This pipeline has no version {number}.")
    return open_version(runtime, row)


def find_pipeline(
    runtime: Runtime, owner_id: str, name: str, version: int | None = None
) -> tuple[str, Definition] | None:
    """Id and definition of a person's active pipeline by id or exact name, its newest version or another."""
    with runtime.database.read() as session:
        mine = select(PipelineRow).where(PipelineRow.owner_id == owner_id, PipelineRow.status == "active")
        row = session.scalar(mine.where(PipelineRow.id == name))
        if row is None:
            rows = session.scalars(mine.order_by(PipelineRow.id.desc())).all()
            row = next((each for each in rows if open_about(runtime, each)["name"] == name), None)
        found = session.get(VersionRow, (row.id, version or row.version)) if row is not None else None
    if row is None or found is None:
        return None
    return row.id, read_definition(open_version(runtime, found).definition)


def runnable_version(runtime: Runtime, owner_id: str, pipeline_id: str, number: int | None) -> VersionView:
    """The version a run executes: that one, or the pipeline's own for None. Raises NotFound."""
    asked = {"b_pipeline": pipeline_id, "b_owner": owner_id, "b_number": number}
    with runtime.database.connect() as connection:
        row = connection.execute(RUNNABLE, asked).one_or_none()
    if row is None:  # the one question cannot say what is missing
        return get_version(runtime, owner_id, pipeline_id, number or 0)
    return open_version(runtime, row)


def pipeline_names(runtime: Runtime, owner_id: str, pipeline_ids: set[str]) -> dict[str, str]:
    """Names of a person's pipelines by id, archived ones included."""
    if not pipeline_ids:
        return {}
    with runtime.database.connect() as connection:
        rows = connection.execute(ABOUT, {"b_owner": owner_id, "b_pipelines": list(pipeline_ids)}).all()
    return {row.id: open_about(runtime, row)["name"] for row in rows}


def active_names(runtime: Runtime, owner_id: str) -> dict[str, str]:
    """Ids of a person's pipelines by name, the newest of each name; archived ones left out."""
    mine = select(PipelineRow).where(PipelineRow.owner_id == owner_id, PipelineRow.status == "active")
    with runtime.database.read() as session:
        rows = session.scalars(mine.order_by(PipelineRow.id)).all()
    return {open_about(runtime, row)["name"]: row.id for row in rows}


def find_pipeline_ids(runtime: Runtime, owner_id: str, text: str) -> tuple[str, ...]:
    """Ids of a person's pipelines whose name holds a text. Names are encrypted, so they are compared here."""
    with runtime.database.read() as session:
        rows = session.scalars(select(PipelineRow).where(PipelineRow.owner_id == owner_id)).all()
    wanted = text.casefold()
    return tuple(row.id for row in rows if wanted in open_about(runtime, row)["name"].casefold())


def archived_pipelines() -> Select[str]:
    """The ids of pipelines that are put away, for a condition of another room's query."""
    return select(PipelineRow.id).where(PipelineRow.status == "archived")


def owned_row(
    session: Session, owner_id: str, pipeline_id: str, *, archived: bool = False, lock: bool = False
) -> PipelineRow:
    """The row of a pipeline of this person's. Raises NotFound.

    With `lock` others who change the pipeline wait for the caller's transaction; runs of it are made meanwhile.
    """
    query = select(PipelineRow).where(PipelineRow.id == pipeline_id, PipelineRow.owner_id == owner_id)
    row = session.scalar(query.with_for_update(key_share=True) if lock else query)
    if row is None or (row.status == "archived" and not archived):
        raise NotFound("PIPELINE_NOT_FOUND", "There is no such pipeline.")
    return row


def open_about(runtime: Runtime, row: PipelineRow | AnyRow) -> dict[str, Any]:
    """Name, description and tags of a row."""
    return cast(dict[str, Any], runtime.vault.open_json(row.owner_id, f"pipelines.about:{row.id}", row.about))


def open_version(runtime: Runtime, row: VersionRow | AnyRow) -> VersionView:
    """The content of a version."""
    where = f"pipeline_versions.content:{row.pipeline_id}/{row.number}"
    content = cast(dict[str, Any], runtime.vault.open_json(row.owner_id, where, row.content))
    return VersionView(row.number, content["text"], content["definition"], row.created_at)


def _open_draft(runtime: Runtime, row: DraftRow) -> DraftView:
    text = runtime.vault.open_text(row.owner_id, f"pipeline_drafts.content:{row.pipeline_id}", row.content)
    return DraftView(text, row.revision, row.saved_at)


def _summary(runtime: Runtime, row: PipelineRow) -> PipelineSummary:
    about = open_about(runtime, row)
    return PipelineSummary(
        row.id,
        about["name"],
        about["description"],
        row.version,
        row.status,
        tuple(about["tags"]),
        row.created_at,
        row.updated_at,
    )
