"""A person's choices: kept as rows that are never changed, so that each can be proven."""

from collections.abc import Mapping
from typing import cast

from sqlalchemy import select
from sqlalchemy.orm import Session

from core.accounts.consent_models import ConsentRow
from core.accounts.consent_rules import (
    PURPOSES,
    Choice,
    ConsentState,
    Purpose,
    Source,
    clean_purpose,
    current_text,
    state_of,
)
from core.accounts.postings import lock_person
from core.platform.runtime import Runtime
from core.shared.errors import Conflict

ANALYTICS: Purpose = "device_analytics"


def uses_device_analytics(runtime: Runtime) -> bool:
    """Whether anything here would use that consent: without it nobody is asked."""
    return bool(runtime.settings.posthog_api_key)


def consent_states(runtime: Runtime, account_id: str) -> dict[Purpose, ConsentState]:
    """How a person stands to each purpose now."""
    choices, now = list_choices(runtime, account_id), runtime.clock.now()
    return {purpose: state_of(purpose, choices, now) for purpose in PURPOSES}


def list_choices(runtime: Runtime, account_id: str) -> tuple[Choice, ...]:
    """Every choice a person ever made, newest first."""
    with runtime.database.read() as session:
        return _choices(session, account_id)


def choose(
    runtime: Runtime, account_id: str, choices: Mapping[str, bool], *, source: Source, signal: bool = False
) -> dict[Purpose, ConsentState]:
    """Record choices by purpose, each with the text that is shown now. The same again counts anew.

    `signal`: the browser sends Global Privacy Control. Raises InvalidInput for a purpose there is not; Conflict
    GPC_SIGNAL where the browser says no and the person yes to measuring: the browser's no stands.
    """
    wanted = {clean_purpose(name): granted for name, granted in choices.items()}
    if signal and wanted.get(ANALYTICS):
        raise Conflict(
            "GPC_SIGNAL",
            "Your browser sends the signal Global Privacy Control, which counts as a no. Nothing was changed. "
            "Switch the signal off for this site first if you want to be measured.",
        )
    with runtime.database.write() as session:
        lock_person(session, account_id)
        for purpose, granted in wanted.items():
            _add(runtime, session, account_id, purpose, granted, source)
    return consent_states(runtime, account_id)


def take_over(runtime: Runtime, account_id: str, choice: Choice) -> None:
    """Keep a choice that was made in a browser before signing in, unless a newer one is known."""
    if choice.chosen_at > runtime.clock.now():
        return
    with runtime.database.write() as session:
        lock_person(session, account_id)
        known = [each for each in _choices(session, account_id) if each.purpose == choice.purpose]
        if known and known[0].chosen_at >= choice.chosen_at:
            return
        row = ConsentRow(
            id=runtime.ids.new(),
            account_id=account_id,
            purpose=choice.purpose,
            granted=choice.granted,
            text_version=choice.text_version,
            source=choice.source,
            chosen_at=choice.chosen_at,
        )
        session.add(row)


def note_signal(runtime: Runtime, account_id: str) -> None:
    """Record the no of a browser that sends Global Privacy Control; nothing where a no of it counts already."""
    state = consent_states(runtime, account_id)[ANALYTICS]
    if state.stand == "refused":
        return
    with runtime.database.write() as session:
        lock_person(session, account_id)
        _add(runtime, session, account_id, ANALYTICS, False, "signal")


def _add(runtime: Runtime, session: Session, account_id: str, purpose: Purpose, granted: bool, source: Source) -> None:
    row = ConsentRow(
        id=runtime.ids.new(),
        account_id=account_id,
        purpose=purpose,
        granted=granted,
        text_version=current_text(purpose).version,
        source=source,
        chosen_at=runtime.clock.now(),
    )
    session.add(row)


def _choices(session: Session, account_id: str) -> tuple[Choice, ...]:
    mine = select(ConsentRow).where(ConsentRow.account_id == account_id)
    rows = session.scalars(mine.order_by(ConsentRow.chosen_at.desc(), ConsentRow.id.desc()))
    return tuple(
        Choice(
            clean_purpose(row.purpose), row.granted, row.text_version, cast(Source, row.source), row.chosen_at
        )
        for row in rows
    )  # fmt: skip
