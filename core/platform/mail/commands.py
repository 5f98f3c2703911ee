"""Sending what is due, and forgetting a person's mails.

Claim, send, record: the claim and the record are transactions of their own, and no transaction is open while a
server is spoken to. A crash between sending and recording sends a mail again, under the same Message-ID.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.message import EmailMessage
from random import SystemRandom
from typing import Any, cast

from jinja2 import TemplateError
from sqlalchemy import ColumnElement, delete, or_, select, update
from sqlalchemy.engine import CursorResult

from core.platform.logging import get_logger
from core.platform.mail.domain import MAX_ATTEMPTS, State, clean_recipient, retry_delay
from core.platform.mail.folder import delete_filed, delete_older
from core.platform.mail.message import build_message
from core.platform.mail.models import MailRow
from core.platform.mail.rendering import render
from core.platform.mail.transports import MailSession, SendFailure
from core.platform.runtime import Runtime
from core.platform.vault import INSTALLATION
from core.shared.errors import AppError

ERASED_AT_ONCE = 1_000
LEASE = timedelta(minutes=3)  # longer than a transport may take for one mail

log = get_logger("mail")
chance = SystemRandom()


@dataclass(frozen=True, slots=True)
class Claim:
    """A mail in the hands of one process, until its lease ends."""

    id: str
    account_id: str | None
    kind: str
    language: str
    content: bytes
    attempt: int
    created_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a try. `everywhere`: no other mail would fare better now."""

    state: State
    reason: str | None = None
    everywhere: bool = False


def send_due(runtime: Runtime, limit: int = 200) -> int:
    """Send the mails whose time has come, oldest first, at most `limit`; returns how many were sent.

    Any number of processes may do so at once: no two have the same mail. Ends early when the server cannot be used.
    """
    transport = runtime.mail.transport
    if not has_due(runtime):
        return 0
    if transport is None:
        _drop_expired(runtime)
        return 0
    sent = 0
    with transport.session() as session:
        for _ in range(limit):
            claim = None if runtime.mail.is_stopping else _claim(runtime)
            if claim is None:
                break
            outcome = _try(runtime, session, claim)
            _record(runtime, claim, outcome)
            sent += outcome.state == "sent"
            if outcome.everywhere:
                break
    return sent


def has_due(runtime: Runtime) -> bool:
    """Whether there is something to send, or without a server something that has waited too long."""
    now = runtime.clock.now()
    late = () if runtime.mail.transport is not None else (MailRow.expires_at <= now,)
    # A read first: most ticks find nothing, and should not queue for the right to write.
    with runtime.database.read() as session:
        return session.scalar(select(MailRow.id).where(*_due(now), *late).limit(1)) is not None


def erase_mails(
    runtime: Runtime, *, account_id: str, address: str | None = None, between: Callable[[], None] = lambda: None
) -> int:
    """Delete every mail of an account, sent or not, and the files of those that were filed; returns how many rows.

    A batch is one transaction, and `between` is called after each.

    `address` also finds what was written to it before it had an account. A mail that a process is sending at this
    moment may still arrive; its row is gone, and the process records nothing.
    """
    recipient = clean_recipient(address).casefold() if address else None
    theirs: list[ColumnElement[bool]] = [MailRow.account_id == account_id]
    if recipient:
        nobodys = select(MailRow).where(MailRow.account_id.is_(None), MailRow.state == "queued")
        with runtime.database.read() as session:
            queued = session.scalars(nobodys.execution_options(yield_per=ERASED_AT_ONCE))
            earlier = [row.id for row in queued if _address_of(runtime, row).casefold() == recipient]
        theirs.append(MailRow.id.in_(earlier))
    erased = 0
    for mine in theirs:
        while True:
            with runtime.database.read() as session:
                ids = session.scalars(select(MailRow.id).where(mine).limit(ERASED_AT_ONCE)).all()
            # The files first: their names are the ids, which are known from the rows alone.
            delete_filed(runtime.settings.mail_dir, frozenset(ids), None)
            with runtime.database.write() as session:
                done = session.execute(delete(MailRow).where(MailRow.id.in_(ids)))
            erased += cast(CursorResult[Any], done).rowcount
            between()
            if len(ids) < ERASED_AT_ONCE:
                break
    delete_filed(runtime.settings.mail_dir, frozenset(), recipient)
    return erased


def delete_old_filed(runtime: Runtime, *, before: datetime) -> int:
    """Delete the files of mails that were written before a moment, where no server sends them; returns how many."""
    return delete_older(runtime.settings.mail_dir, before)


def _due(now: datetime) -> tuple[ColumnElement[bool], ...]:
    free = or_(MailRow.lease_until.is_(None), MailRow.lease_until < now)
    return MailRow.state == "queued", MailRow.next_attempt_at <= now, free


def _drop_expired(runtime: Runtime) -> None:
    now = runtime.clock.now()
    over = {"state": "dropped", "reason": "expired", "content": None, "ended_at": now}
    with runtime.database.write() as session:
        session.execute(update(MailRow).where(*_due(now), MailRow.expires_at <= now).values(over))


def _claim(runtime: Runtime) -> Claim | None:
    now = runtime.clock.now()
    oldest = select(MailRow).where(*_due(now)).order_by(MailRow.next_attempt_at, MailRow.id).limit(1)
    with runtime.database.write() as session:
        # SQLite has one writer at a time; PostgreSQL passes over rows that another process is claiming.
        row = session.scalar(oldest.with_for_update(skip_locked=True))
        if row is None or row.content is None:
            return None
        row.attempts += 1
        row.lease_until = now + LEASE
        return Claim(
            row.id,
            row.account_id,
            row.kind,
            row.language,
            row.content,
            row.attempts,
            row.created_at,
            row.expires_at,
        )


def _try(runtime: Runtime, session: MailSession, claim: Claim) -> Outcome:
    if claim.expires_at <= runtime.clock.now():
        return Outcome("dropped", "expired")
    if claim.attempt > MAX_ATTEMPTS:
        return Outcome("failed", "process_died")  # every try ended without a record
    try:
        message = _message(runtime, claim)
    except AppError as error:
        if error.code == "KEY_GONE":
            return Outcome("dropped", "key_gone")
        if error.code == "SEAL_BROKEN":
            return Outcome("failed", "seal_broken")
        raise
    except (TemplateError, ValueError):
        return Outcome("failed", "not_renderable")
    try:
        session.send(claim.id, message)
    except SendFailure as failure:
        over = failure.permanent or claim.attempt == MAX_ATTEMPTS
        return Outcome("failed" if over else "queued", failure.reason, failure.everywhere)
    return Outcome("sent")


def _message(runtime: Runtime, claim: Claim) -> EmailMessage:
    where = f"mail_outbox.content:{claim.id}"
    content = cast(dict[str, Any], runtime.vault.open_json(claim.account_id or INSTALLATION, where, claim.content))
    mail = runtime.mail
    rendered = render(claim.kind, claim.language, content["values"], cut=content["cut"], site_url=mail.site_url)
    return build_message(
        rendered,
        mail_id=claim.id,
        host=mail.host,
        sender=mail.sender,
        to=content["to"],
        language=claim.language,
        date=claim.created_at,
    )


def _record(runtime: Runtime, claim: Claim, outcome: Outcome) -> None:
    now = runtime.clock.now()
    values: dict[str, Any] = {"state": outcome.state, "reason": outcome.reason, "lease_until": None}
    if outcome.state == "queued":
        values["next_attempt_at"] = now + retry_delay(claim.attempt, chance.random())
    else:
        values |= {"content": None, "ended_at": now}
    with runtime.database.write() as session:
        held = (MailRow.id == claim.id, MailRow.state == "queued", MailRow.attempts == claim.attempt)
        done = session.execute(update(MailRow).where(*held).values(values))
    known = cast(CursorResult[Any], done).rowcount == 1
    level = log.info if outcome.state in ("sent", "dropped") else log.warning
    event = f"mail.{'deferred' if outcome.state == 'queued' else outcome.state}" if known else "mail.lost_claim"
    level(event, mail=claim.id, kind=claim.kind, attempt=claim.attempt, reason=outcome.reason)


def _address_of(runtime: Runtime, row: MailRow) -> str:
    content = runtime.vault.open_json(INSTALLATION, f"mail_outbox.content:{row.id}", row.content or b"")
    return str(cast(dict[str, Any], content)["to"])
