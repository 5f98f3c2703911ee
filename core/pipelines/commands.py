"""Making pipelines, saving drafts and versions."""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from core.accounts.domain import Account
from core.accounts.plans import check_pipelines
from core.accounts.postings import lock_person
from core.accounts.queries import secret_names
from core.pipelines import errors
from core.pipelines.definition import Definition, read_definition, resolve_models, to_dict
from core.pipelines.domain import DraftView, PipelineView
from core.pipelines.dump import to_yaml
from core.pipelines.following import NewestVersion
from core.pipelines.models import DraftRow, PipelineRow, VersionRow
from core.pipelines.queries import count_active, get_pipeline, get_version, open_about, open_version, owned_row
from core.pipelines.validation import Validated, validate
from core.platform.idempotency import Once, answer_once
from core.platform.runtime import Runtime
from core.shared.errors import Conflict, InvalidInput, NotFound
from core.shared.types import JsonValue

MAX_BYTES = 256 * 1024
EXAMPLE = Path(__file__).with_name("example.yaml")


def validate_source(
    runtime: Runtime, owner: Account, source: str | dict[str, Any], pipeline_id: str | None = None
) -> Validated:
    """Check a definition as text or as parsed JSON, within the limits of the person's plan."""
    return validate(
        source,
        models=runtime.catalogue,
        plan=owner.plan,
        default_model=runtime.catalogue.default_model(),
        secrets=lambda: os.environ if owner.is_operator else secret_names(runtime, owner.id, pipeline_id),
    )


def accept(runtime: Runtime, owner: Account, source: str | dict[str, Any]) -> tuple[Definition, str]:
    """The definition, with models resolved, and its text. Raises InvalidInput INVALID_DEFINITION with all details."""
    checked = validate_source(runtime, owner, source)
    if checked.errors or checked.definition is None:
        raise errors.invalid_definition(checked.errors)
    definition = resolve_models(checked.definition, runtime.catalogue.default_model())
    return definition, source if isinstance(source, str) else to_yaml(definition)


def create_pipeline(
    runtime: Runtime,
    owner: Account,
    source: str | dict[str, Any],
    *,
    name: str | None = None,
    description: str | None = None,
    tags: list[str] | None = None,
    once: Once | None = None,
    key_id: str | None = None,
) -> PipelineView:
    """Make a pipeline with version 1. The same request sent `once` more answers the pipeline that it made.

    `key_id` here and below: the API key that asks, where no person does; with a cap it makes no schedule above that.
    """
    definition, text = accept(runtime, owner, source)
    about = _about({}, definition, name, description, tags)
    pipeline_id, now = runtime.ids.new(), runtime.clock.now()
    row = PipelineRow(
        id=pipeline_id,
        owner_id=owner.id,
        about=runtime.vault.seal_json(owner.id, f"pipelines.about:{pipeline_id}", about),
        version=0,
        status="active",
        created_at=now,
        updated_at=now,
    )
    with runtime.database.write() as session:
        lock_person(session, owner.id)  # two at once would both be the last that the plan allows
        answer_id = answer_once(runtime, session, owner.id, once, pipeline_id)
        if answer_id == pipeline_id:
            check_pipelines(owner.plan, count_active(session, owner.id))
            session.add(row)
            session.flush()
            _add_version(runtime, session, row, definition, text)
            newest = NewestVersion(owner, row.id, str(about["name"]), definition, key_id)
            runtime.follower.saved(runtime, session, newest)
    runtime.events.used("pipeline.created", owner.id)
    return get_pipeline(runtime, owner.id, answer_id)


def update_pipeline(
    runtime: Runtime,
    owner: Account,
    pipeline_id: str,
    *,
    source: str | dict[str, Any] | None = None,
    name: str | None = None,
    description: str | None = None,
    tags: list[str] | None = None,
    draft_revision: int | None = None,
    key_id: str | None = None,
) -> PipelineView:
    """Change any of the fields. Every update makes a version; with `source` the draft of an older one is dropped.

    `draft_revision` is the revision of that draft as the caller knows it (0: none); another one raises Conflict.
    """
    get_pipeline(runtime, owner.id, pipeline_id)
    accepted = accept(runtime, owner, source) if source is not None else None
    with runtime.database.write() as session:
        row = owned_row(session, owner.id, pipeline_id, lock=True)
        if draft_revision is not None:
            _check_revision(session.get(DraftRow, row.id), draft_revision)
        definition, text = accepted or _newest(runtime, session, row)
        before = open_about(runtime, row)
        about = _about(before, definition if source is not None else None, name, description, tags)
        row.about = runtime.vault.seal_json(owner.id, f"pipelines.about:{row.id}", about)
        _add_version(runtime, session, row, definition, text)
        newest = NewestVersion(owner, row.id, str(about["name"]), definition, key_id)
        runtime.follower.saved(runtime, session, newest)
        if source is not None:
            session.execute(delete(DraftRow).where(DraftRow.pipeline_id == row.id))
    return get_pipeline(runtime, owner.id, pipeline_id)


def save_draft(
    runtime: Runtime, owner_id: str, pipeline_id: str, text: str, *, base_revision: int | None = None
) -> DraftView:
    """Keep the text being edited, valid or not.

    `base_revision` is the revision the edit began from (0: none); another one stored meanwhile raises Conflict,
    so two windows cannot overwrite each other unseen.
    """
    if len(text.encode()) > MAX_BYTES:
        raise InvalidInput(
            "TOO_LARGE", "A definition may have 256 KB. Your text is still here; shorten it, then save again."
        )
    now = runtime.clock.now()
    with runtime.database.write() as session:
        row = owned_row(session, owner_id, pipeline_id, lock=True)
        draft = session.get(DraftRow, row.id)
        revision = draft.revision if draft else 0
        if base_revision is not None:
            _check_revision(draft, base_revision)
        sealed = runtime.vault.seal_text(owner_id, f"pipeline_drafts.content:{row.id}", text)
        if draft is None:
            draft = DraftRow(pipeline_id=row.id, owner_id=owner_id, content=sealed, revision=1, saved_at=now)
            session.add(draft)
        else:
            draft.content, draft.revision, draft.saved_at = sealed, revision + 1, now
        return DraftView(text, revision + 1, now)


def save_version(runtime: Runtime, owner: Account, pipeline_id: str) -> PipelineView:
    """Make a version of the draft. Raises InvalidInput while the draft has errors."""
    current = get_pipeline(runtime, owner.id, pipeline_id)
    if current.draft is None:
        raise NotFound("NO_DRAFT", "There is nothing to save: the newest version has no changes.")
    revision = current.draft.revision
    runtime.events.used("version.saved", owner.id)
    return update_pipeline(runtime, owner, pipeline_id, source=current.draft.text, draft_revision=revision)


def restore_version(runtime: Runtime, owner: Account, pipeline_id: str, number: int) -> PipelineView:
    """Make an earlier version the newest one, as a new version."""
    runtime.events.used("version.restored", owner.id)
    return update_pipeline(runtime, owner, pipeline_id, source=get_version(runtime, owner.id, pipeline_id, number).text)


def archive_pipeline(runtime: Runtime, owner_id: str, pipeline_id: str) -> None:
    """Take a pipeline out of every list; `unarchive_pipeline` brings it back."""
    with runtime.database.write() as session:
        owned_row(session, owner_id, pipeline_id, lock=True).status = "archived"
        runtime.follower.archived(runtime, session, pipeline_id)


def unarchive_pipeline(
    runtime: Runtime, owner: Account, pipeline_id: str, *, key_id: str | None = None
) -> PipelineView:
    """Bring an archived pipeline back."""
    with runtime.database.write() as session:
        row = owned_row(session, owner.id, pipeline_id, archived=True, lock=True)
        lock_person(session, owner.id)
        if row.status == "archived":
            check_pipelines(owner.plan, count_active(session, owner.id))
            row.status = "active"
            definition, _ = _newest(runtime, session, row)
            name = open_about(runtime, row)["name"]
            newest = NewestVersion(owner, row.id, name, definition, key_id)
            runtime.follower.restored(runtime, session, newest)
    return get_pipeline(runtime, owner.id, pipeline_id)


def ensure_example(runtime: Runtime, owner: Account) -> str:
    """The id of the person's newest pipeline; their own copy of the example where they have none."""
    newest = select(PipelineRow.id).where(PipelineRow.owner_id == owner.id, PipelineRow.status == "active")
    with runtime.database.read() as session:
        found = session.scalar(newest.order_by(PipelineRow.updated_at.desc()).limit(1))
    return found or create_pipeline(runtime, owner, EXAMPLE.read_text()).id


def _newest(runtime: Runtime, session: Session, row: PipelineRow) -> tuple[Definition, str]:
    """The newest version of a pipeline whose row is locked: its definition and its text."""
    newest = open_version(runtime, session.get_one(VersionRow, (row.id, row.version)))
    return read_definition(newest.definition), newest.text


def _check_revision(draft: DraftRow | None, expected: int) -> None:
    if expected != (draft.revision if draft else 0):
        raise Conflict(
            "DRAFT_CHANGED", "This draft was changed in another window. Reload to see it; copy your text first."
        )


def _add_version(runtime: Runtime, session: Session, row: PipelineRow, definition: Definition, text: str) -> None:
    number, now = row.version + 1, runtime.clock.now()
    content: dict[str, JsonValue] = {"text": text, "definition": to_dict(definition)}
    sealed = runtime.vault.seal_json(row.owner_id, f"pipeline_versions.content:{row.id}/{number}", content)
    session.add(VersionRow(pipeline_id=row.id, number=number, owner_id=row.owner_id, content=sealed, created_at=now))
    row.version, row.updated_at = number, now


def _about(
    before: Mapping[str, Any],
    definition: Definition | None,
    name: str | None,
    description: str | None,
    tags: list[str] | None,
) -> dict[str, JsonValue]:
    written: Mapping[str, Any] = before
    if definition is not None:
        written = {"name": definition.name, "description": definition.description, "tags": definition.tags}
    about: dict[str, JsonValue] = {
        "name": _plain(name if name is not None else written["name"]) or "Untitled",
        "description": _plain(description if description is not None else written["description"] or ""),
        "tags": [_plain(tag) for tag in (tags if tags is not None else written["tags"] or [])],
    }
    if len(str(about["name"])) > 200:
        raise InvalidInput("INVALID_NAME", "A name has 1 to 200 characters.", field="name")
    if len(str(about["description"])) > 2000:
        raise InvalidInput("INVALID_DESCRIPTION", "A description has at most 2,000 characters.", field="description")
    return about


def _plain(text: str) -> str:
    return re.sub(r"[\x00-\x08\x0b-\x1f\x7f]", "", text).strip()
