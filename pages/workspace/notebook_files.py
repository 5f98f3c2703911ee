"""The files of a person, for the form of inputs: each act is one command or query."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.accounts.domain import Account
from core.platform.files.commands import store_file
from core.platform.files.domain import FileView
from core.platform.files.queries import find_files, list_files
from pages.ui.file_input import FileActions
from pages.ui.session import guarded

if TYPE_CHECKING:
    from core.platform.runtime import Runtime

RECENT = 20


def file_actions(runtime: Runtime, owner: Account) -> FileActions:
    """What the form may do with this person's files."""

    @guarded
    def store(name: str, content: bytes, media_type: str) -> FileView:
        return store_file(runtime, owner.id, name, content, media_type)

    return FileActions(
        store=store,
        find=lambda file_id: find_files(runtime, owner.id, [file_id]).get(file_id),
        recent=lambda: list_files(runtime, owner.id, limit=RECENT).items,
        largest=runtime.settings.file_max_mb,
        now=runtime.clock.now(),
    )
