"""What a person may change about themselves at once: name, language, the confirm limit, whose keys, masking."""

from sqlalchemy import update

from core.accounts.domain import Account, clean_funding, clean_language, clean_name, clean_screening, confirm_limit
from core.accounts.models import AccountRow
from core.accounts.queries import get_account
from core.platform.runtime import Runtime


def update_profile(
    runtime: Runtime,
    owner_id: str,
    *,
    name: str | None = None,
    language: str | None = None,
    confirm_above_credits: float | None = None,
    funding: str | None = None,
    personal_data: str | None = None,
) -> Account:
    """Change what is given; an empty name takes it away. Raises InvalidInput, and changes nothing then."""
    values: dict[str, object] = {}
    if name is not None:
        shown = clean_name(name)
        values["name"] = runtime.vault.seal_text(owner_id, f"accounts.name:{owner_id}", shown) if shown else None
    if language is not None:
        values["language"] = clean_language(language)
    if confirm_above_credits is not None:
        values["confirm_above_micros"] = confirm_limit(confirm_above_credits)
    if funding is not None:
        values["funding"] = clean_funding(funding)
    if personal_data is not None:
        values["personal_data"] = clean_screening(personal_data)
    if values:
        with runtime.database.write() as session:
            session.execute(update(AccountRow).where(AccountRow.id == owner_id).values(values))
    return get_account(runtime, owner_id)
