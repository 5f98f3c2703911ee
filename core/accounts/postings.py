"""What other rooms write here within their own transaction."""

from collections.abc import Iterable

from sqlalchemy import update
from sqlalchemy.orm import Session

from core.accounts.models import SecretRow
from core.accounts.queries import secret_index
from core.platform.runtime import Runtime


def note_secrets_used(
    runtime: Runtime, session: Session, owner_id: str, pipeline_id: str | None, names: Iterable[str]
) -> None:
    """Note that a run used secrets: of each name the pipeline's own where there is one, else the one for all."""
    now = runtime.clock.now()
    for name in sorted(set(names)):
        for scope in dict.fromkeys((pipeline_id, None)):
            index = secret_index(runtime, owner_id, scope, name)
            used = (
                update(SecretRow)
                .where(SecretRow.account_id == owner_id, SecretRow.name_index == index)
                .values(last_used_at=now)
                .returning(SecretRow.id)
            )
            if session.execute(used).first() is not None:
                break
