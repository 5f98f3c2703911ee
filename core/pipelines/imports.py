"""Bringing a pipeline in from elsewhere: its text from an address, what would come of it, and the making."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Literal

from core.accounts.domain import Account
from core.pipelines.commands import (
    MAX_BYTES,
    accept,
    create_pipeline,
    save_draft,
    save_version,
    update_pipeline,
    validate_source,
)
from core.pipelines.definition import LlmStep, resolve_models, walk_steps
from core.pipelines.domain import PipelineView
from core.pipelines.editing import set_pipeline_fields
from core.pipelines.parsing import Issue
from core.pipelines.queries import active_names, get_pipeline, get_version
from core.platform.outbound import OutboundRequest
from core.platform.ratelimits import count_try
from core.platform.runtime import Runtime
from core.shared.errors import Conflict, InvalidInput

FETCHES, FETCH_WINDOW_SECONDS = 30, 600
FETCH_SECONDS = 10.0
ACCEPT = "application/yaml, application/json, text/plain;q=0.9, */*;q=0.5"


@dataclass(frozen=True, slots=True)
class ImportPreview:
    """What a text would become. Without `errors` it can be imported.

    `steps` are ids with kind and model, those inside others with their depth. `namesake` is the id of the person's
    pipeline of the same name, `free_name` one that none of theirs has. `draft` says whether that namesake has changes
    that are no version yet, and whether they can become one.
    """

    name: str
    description: str
    steps: tuple[tuple[str, str, str | None, int], ...]
    inputs: tuple[str, ...]
    errors: tuple[Issue, ...]
    warnings: tuple[Issue, ...]
    namesake: str | None = None
    free_name: str = ""
    draft: Literal["none", "valid", "broken"] = "none"


@dataclass(frozen=True, slots=True)
class Replaced:
    """A pipeline whose newest version was imported, and what was there before: `version`, and the unsaved `draft`.

    `kept`: that draft was kept as version `version` + 1.
    """

    pipeline_id: str
    version: int
    draft: str | None
    kept: bool


def preview_import(runtime: Runtime, owner: Account, text: str) -> ImportPreview:
    """Read a text as a definition, YAML or JSON, and tell what it holds. Stores nothing."""
    checked = validate_source(runtime, owner, text)
    if checked.errors or checked.definition is None:
        return ImportPreview("", "", (), (), checked.errors, checked.warnings)
    definition = resolve_models(checked.definition, runtime.catalogue.default_model())
    names = active_names(runtime, owner.id)
    namesake = names.get(definition.name)
    return ImportPreview(
        name=definition.name,
        description=definition.description or "",
        steps=tuple(
            (step.id, step.type, step.model if isinstance(step, LlmStep) else None, len(path) // 2 - 1)
            for path, step in walk_steps(definition.steps)
        ),
        inputs=tuple(definition.input.fields),
        errors=(),
        warnings=checked.warnings,
        namesake=namesake,
        free_name=_free_name(definition.name, names),
        draft="none" if namesake is None else _draft_state(runtime, owner, get_pipeline(runtime, owner.id, namesake)),
    )


def import_pipeline(runtime: Runtime, owner: Account, text: str, *, name: str | None = None) -> PipelineView:
    """Make a pipeline of a text; `name` is written into it in the place of its own."""
    renamed = text if name is None else set_pipeline_fields(text, {"name": name})
    return create_pipeline(runtime, owner, renamed)


def import_version(
    runtime: Runtime, owner: Account, pipeline_id: str, text: str, *, drop_draft: bool = False
) -> Replaced:
    """Make a text the next version of a pipeline. An unsaved draft becomes a version before it.

    Raises Conflict DRAFT_BROKEN where the draft has errors, so that it cannot, unless it may be dropped.
    """
    before = get_pipeline(runtime, owner.id, pipeline_id)
    state, revision = _draft_state(runtime, owner, before), before.draft.revision if before.draft else 0
    if state == "broken" and not drop_draft:
        raise Conflict(
            "DRAFT_BROKEN",
            "This pipeline has an unsaved draft with errors, which cannot be kept as a version. Nothing was changed. "
            "Say that it may be replaced, or import this as another pipeline.",
        )
    accept(runtime, owner, text)  # before the draft is touched
    if state == "valid":
        save_version(runtime, owner, pipeline_id)
        revision = 0
    update_pipeline(runtime, owner, pipeline_id, source=text, draft_revision=revision)
    draft = before.draft.text if before.draft and state != "none" else None
    return Replaced(pipeline_id, before.version, draft, state == "valid")


def undo_import(runtime: Runtime, owner: Account, replaced: Replaced) -> None:
    """Make what was the newest version before an import the newest again, with the draft there was.

    Raises Conflict where somebody has edited the pipeline since.
    """
    before = get_version(runtime, owner.id, replaced.pipeline_id, replaced.version)
    update_pipeline(runtime, owner, replaced.pipeline_id, source=before.text, draft_revision=0)
    if replaced.draft is not None:
        save_draft(runtime, owner.id, replaced.pipeline_id, replaced.draft)


def _draft_state(runtime: Runtime, owner: Account, view: PipelineView) -> Literal["none", "valid", "broken"]:
    if view.draft is None or view.draft.text == view.text:
        return "none"
    return "valid" if validate_source(runtime, owner, view.draft.text, view.id).valid else "broken"


def fetch_definition(runtime: Runtime, owner: Account, url: str) -> str:
    """The text at an address, read through the guarded way out. Blocks for at most 10 s.

    Raises OutboundError, InvalidInput with what can be done, and LimitExceeded above 30 fetches in 10 minutes.
    """
    count_try(runtime, "import", owner.id, limit=FETCHES, seconds=FETCH_WINDOW_SECONDS)
    request = OutboundRequest(
        "GET", url.strip(), {"Accept": ACCEPT}, timeout_seconds=FETCH_SECONDS, max_bytes=MAX_BYTES,
        follow_redirects=True,
    )  # fmt: skip
    with ThreadPoolExecutor(1) as thread:  # for a loop of its own: the caller's may be running
        answer = thread.submit(asyncio.run, runtime.outbound.send(request)).result()
    host = answer.hosts[-1]
    if not 200 <= answer.status < 300:
        hint = "Is it private? Then save it as a file and import that." if answer.status in (401, 403, 404) else ""
        raise _refused(f"{host} answered with the status {answer.status}. {hint or 'Try again later.'}")
    if answer.truncated:
        raise InvalidInput("TOO_LARGE", f"What {host} sent is larger than 256 KB, and so is no definition.")
    try:
        text = answer.body.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise _refused(f"What {host} sent is not text in UTF-8.") from None
    if text.lstrip()[:15].lower().startswith(("<!doctype", "<html")):
        raise _refused(f"What {host} sent is a web page. Enter the address of the raw file.")
    return text


def _refused(message: str) -> InvalidInput:
    return InvalidInput("IMPORT_REFUSED", message, field="url")


def _free_name(name: str, taken: dict[str, str]) -> str:
    number, free = 2, name
    while free in taken:
        free = f"{name[:190]} ({number})"
        number += 1
    return free
