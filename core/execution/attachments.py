"""Files as inputs of a run: an input declared as a file is given by the file's id.

attached = find_attachments(runtime, owner_id, {"report": KINDS}, input_data)   when a run is asked for
use_attachments(session, owner_id, attached, now=now)                           in the run's own transaction
template_values(runtime, attached)                                              what templates print
rows_of(runtime, attached["report"])                                            for `map` and `sql`
images_of(runtime, card, attached.values())                                     for a model that sees
marks_of(attached)                                                              for a step's fingerprint
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import datetime

from sqlalchemy.orm import Session

from core.pipelines.definition import Definition
from core.platform.files import queries
from core.platform.files.domain import KINDS, TEXTUAL, FileView, Kind
from core.platform.files.postings import use_files
from core.platform.runtime import Runtime
from core.providers.domain import ImagePart, ModelCard, cannot_see
from core.shared.errors import InvalidInput
from core.shared.types import JsonValue

Attachments = Mapping[str, FileView]

MOST_IMAGES = 20  # a call: above it Anthropic lowers the resolution it takes
MOST_IMAGE_BYTES = 20 * 1024 * 1024  # of one call, before base64: Anthropic takes requests of 32 MB
NAMED: dict[Kind, str] = {
    "csv": "a CSV file",
    "json": "a JSON file",
    "parquet": "a Parquet file",
    "text": "a text file",
    "pdf": "a PDF",
    "image": "an image",
}


def file_inputs(definition: Definition) -> dict[str, Collection[Kind]]:
    """The inputs of a definition that are files, and the kinds each takes."""
    return {name: KINDS for name, field in definition.input.fields.items() if field.file}


def read_inputs(
    runtime: Runtime, owner_id: str, definition: Definition, input_data: Mapping[str, JsonValue]
) -> tuple[dict[str, FileView], dict[str, JsonValue]]:
    """The files among inputs, and the inputs as steps see them: of a file its text. Raises InvalidInput."""
    accepted = file_inputs(definition)
    if not accepted:
        return {}, dict(input_data)
    files = find_attachments(runtime, owner_id, accepted, input_data)
    return files, {**input_data, **template_values(runtime, files)}


def find_attachments(
    runtime: Runtime,
    owner_id: str,
    accepted: Mapping[str, Collection[Kind]],
    input_data: Mapping[str, JsonValue],
) -> dict[str, FileView]:
    """The files of the inputs that are files, by input. `accepted`: those inputs, with the kinds each takes.

    An input that was not given (null) has none. Raises InvalidInput INVALID_INPUT with everything that is wrong
    in `details`; somebody else's file is no file.
    """
    given = {name: input_data.get(name) for name in accepted}
    ids = {value for value in given.values() if isinstance(value, str)}
    found = queries.find_files(runtime, owner_id, ids) if ids else {}
    attached: dict[str, FileView] = {}
    problems: list[dict[str, str]] = []
    for name, value in given.items():
        if value is None:
            continue
        file = found.get(value) if isinstance(value, str) else None
        if file is None:
            problems.append(_detail(name, "FILE_NOT_FOUND", f"`{name}` must be the id of one of your files."))
        elif file.kind not in accepted[name]:
            wanted = " or ".join(text for kind, text in NAMED.items() if kind in accepted[name])
            problems.append(_detail(name, "FILE_KIND", f"`{name}` is {NAMED[file.kind]}, but must be {wanted}."))
        else:
            attached[name] = file
    if problems:
        message = " ".join(problem["message"] for problem in problems[:5])
        raise InvalidInput("INVALID_INPUT", message, details=problems)
    return attached


def use_attachments(session: Session, owner_id: str, attached: Attachments, *, now: datetime) -> None:
    """Keep the files as long as the run that is being written. Raises NotFound when one was deleted meanwhile."""
    use_files(session, owner_id, {file.id for file in attached.values()}, now=now)


def template_values(runtime: Runtime, attached: Attachments) -> dict[str, JsonValue]:
    """What `{{input.NAME}}` prints: the text of a file, or a few words about one that has none."""
    return {name: template_value(runtime, file) for name, file in attached.items()}


def template_value(runtime: Runtime, file: FileView) -> str:
    """What a template prints of one file."""
    if file.kind in TEXTUAL:
        return queries.file_text(runtime, file.owner_id, file.id)
    if file.kind == "image":
        return f"[image: {file.name}]"
    return f"[table: {file.name}, {file.facts['rows']} rows]"


def rows_of(runtime: Runtime, file: FileView) -> Iterator[dict[str, JsonValue]]:
    """The rows of a CSV, JSON, JSON lines or Parquet file. Raises InvalidInput for other kinds."""
    return queries.file_rows(runtime, file.owner_id, file.id)


def images_of(runtime: Runtime, card: ModelCard, files: Iterable[FileView]) -> tuple[ImagePart, ...]:
    """The pictures among files, for one call of a model; the demo model is given them to say that it cannot see.

    Raises ProviderError CANNOT_SEE, InvalidInput TOO_MANY_IMAGES.
    """
    pictures = {file.id: file for file in files if file.kind == "image"}
    if not pictures:
        return ()
    if not card.vision and card.api != "demo":
        raise cannot_see(card.id)
    if len(pictures) > MOST_IMAGES:
        raise _too_many(f"{len(pictures)} images; {MOST_IMAGES} are allowed")
    parts: list[ImagePart] = []
    for file in pictures.values():
        content = queries.image_bytes(runtime, file.owner_id, file.id)
        parts.append(ImagePart(content.media_type, content.data, content.width, content.height))
    if sum(len(part.data) for part in parts) > MOST_IMAGE_BYTES:
        raise _too_many(f"more than {MOST_IMAGE_BYTES // 1024 // 1024} MB of images")
    return tuple(parts)


def marks_of(attached: Attachments) -> dict[str, JsonValue]:
    """What of the files decides an output: their contents, by a hash under the owner's key."""
    return {name: f"{file.kind}:{file.fingerprint.hex()}" for name, file in attached.items()}


def _too_many(said: str) -> InvalidInput:
    return InvalidInput("TOO_MANY_IMAGES", f"The step has {said} in one call. Use several steps.")


def _detail(name: str, code: str, message: str) -> dict[str, str]:
    return {"path": f"input.{name}", "code": code, "message": message}
