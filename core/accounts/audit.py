"""The audit log: what was done that matters, by whom, to what; opaque ids only.

Every row's hash is an HMAC, under a key of the installation, of the row and of the hash before it. Who can write
to the database but has no key cannot alter, drop or reorder rows without `verify_audit` finding the place. The end
has a seal of its own, so rows cannot be cut off it either; an older end could be put back together with the rows it
fits, which shows against the marks that a job writes into the log of the process every day. What an erasure takes
away (who an id was) is in no row, so the chain survives it.
"""

import hmac
import json
from typing import NamedTuple

from sqlalchemy import func, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from core.accounts.domain import AuditProof, AuditView
from core.accounts.models import AuditHead, AuditRow
from core.accounts.queries import people_exist
from core.platform.runtime import Runtime
from core.shared.clock import iso_z
from core.shared.errors import InvariantViolated
from core.shared.pages import Page

ACTS = {
    "account.made": "Account made",
    "account.invited": "Somebody invited",
    "account.invitation_revoked": "Invitation taken back",
    "account.roles_changed": "Roles changed",
    "account.address_changed": "Address changed",
    "account.address_restored": "Change of address taken back",
    "account.suspended": "Account suspended",
    "account.suspension_ended": "Suspension of an account ended",
    "account.deletion_asked": "Deletion asked for",
    "account.deletion_withdrawn": "Deletion taken back",
    "account.erasure_began": "Deletion of an account began",
    "account.erased": "Account deleted",
    "privacy.asked": "Right used",
    "privacy.entered": "Request of a letter or mail entered",
    "privacy.withdrawn": "Request taken back",
    "privacy.identity_noted": "Identity of who asked noted",
    "privacy.decided": "Request decided",
    "privacy.decision_dropped": "Decision taken back before it was signed twice",
    "privacy.signed_second": "Decision signed a second time",
    "privacy.extended": "Request extended",
    "privacy.revealed": "Name and address of who asked shown",
    "privacy.left_out": "Words of others left out of a copy",
    "privacy.restricted": "Use of data restricted",
    "privacy.lifting_announced": "End of a restriction announced",
    "privacy.restriction_ended": "Restriction ended",
    "privacy.objected": "Objected to analytics and news",
    "privacy.objection_ended": "Analytics and news allowed again",
    "content.look_opened": "Content of a person opened to an admin, for a reason",
    "content.looked_at": "Content of a person looked at by an admin",
    "content.look_ended": "Content of a person closed again",
    "session.ended_everywhere": "Signed out everywhere",
    "password.changed": "Password changed",
    "password.reset": "Password set anew by a mailed link",
    "password.set": "Password set by an operator",
    "second_factor.on": "Second factor switched on",
    "second_factor.off": "Second factor switched off",
    "second_factor.recovery_used": "Recovery code used",
    "second_factor.codes_made": "Recovery codes made anew",
    "api_key.made": "API key made",
    "api_key.deleted": "API key deleted",
    "api_key.cap_changed": "Cap of an API key changed",
    "automation.paused": "Automation paused",
    "automation.resumed": "Automation resumed",
    "own_key.saved": "Vendor key saved",
    "own_key.deleted": "Vendor key deleted",
    "secret.saved": "Secret saved",
    "secret.deleted": "Secret deleted",
    "credits.set": "Credits set by an operator",
    "credits.granted": "Credits given by an admin",
    "runs.stopped": "Runs of a person stopped by an admin",
    "plan.changed": "Plan changed",
    "plan.announced": "Plan announced from a later day",
    "plan.announcement_withdrawn": "Announced plan taken back",
    "payment.refunded": "Money given back",
    "discount.made": "Discount code made",
    "discount.ended": "Discount code taken back",
    "policy.published": "Policy published",
    "policy.taken_back": "Policy taken back before it counted",
    "analytics.queried": "Usage asked in the SQL console",
    "promises.checked": "Promises checked by hand",
    "job.started_by_hand": "Job started by hand",
    "mail.tried_again": "Mail tried again by hand",
    "mail.dropped": "Mail dropped by hand",
    "copy.fetched": "Copy of one's data fetched",
    "hold.placed": "Legal hold placed",
    "hold.signed": "Legal hold signed a second time",
    "hold.lifted": "Legal hold lifted",
    "hold.lapsed": "Legal hold lapsed",
    "hold.read": "What a legal hold keeps shown",
    "hold.released": "What a legal hold kept is gone",
}
"""Every act there is, in words."""
START = b"\0" * 32
HEAD = 1


_HEAD = select(AuditHead.seq, AuditHead.hash).where(AuditHead.id == HEAD)


class _Chained(NamedTuple):
    seq: int
    at: str
    actor_id: str | None
    act: str
    subject_id: str | None
    details: str


def record_act(
    runtime: Runtime,
    session: Session,
    act: str,
    *,
    actor_id: str | None,
    subject_id: str | None = None,
    **details: str | int | bool | None,
) -> None:
    """Write an act into the caller's transaction. `details` hold ids and declared words, nothing personal.

    `actor_id` is None for the system and the command line. Acts are written one after the other: call it last.
    """
    if act not in ACTS:
        raise InvariantViolated("AUDIT_ACT", f"There is no act {act}.")
    insert = sqlite.insert if runtime.database.is_sqlite else postgresql.insert
    begin = insert(AuditHead).values(id=HEAD, seq=0, hash=START)
    session.execute(begin.on_conflict_do_nothing(index_elements=["id"]))
    head = session.execute(_HEAD.with_for_update()).one()
    at = runtime.clock.now()
    chained = _Chained(head.seq + 1, iso_z(at), actor_id, act, subject_id, json.dumps(details, sort_keys=True))
    before = START
    if head.seq:
        before = session.scalar(select(AuditRow.hash).where(AuditRow.seq == head.seq)) or START
    digest = _digest(runtime, before, chained)
    session.add(AuditRow(**{**chained._asdict(), "at": at}, hash=digest))
    mark = _seal_head(runtime, chained.seq, digest)
    session.execute(update(AuditHead).where(AuditHead.id == HEAD).values(seq=chained.seq, hash=mark))


def verify_audit(runtime: Runtime) -> AuditProof:
    """Walk the whole log and prove that nothing in it was altered, taken out or moved."""
    before, count = START, 0
    problems: list[str] = []
    with runtime.database.read() as session:
        end = session.execute(_HEAD).one_or_none()
        total = end.seq if end else 0
        for row in session.scalars(select(AuditRow).where(AuditRow.seq <= total).order_by(AuditRow.seq)).yield_per(
            1000
        ):
            count += 1
            if row.seq != count or not hmac.compare_digest(_digest(runtime, before, _chained(row)), row.hash):
                problems.append(f"Row {row.seq} does not follow from the row before it.")
                count = row.seq
            before = row.hash
        if end is not None and total and not hmac.compare_digest(_seal_head(runtime, count, before), end.hash):
            problems.append(f"The log should end with row {end.seq}, and ends with row {count}.")
        if not total and people_exist(session):
            problems.append(
                "The log is empty although there are people: their accounts were logged when they were made."
            )
        now = session.execute(_HEAD).one_or_none()  # what was written meanwhile is not too much
        beyond = select(func.count()).select_from(AuditRow).where(AuditRow.seq > (now.seq if now else 0))
        if session.scalar(beyond):
            problems.append("There are rows behind the end of the log.")
    return AuditProof(total, tuple(problems))


def list_acts(
    runtime: Runtime, limit: int, cursor: str | None = None, *, account_id: str | None = None, act: str | None = None
) -> Page[AuditView]:
    """The log, newest first; with `account_id` what that person did or what was done to them."""
    wanted = select(AuditRow).order_by(AuditRow.seq.desc()).limit(limit + 1)
    if cursor is not None and cursor.isdecimal():
        wanted = wanted.where(AuditRow.seq < int(cursor))
    if account_id is not None:
        wanted = wanted.where((AuditRow.actor_id == account_id) | (AuditRow.subject_id == account_id))
    if act is not None:
        wanted = wanted.where(AuditRow.act == act)
    with runtime.database.read() as session:
        rows = session.scalars(wanted).all()
    more = str(rows[limit - 1].seq) if len(rows) > limit else None
    views = (
        AuditView(row.seq, row.at, row.actor_id, row.act, row.subject_id, json.loads(row.details))
        for row in rows[:limit]
    )
    return Page(tuple(views), more)


def _chained(row: AuditRow) -> _Chained:
    return _Chained(row.seq, iso_z(row.at), row.actor_id, row.act, row.subject_id, row.details)


def audit_end(runtime: Runtime) -> tuple[int, str]:
    """The number of rows and the mark of the end, to be kept elsewhere: an old end that is put back shows there."""
    with runtime.database.read() as session:
        end = session.execute(_HEAD).one_or_none()
    return (end.seq, end.hash.hex()) if end else (0, "")


def _seal_head(runtime: Runtime, seq: int, digest: bytes) -> bytes:
    # Its own key: who cuts rows off cannot make the end that fits what is left.
    return hmac.digest(runtime.vault.derive("audit-head"), seq.to_bytes(8) + digest, "sha256")


def _digest(runtime: Runtime, before: bytes, chained: _Chained) -> bytes:
    return hmac.digest(runtime.vault.derive("audit-chain"), before + json.dumps(chained).encode(), "sha256")
