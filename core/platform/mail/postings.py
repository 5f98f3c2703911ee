"""Deciding on a mail, in the transaction of what causes it: both are kept, or neither."""

from collections.abc import Mapping

from sqlalchemy import event, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from core.platform.mail.domain import KINDS, LANGUAGES, LONGEST_VALUE, TRIAL_HOST, clean_recipient
from core.platform.mail.models import MailRow
from core.platform.runtime import Runtime
from core.platform.vault import INSTALLATION
from core.shared.errors import InvalidInput, InvariantViolated
from core.shared.types import JsonValue


def enqueue_mail(
    runtime: Runtime,
    session: Session,
    *,
    kind: str,
    to: str,
    values: Mapping[str, str],
    cause: str,
    account_id: str | None = None,
    language: str = "en",
) -> bool:
    """Write a mail into the caller's transaction; it is sent after the commit, soon.

    `cause` says what it is for (`run_failed:<run id>`): one cause is mailed once, and a second call answers False, as
    does one for an address that is nobody's.
    `values` are exactly those of the kind; each whose name ends in `_url` is an address of this installation.
    Address and content are sealed with the account's key, for a person without account with the installation's.
    Raises InvalidInput for what is no address.
    """
    if kind not in KINDS or language not in LANGUAGES or set(values) != KINDS[kind].values:
        raise InvariantViolated("MAIL_KIND", f"A mail {kind}/{language} does not have these values.")
    for name, value in values.items():
        if name.endswith("_url") and not value.startswith(runtime.mail.site_url + "/"):
            raise InvariantViolated("MAIL_LINK", f"The {name} of a mail {kind} leads elsewhere.")
    try:
        recipient = clean_recipient(to)
    except ValueError:
        raise InvalidInput("INVALID_EMAIL", "Enter an e-mail address such as name@example.org.", field="to") from None
    if recipient.endswith("@" + TRIAL_HOST):
        return False
    cause_hash = runtime.vault.blind_index("mail", cause)  # makes the installation's key where it is missing
    mail_id, now = runtime.ids.new(), runtime.clock.now()
    content: JsonValue = {
        "to": recipient,
        "values": {name: _clean(value) for name, value in values.items()},
        "cut": any(len(value) > LONGEST_VALUE for value in values.values()),
    }
    insert = sqlite.insert if runtime.database.is_sqlite else postgresql.insert
    statement = insert(MailRow).values(
        id=mail_id,
        account_id=account_id,
        cause=cause_hash,
        kind=kind,
        language=language,
        content=runtime.vault.seal_json(account_id or INSTALLATION, f"mail_outbox.content:{mail_id}", content),
        state="queued",
        attempts=0,
        created_at=now,
        next_attempt_at=now,
        expires_at=now + KINDS[kind].useful_for,
    )
    # The row count of such a statement is not told by every driver; what it returns is.
    written = session.scalar(statement.on_conflict_do_nothing(index_elements=["cause"]).returning(MailRow.id))
    if written is None:
        return False
    event.listen(session, "after_commit", lambda _session: runtime.mail.enqueued(), once=True)
    return True


def try_mail_now(runtime: Runtime, session: Session, mail_id: str) -> str | None:
    """Have a queued mail tried at the next look, in the caller's transaction; answers its kind, None for another."""
    queued = (MailRow.id == mail_id, MailRow.state == "queued")
    soon = update(MailRow).where(*queued).values(next_attempt_at=runtime.clock.now()).returning(MailRow.kind)
    event.listen(session, "after_commit", lambda _session: runtime.mail.enqueued(), once=True)
    return session.scalar(soon)


def drop_mail(runtime: Runtime, session: Session, mail_id: str) -> str | None:
    """Let a queued mail never be sent and forget what it says; answers its kind, None for one that has ended.

    A process that is sending it at this moment may still do so: its record finds nothing.
    """
    over = {"state": "dropped", "reason": "by_hand", "content": None, "ended_at": runtime.clock.now()}
    queued = (MailRow.id == mail_id, MailRow.state == "queued")
    return session.scalar(update(MailRow).where(*queued).values(over).returning(MailRow.kind))


def _clean(value: str) -> str:
    # What is no text (half of a surrogate pair) cannot be sealed or sent.
    return value[:LONGEST_VALUE].encode("utf-8", "replace").decode()
