"""Frozen views of pipelines."""

from dataclasses import dataclass
from datetime import datetime

from core.shared.types import JsonValue


@dataclass(frozen=True, slots=True)
class DraftView:
    """The text being edited; `revision` grows with each save."""

    text: str
    revision: int
    saved_at: datetime


@dataclass(frozen=True, slots=True)
class VersionView:
    """One saved version."""

    number: int
    text: str
    definition: dict[str, JsonValue]
    created_at: datetime


@dataclass(frozen=True, slots=True)
class PipelineSummary:
    """A pipeline in a list."""

    id: str
    name: str
    description: str
    version: int
    status: str
    tags: tuple[str, ...]
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class PipelineView:
    """A pipeline with its newest version and its draft, if one is being edited."""

    id: str
    name: str
    description: str
    version: int
    status: str
    tags: tuple[str, ...]
    definition: dict[str, JsonValue]
    text: str
    draft: DraftView | None
    created_at: datetime
    updated_at: datetime
