"""Telling people about a version before it counts, by mail and in the app, and that one was taken back.

Mails are written a few hundred at a time, each batch in a transaction of its own, so that an installation with many
people goes on working meanwhile. A batch that is cut is taken up again; nobody is mailed twice.
"""

from datetime import datetime

from sqlalchemy import ColumnElement, Exists, Select, exists, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from core.accounts.letters import tell
from core.accounts.queries import account_of, people_made_before
from core.platform.logging import get_logger
from core.platform.runtime import Runtime
from core.privacy.policies.domain import Document, PolicyVersion
from core.privacy.policies.models import PolicyNoticeRow, PolicyVersionRow
from core.privacy.policies.queries import announced_version, version_view
from core.shared.errors import AppError

BATCH = 200
PATHS: dict[Document, str] = {"privacy": "/privacy/policy", "terms": "/terms"}
CHANGES: dict[Document, str] = {"privacy": "policy_change", "terms": "terms_change"}
WITHDRAWN: dict[Document, str] = {"privacy": "policy_withdrawn", "terms": "terms_withdrawn"}

log = get_logger("privacy")


def has_notices(runtime: Runtime, _now: datetime) -> bool:
    """Whether somebody is still to be told about a version, or that one was taken back."""
    with runtime.database.read() as session:
        announced = list(session.scalars(_announced(runtime.clock.now())))
        if any(session.scalar(_not_told(row).limit(1)) is not None for row in announced):
            return True
        return session.scalar(_not_retracted().limit(1)) is not None


def send_notices(runtime: Runtime) -> int:
    """Tell everybody who is still to be told; returns how many mails were written."""
    with runtime.database.read() as session:
        announced = [version_view(row) for row in session.scalars(_announced(runtime.clock.now()))]
    written = 0
    for version in announced:
        while (done := _tell_batch(runtime, version)) is not None:
            written += done
    while (done := _retract_batch(runtime)) is not None:
        written += done
    return written


def note_shown(runtime: Runtime, account_id: str, version: PolicyVersion) -> bool:
    """Record that the app shows a person the notice of a version; answers False where they put it away."""
    with runtime.database.read() as session:
        row = session.get(PolicyNoticeRow, (account_id, version.id))
    if row is not None and row.dismissed_at is not None:
        return False
    if row is None or row.seen_at is None:
        _write(runtime, account_id, version.id, "seen_at")
    return True


def put_away(runtime: Runtime, account_id: str, version_id: str) -> None:
    """Record that a person put the notice of a version away: the app shows it no more."""
    _write(runtime, account_id, version_id, "dismissed_at")


def versions_to_show(runtime: Runtime, created_at: datetime) -> tuple[PolicyVersion, ...]:
    """The announced versions that a person who has had an account since then is to be shown."""
    found = (announced_version(runtime, document) for document in PATHS)
    return tuple(version for version in found if version is not None and created_at < version.effective_at)


def policy_path(version: PolicyVersion) -> str:
    """Where a version can be read."""
    return f"{PATHS[version.document]}/{version.version}"


def _announced(now: datetime) -> Select[PolicyVersionRow]:
    return select(PolicyVersionRow).where(
        PolicyVersionRow.state == "published", PolicyVersionRow.shipped.is_(False), PolicyVersionRow.effective_at > now
    )


def _not_told(version: PolicyVersionRow | PolicyVersion) -> Select[str]:
    people = people_made_before(version.effective_at).subquery()
    return select(people.c.id).where(~_passed(version.id, people.c.id)).order_by(people.c.id)


def _passed(version_id: str, account_id: ColumnElement[str]) -> Exists:
    return exists().where(
        PolicyNoticeRow.version_id == version_id,
        PolicyNoticeRow.account_id == account_id,
        PolicyNoticeRow.passed_at.is_not(None),
    )


def _not_retracted() -> Select[str, str]:
    return (
        select(PolicyNoticeRow.account_id, PolicyNoticeRow.version_id)
        .join(PolicyVersionRow, PolicyVersionRow.id == PolicyNoticeRow.version_id)
        .where(
            PolicyVersionRow.state == "withdrawn",
            PolicyNoticeRow.mailed_at.is_not(None),
            PolicyNoticeRow.retracted_at.is_(None),
        )
        .order_by(PolicyNoticeRow.version_id, PolicyNoticeRow.account_id)
    )


def _tell_batch(runtime: Runtime, version: PolicyVersion) -> int | None:
    """How many mails the next batch is; None where nobody is left, or the version was taken back meanwhile."""
    now = runtime.clock.now()
    values = {
        "effective": f"{version.effective_at:%Y-%m-%d}",
        "summary": version.summary,
        "policy_url": runtime.settings.public_url + policy_path(version),
    }
    mailed = 0
    with runtime.database.write() as session:
        # Who takes it back waits for this batch, and this batch for who takes it back.
        mine = select(PolicyVersionRow).where(PolicyVersionRow.id == version.id).with_for_update(read=True)
        row = session.scalar(mine)
        if row is None or row.state != "published" or row.effective_at <= now:
            return None
        people = session.scalars(_not_told(version).limit(BATCH)).all()
        for account_id in people:
            cause = f"policy:{version.id}:{account_id}"
            told = _mail(runtime, session, account_id, CHANGES[version.document], values, cause)
            _mark(runtime, session, account_id, version.id, {"passed_at": now} | ({"mailed_at": now} if told else {}))
            mailed += told
    return mailed if people else None


def _retract_batch(runtime: Runtime) -> int | None:
    now, mailed = runtime.clock.now(), 0
    with runtime.database.write() as session:
        pairs = session.execute(_not_retracted().limit(BATCH)).tuples().all()
        versions = {each: session.get_one(PolicyVersionRow, each) for each in {version for _, version in pairs}}
        for account_id, version_id in pairs:
            version = version_view(versions[version_id])
            values = {
                "effective": f"{version.effective_at:%Y-%m-%d}",
                "policy_url": runtime.settings.public_url + PATHS[version.document],
            }
            cause = f"policy_withdrawn:{version_id}:{account_id}"
            mailed += _mail(runtime, session, account_id, WITHDRAWN[version.document], values, cause)
            mine = (PolicyNoticeRow.account_id == account_id, PolicyNoticeRow.version_id == version_id)
            session.execute(update(PolicyNoticeRow).where(*mine).values(retracted_at=now))
    return mailed if pairs else None


def _mail(runtime: Runtime, session: Session, account_id: str, kind: str, values: dict[str, str], cause: str) -> bool:
    """Whether a mail could be written: who has no address, or no key any more, is shown the notice in the app only."""
    try:
        account = account_of(runtime, session, account_id)
        if not account.email:
            return False
        tell(runtime, session, account, kind, values, cause=cause)
    except AppError as error:
        log.warning("policy.not_mailed", account_id=account_id, code=error.code)
        return False
    return True


def _write(runtime: Runtime, account_id: str, version_id: str, field: str) -> None:
    with runtime.database.write() as session:
        _mark(runtime, session, account_id, version_id, {field: runtime.clock.now()})


def _mark(runtime: Runtime, session: Session, account_id: str, version_id: str, values: dict[str, datetime]) -> None:
    insert = sqlite.insert if runtime.database.is_sqlite else postgresql.insert
    row = insert(PolicyNoticeRow).values(account_id=account_id, version_id=version_id, **values)
    session.execute(row.on_conflict_do_update(index_elements=["account_id", "version_id"], set_=values))
