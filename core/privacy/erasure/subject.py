"""What an erasure has to know of its person after everything of theirs is gone: whom to look for, whom to tell.

Sealed with a key of the request's own, which is destroyed when the erasure has ended. So it outlives the person's key,
and what is left of it in old pages of the database opens no more than the rest.
"""

from dataclasses import asdict, dataclass, replace
from typing import Any, cast

from sqlalchemy import select, update

from core.accounts.closing import identity_of
from core.credits.payments.queries import customer_id_of
from core.platform.runtime import Runtime
from core.privacy.erasure.models import ErasureRow

SHORTEST = 8
"""A name of fewer characters is found everywhere by chance, and is not looked for by itself."""


@dataclass(frozen=True, slots=True)
class Subject:
    """The person of an erasure; empty where an earlier one left nothing to read."""

    address: str = ""
    name: str = ""
    language: str = "en"
    customer_id: str | None = None
    address_index: bytes | None = None

    @property
    def values(self) -> tuple[str, ...]:
        """What a scan looks for."""
        return tuple(value for value in (self.address, self.name) if len(value) >= SHORTEST)


def keep_subject(runtime: Runtime, request_id: str, account_id: str) -> None:
    """Read what will be needed, and seal it; nothing where that was done."""
    with runtime.database.read() as session:
        known = session.scalar(select(ErasureRow.subject).where(ErasureRow.request_id == request_id))
    if known is not None:
        return
    address, name, language = identity_of(runtime, account_id)
    subject = Subject(address, name, language, customer_id_of(runtime, account_id))
    runtime.vault.adopt(request_id)
    facts = {key: value for key, value in asdict(subject).items() if key != "address_index"}
    sealed = runtime.vault.seal_json(request_id, _where(request_id), facts)
    mine = (ErasureRow.request_id == request_id, ErasureRow.subject.is_(None))
    with runtime.database.write() as session:
        session.execute(update(ErasureRow).where(*mine).values(subject=sealed))


def subject_of(runtime: Runtime, request_id: str) -> Subject:
    """The person of an erasure under way."""
    with runtime.database.read() as session:
        row = session.get_one(ErasureRow, request_id)
    if row.subject is None:
        return Subject(address_index=row.address_index)
    facts = cast(dict[str, Any], runtime.vault.open_json(request_id, _where(request_id), row.subject))
    return replace(Subject(**facts), address_index=row.address_index)


def forget_subject(runtime: Runtime, request_id: str) -> None:
    """Let go of it for good."""
    with runtime.database.write() as session:
        mine = update(ErasureRow).where(ErasureRow.request_id == request_id)
        session.execute(mine.values(subject=None, address_index=None))
    runtime.vault.forget(request_id)


def _where(request_id: str) -> str:
    return f"erasures.subject:{request_id}"
