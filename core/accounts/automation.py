"""What starts runs without a person: its one switch, and the caps of API keys.

Automation is paused for a person as a whole: their schedules rest and their keys start nothing, until they resume.
"""

from datetime import datetime

from sqlalchemy import Select, select, update
from sqlalchemy.orm import Session

from core.accounts.audit import record_act
from core.accounts.models import AccountRow, ApiKeyRow
from core.platform.runtime import Runtime
from core.shared.errors import Conflict, Forbidden, InvalidInput
from core.shared.money import micros_from_credits

LARGEST_CAP = 1_000_000  # credits


def pause_automation(runtime: Runtime, account_id: str) -> datetime:
    """Pause; returns since when. Who pauses twice has paused once."""
    with runtime.database.write() as session:
        return pause(runtime, session, account_id)


def pause(runtime: Runtime, session: Session, account_id: str) -> datetime:
    """The same in the caller's transaction."""
    mine, now = AccountRow.id == account_id, runtime.clock.now()
    change = update(AccountRow).where(mine, AccountRow.automation_paused_at.is_(None)).values(automation_paused_at=now)
    if session.scalar(change.returning(AccountRow.id)) is not None:
        record_act(runtime, session, "automation.paused", actor_id=account_id, subject_id=account_id)
    return session.scalars(select(AccountRow.automation_paused_at).where(mine)).one() or now


def resume_automation(runtime: Runtime, account_id: str) -> None:
    """Go on. What schedules missed meanwhile, each deals with as it says."""
    with runtime.database.write() as session:
        paused = (AccountRow.id == account_id, AccountRow.automation_paused_at.is_not(None))
        resume = update(AccountRow).where(*paused).values(automation_paused_at=None)
        if session.scalar(resume.returning(AccountRow.id)) is not None:
            record_act(runtime, session, "automation.resumed", actor_id=account_id, subject_id=account_id)


def automation_paused_at(runtime: Runtime, account_id: str) -> datetime | None:
    """Since when a person's automation is paused; None while it is not."""
    with runtime.database.read() as session:
        return session.scalar(select(AccountRow.automation_paused_at).where(AccountRow.id == account_id))


def paused_accounts() -> Select[str]:
    """The ids of those who paused, for a condition of another room's query."""
    return select(AccountRow.id).where(AccountRow.automation_paused_at.is_not(None))


def check_not_paused(session: Session, account_id: str) -> None:
    """In the transaction that makes a run: raises Conflict AUTOMATION_PAUSED.

    The row stays locked against the switch until that transaction ends: after the switch nothing is on its way.
    """
    mine = select(AccountRow.automation_paused_at).where(AccountRow.id == account_id)
    if session.scalar(mine.with_for_update(read=True)) is not None:
        raise Conflict(
            "AUTOMATION_PAUSED",
            "Automation is paused for this account: no run was started. Resume it in the app under Schedules or API "
            "keys, or with POST /api/user/automation/resume; then send this again.",
        )


def set_key_cap(runtime: Runtime, owner_id: str, key_id: str, max_micros: int | None) -> None:
    """Let a key spend so much in a calendar month (UTC); None: no cap. Nothing happens where there is no such key."""
    mine = (ApiKeyRow.id == key_id, ApiKeyRow.account_id == owner_id)
    with runtime.database.write() as session:
        change = update(ApiKeyRow).where(*mine).values(max_micros_per_month=max_micros)
        if session.scalar(change.returning(ApiKeyRow.id)) is not None:
            record_act(runtime, session, "api_key.cap_changed", actor_id=owner_id, subject_id=key_id, micros=max_micros)


def lock_key_cap(session: Session, owner_id: str, key_id: str) -> int | None:
    """A key's cap, its row locked until the caller's transaction ends. Raises Forbidden (401) for one that is gone."""
    mine = select(ApiKeyRow).where(ApiKeyRow.id == key_id, ApiKeyRow.account_id == owner_id)
    row = session.scalar(mine.with_for_update())
    if row is None:
        raise Forbidden("UNAUTHENTICATED", "This API key does not exist any more. Make one under API keys.")
    return row.max_micros_per_month


def cap_micros(credits: float | None) -> int | None:
    """A cap in micro-credits. Raises InvalidInput for what is no amount of credits."""
    if credits is None:
        return None
    if not 0 <= credits <= LARGEST_CAP:
        message = f"Enter a number of credits between 0 and {LARGEST_CAP:,}, or none for no cap."
        raise InvalidInput("INVALID_CAP", message, field="max_credits_per_month")
    return micros_from_credits(str(credits))
