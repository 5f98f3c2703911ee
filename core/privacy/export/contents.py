"""Pipelines and files in a copy: as they were written, or without the passages that are left out of it.

A pipeline stays one: where a passage cannot be replaced in its text, it is replaced in what the text means, and that is
written anew. A file that is no text is left out as a whole where a passage stands in it.
"""

import codecs
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from core.pipelines.dump import dump_definition
from core.pipelines.parsing import read_source
from core.platform.files.domain import FileView
from core.platform.files.queries import file_rows, file_text, stored_content
from core.platform.runtime import Runtime
from core.privacy.export.passages import AS_A_WORD, LEFT_OUT, Passages
from core.shared.errors import AppError
from core.shared.types import JsonValue

IN_CSV = LEFT_OUT.replace(",", "")
"""Without what may stand between two cells."""


@dataclass
class Changed:
    """What a copy has otherwise than it is here, by the names of its files."""

    pipelines: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    """Pipelines that cannot be imported any more, and could before."""
    files: list[str] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)
    """Files that are left out as a whole."""
    statement: bool = False
    """Whether the statement of credits does not prove itself any more."""

    def __bool__(self) -> bool:
        return bool(self.pipelines or self.files or self.gone or self.statement)


def clean_pipeline(passages: Passages, name: str, text: str, imports: Callable[[str], bool], changed: Changed) -> str:
    """A pipeline's text without passages, so that it can still be imported where that can be."""
    before, _, _ = read_source(text)
    meant = before is not None and passages.clean(before) != before
    if not meant and not passages.stand_in(text):
        return text
    changed.pipelines.append(name)
    tries = [each for instead in (LEFT_OUT, AS_A_WORD) for each in _without(passages, text, before, instead)]
    if not imports(text):
        return tries[0]
    for each in tries:
        if imports(each):
            return each
    changed.broken.append(name)
    return tries[0]


def clean_file(
    runtime: Runtime, account_id: str, file: FileView, passages: Passages, name: str, changed: Changed
) -> Iterable[bytes] | None:
    """What a copy has of a file: its content as it is, or without passages; None where they cannot be taken out of it.

    Raises NotFound for one that went meanwhile.
    """
    if not passages or not _stands_in(runtime, account_id, file, passages):
        return stored_content(runtime, account_id, file.id)
    if file.kind == "json":
        content = b"".join(stored_content(runtime, account_id, file.id))
        pieces = _json_without(content, passages)
        changed.files += [] if pieces == [content] else [name]
        return pieces
    if file.kind in ("csv", "text"):
        encoding = str(file.facts["encoding"])
        text = codecs.decode(b"".join(stored_content(runtime, account_id, file.id)), encoding)
        cleaned = passages.clean_text(text, IN_CSV if file.kind == "csv" else LEFT_OUT)
        changed.files.append(name)
        return [codecs.encode(cleaned, encoding)]
    changed.gone.append(name)
    return None


def _without(passages: Passages, text: str, before: dict[str, JsonValue] | None, instead: str) -> list[str]:
    """A definition without passages: in its text, where that then means the same; and written anew from its meaning."""
    cleaned = passages.clean_text(text, instead)
    if before is None:
        return [cleaned]
    wanted = passages.clean(before, instead)
    after, _, _ = read_source(cleaned)
    anew = dump_definition(wanted) if isinstance(wanted, dict) else cleaned
    return [cleaned, anew] if after == wanted else [anew]


def _stands_in(runtime: Runtime, account_id: str, file: FileView, passages: Passages) -> bool:
    try:
        if file.kind == "parquet":
            return any(passages.clean(dict(row)) != row for row in file_rows(runtime, account_id, file.id))
        if file.kind == "image":
            return False  # what a picture shows is not read: an admin leaves its row out
        return passages.stand_in(file_text(runtime, account_id, file.id)) or file.kind == "json"
    except AppError:
        return False


def _json_without(content: bytes, passages: Passages) -> list[bytes]:
    """JSON, or JSON lines, without passages in its values; what reads as neither, without them in its text."""
    text = content.decode("utf-8-sig", "replace")
    for lines in (False, True):
        try:
            values = [json.loads(each) for each in (text.splitlines() if lines else [text]) if each.strip()]
        except ValueError:
            continue
        cleaned = [passages.clean(each) for each in values]
        if cleaned == values:
            return [content]
        end = "\n" if lines else ""
        return [
            f"{json.dumps(each, ensure_ascii=False, indent=None if lines else 1)}{end}".encode() for each in cleaned
        ]
    return [passages.clean_text(text).encode()]
