"""The end of a legal hold on somebody who was erased: what was kept for it is destroyed, and a certificate says so.

The key goes first, and its id onto the list of what must not come back with a backup: from then on nothing of it can
be read. Then its rows go, a batch a transaction, and at last the certificate is written. Killed anywhere, the next try
comes to the same end.
"""

import json
from datetime import datetime

from sqlalchemy import delete, select, union

from core.accounts.audit import record_act
from core.platform.logging import get_logger
from core.platform.runtime import Runtime
from core.platform.tombstones import entomb
from core.privacy.erasure.certificates import Ended, add_followup, held_in
from core.privacy.erasure.models import CertificateRow, ErasureRow, HeldRow, HoldCopyRow
from core.privacy.retention.holds import counts
from core.privacy.retention.models import LegalHoldRow

BATCH = 500

log = get_logger("privacy")


def release_ended(runtime: Runtime) -> int:
    """Destroy what was kept for holds that do not count any more; answers for how many holds."""
    ended = tuple(hold_id for hold_id in _holds_with_rows(runtime) if not _counts(runtime, hold_id))
    for hold_id in ended:
        release(runtime, hold_id)
    return len(ended)


def has_ended_holds(runtime: Runtime, now: datetime) -> bool:
    """Whether a hold is over that was not told so, or that something is still kept for."""
    with runtime.database.read() as session:
        open_ = session.scalars(select(LegalHoldRow).where(LegalHoldRow.ended_at.is_(None)))
        if any(not counts(row, now) for row in open_):
            return True
    return any(not _counts(runtime, hold_id) for hold_id in _holds_with_rows(runtime))


def release(runtime: Runtime, hold_id: str) -> None:
    """Destroy what was kept for one hold."""
    entomb(runtime, [hold_id])
    runtime.vault.forget(hold_id)
    gone = 0
    while number := _delete_some(runtime, hold_id):
        gone += number
    _certify(runtime, hold_id)
    runtime.vault.cut_log(lambda: None)
    log.info("hold.released", hold=hold_id, rows=gone)


def _holds_with_rows(runtime: Runtime) -> tuple[str, ...]:
    noted = select(HoldCopyRow.hold_id).where(HoldCopyRow.released_at.is_(None))
    with runtime.database.read() as session:
        # Rows without a note are an erasure's that has not come to the end of that step.
        return tuple(session.scalars(union(noted, select(HeldRow.hold_id))))


def _counts(runtime: Runtime, hold_id: str) -> bool:
    """Whether a hold counts. One that a backup brought back after its end has no key any more, and does not."""
    with runtime.database.read() as session:
        row = session.get(LegalHoldRow, hold_id)
    return row is not None and counts(row, runtime.clock.now()) and runtime.vault.knows(hold_id)


def _delete_some(runtime: Runtime, hold_id: str) -> int:
    some = select(HeldRow.id).where(HeldRow.hold_id == hold_id).limit(BATCH)
    with runtime.database.write() as session:
        return len(session.scalars(delete(HeldRow).where(HeldRow.id.in_(some)).returning(HeldRow.id)).all())


def _certify(runtime: Runtime, hold_id: str) -> None:
    """Say what is gone, where a certificate had said that it was kept. One under way says it then by itself."""
    with runtime.database.write() as session:
        copy = session.get(HoldCopyRow, hold_id, with_for_update=True)
        if copy is None or copy.released_at is not None:
            return
        copy.released_at = runtime.clock.now()
        hold, erasure = session.get(LegalHoldRow, hold_id), session.get(ErasureRow, copy.request_id)
        first = None if erasure is None else session.get(CertificateRow, erasure.number)
        if first is not None and hold is not None and hold_id in held_in(first):
            gone_for = Ended(hold_id, hold.account_id, hold.law, hold.ended_at or hold.until, json.loads(copy.counts))
            add_followup(runtime, session, first.number, gone_for)
        session.flush()
        subject = hold.account_id if hold else None
        record_act(runtime, session, "hold.released", actor_id=None, subject_id=subject, hold=hold_id)
