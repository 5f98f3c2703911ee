"""Bringing a pipeline in from elsewhere: its text from an address, what would come of it, and the making."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from core.accounts.domain import Account
from core.pipelines.commands import MAX_BYTES, create_pipeline, validate_source
from core.pipelines.definition import LlmStep, resolve_models, walk_steps
from core.pipelines.domain import PipelineView
from core.pipelines.editing import set_pipeline_fields
from core.pipelines.parsing import Issue
from core.pipelines.queries import active_names
from core.platform.outbound import OutboundRequest
from core.platform.ratelimits import count_try
from core.platform.runtime import Runtime
from core.shared.errors import InvalidInput

FETCHES, FETCH_WINDOW_SECONDS = 30, 600
FETCH_SECONDS = 10.0
ACCEPT = "application/yaml, application/json, text/plain;q=0.9, */*;q=0.5"


@dataclass(frozen=True, slots=True)
class ImportPreview:
    """What a text would become. Without `errors` it can be imported.

    `steps` are ids with kind and model, those inside others with their depth. `namesake` is the id of the person's
    pipeline of the same name, `free_name` one that none of theirs has.
    """

    name: str
    description: str
    steps: tuple[tuple[str, str, str | None, int], ...]
    inputs: tuple[str, ...]
    errors: tuple[Issue, ...]
    warnings: tuple[Issue, ...]
    namesake: str | None = None
    free_name: str = ""


def preview_import(runtime: Runtime, owner: Account, text: str) -> ImportPreview:
    """Read a text as a definition, YAML or JSON, and tell what it holds. Stores nothing."""
    checked = validate_source(runtime, owner, text)
    if checked.errors or checked.definition is None:
        return ImportPreview("", "", (), (), checked.errors, checked.warnings)
    definition = resolve_models(checked.definition, runtime.catalogue.default_model())
    names = active_names(runtime, owner.id)
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
        namesake=names.get(definition.name),
        free_name=_free_name(definition.name, names),
    )


def import_pipeline(runtime: Runtime, owner: Account, text: str, *, name: str | None = None) -> PipelineView:
    """Make a pipeline of a text; `name` is written into it in the place of its own."""
    renamed = text if name is None else set_pipeline_fields(text, {"name": name})
    return create_pipeline(runtime, owner, renamed)


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
