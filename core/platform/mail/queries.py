"""Reading the outbox: what operators and checks see, without content, and the files of development."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, cast, get_args
from urllib.parse import urlsplit

from sqlalchemy import func, select

from core.platform.bounded import count_up_to
from core.platform.mail.domain import FiledMail, MailView, OutboxFigures, State, is_loopback, mask_address
from core.platform.mail.folder import FolderTransport, filed_mail, filed_mails
from core.platform.mail.models import MailRow
from core.platform.runtime import Runtime
from core.platform.vault import INSTALLATION
from core.shared.errors import AppError
from core.shared.pages import Page

STATES: tuple[State, ...] = get_args(State)
OVERDUE = timedelta(hours=1)  # P11: a mail is sent within the hour


def outbox_figures(runtime: Runtime) -> OutboxFigures:
    """Mails by state, and how many have waited for more than an hour: P11 keeps that at none. Each up to MANY."""
    overdue = (MailRow.state == "queued", MailRow.created_at < runtime.clock.now() - OVERDUE)
    with runtime.database.read() as session:
        counts = {state: count_up_to(session, select(MailRow.id).where(MailRow.state == state)) for state in STATES}
        return OutboxFigures(**counts, queued_over_an_hour=count_up_to(session, select(MailRow.id).where(*overdue)))


def outbox_waiting(runtime: Runtime) -> tuple[int, datetime | None]:
    """How many mails wait, and since when the oldest does."""
    queued = select(func.count(), func.min(MailRow.created_at)).where(MailRow.state == "queued")
    with runtime.database.read() as session:
        waiting, since = session.execute(queued).tuples().one()
    return waiting, since


def list_mails(
    runtime: Runtime, *, states: Sequence[State] = (), limit: int = 50, cursor: str | None = None
) -> Page[MailView]:
    """Mails for operators, newest first, a page at a time; without address and content.

    Each state is asked by itself: along its index each has its newest at once, and all of them together have not.
    """
    query = select(MailRow).order_by(MailRow.id.desc()).limit(limit + 1)
    if cursor:
        query = query.where(MailRow.id < cursor)
    with runtime.database.read() as session:
        asked = [query.where(MailRow.state == state) for state in states] or [query]
        found = [row for each in asked for row in session.scalars(each)]
    rows = sorted(found, key=lambda row: row.id, reverse=True)[: limit + 1]
    items = tuple(_view(row) for row in rows[:limit])
    return Page(items, items[-1].id if len(rows) > limit else None)


def recipient_hints(runtime: Runtime, mail_ids: Sequence[str]) -> dict[str, str]:
    """To whom mails go that are not sent yet, as `a…@e…`. What has ended is to nobody any more."""
    with runtime.database.read() as session:
        rows = session.scalars(select(MailRow).where(MailRow.id.in_(mail_ids), MailRow.content.is_not(None))).all()
    return {row.id: _hint(runtime, row) for row in rows}


def _hint(runtime: Runtime, row: MailRow) -> str:
    place = f"mail_outbox.content:{row.id}"
    try:
        content = runtime.vault.open_json(row.account_id or INSTALLATION, place, row.content or b"")
    except AppError:
        return ""  # its key is gone: it will be dropped
    return mask_address(str(cast(dict[str, Any], content)["to"]))


def mail_pages_open(runtime: Runtime) -> bool:
    """Whether filed mails are shown without sign-in: only in development, and only where all is on this machine."""
    settings = runtime.settings
    local = is_loopback(settings.host) and is_loopback(urlsplit(settings.public_url).hostname or "")
    return settings.env == "development" and isinstance(runtime.mail.transport, FolderTransport) and local


def list_filed_mails(runtime: Runtime, *, limit: int = 100) -> tuple[FiledMail, ...]:
    """The mails of development, newest first."""
    return filed_mails(runtime.settings.mail_dir, limit=limit)


def get_filed_mail(runtime: Runtime, mail_id: str) -> FiledMail | None:
    """One mail of development; None where there is none."""
    return filed_mail(runtime.settings.mail_dir, mail_id)


def were_written(runtime: Runtime, causes: Sequence[str]) -> frozenset[str]:
    """Those of these causes that a mail was written for, whatever became of it."""
    hashes = {runtime.vault.blind_index("mail", cause): cause for cause in causes}
    with runtime.database.read() as session:
        found = session.scalars(select(MailRow.cause).where(MailRow.cause.in_(list(hashes))))
        return frozenset(hashes[each] for each in found)


def _view(row: MailRow) -> MailView:
    return MailView(
        id=row.id,
        account_id=row.account_id,
        kind=row.kind,
        language=row.language,
        state=cast(State, row.state),
        reason=row.reason,
        attempts=row.attempts,
        created_at=row.created_at,
        next_attempt_at=row.next_attempt_at,
        ended_at=row.ended_at,
    )
