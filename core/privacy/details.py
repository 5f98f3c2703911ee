"""What a person said with a request: sealed with their key, so that it is unreadable once their account is gone."""

from dataclasses import asdict
from typing import Any, cast

from core.platform.runtime import Runtime
from core.privacy.domain import Details
from core.privacy.models import PrivacyRequestRow
from core.privacy.postings import details_place
from core.shared.errors import AppError
from core.shared.types import JsonValue


def seal_details(runtime: Runtime, account_id: str, request_id: str, details: Details) -> bytes | None:
    """What was said, sealed; None where nothing was."""
    if details == Details():
        return None
    return runtime.vault.seal_json(account_id, details_place(request_id), cast(JsonValue, asdict(details)))


def details_of(runtime: Runtime, row: PrivacyRequestRow) -> Details:
    """What was said with a request; nothing once the key of who said it is gone."""
    if row.details is None:
        return Details()
    try:
        said = runtime.vault.open_json(row.account_id, details_place(row.id), row.details)
    except AppError as gone:
        if gone.code != "KEY_GONE":
            raise
        return Details()
    return Details(**cast(dict[str, Any], said))


def open_details(runtime: Runtime, request_id: str) -> Details:
    """The same, by the id of the request."""
    with runtime.database.read() as session:
        row = session.get_one(PrivacyRequestRow, request_id)
    return details_of(runtime, row)


def words_of(runtime: Runtime, account_id: str, place: str, sealed: bytes | None) -> str:
    """Words of a request; empty where there are none, or the key is gone."""
    if sealed is None:
        return ""
    try:
        return runtime.vault.open_text(account_id, place, sealed)
    except AppError as gone:
        if gone.code != "KEY_GONE":
            raise
        return ""
