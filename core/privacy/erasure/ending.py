"""The first half of an erasure: nothing new begins, what goes on ends, then the key is destroyed.

From the destruction of the key on nothing of the person can be read, in no store and in no old copy of one, so it
comes before everything else that cannot be taken back. What follows only clears away.
"""

import secrets
from datetime import timedelta

from sqlalchemy import func, select, update

from core.accounts.audit import record_act
from core.accounts.closing import close_account, strip_account
from core.accounts.postings import lock_person
from core.execution.draining import cancel_all_runs, end_runs, rest_schedules, stop_deliveries
from core.platform.keystore import HELD_SECONDS
from core.platform.runtime import Runtime
from core.platform.tombstones import entomb
from core.privacy.domain import OPEN
from core.privacy.erasure.keeping import all_is_kept, keep_before_closing
from core.privacy.erasure.models import ErasureRow
from core.privacy.erasure.subject import keep_subject
from core.privacy.inventory import find_table, owned_by, tables
from core.privacy.models import PrivacyRequestRow
from core.privacy.steps import Again, Done, Later, Work
from core.shared.errors import Conflict

PATIENCE = timedelta(seconds=15)
"""How long runs under way may take to hear that they were cancelled: a lease. Then they are ended for them."""
HELD = timedelta(seconds=HELD_SECONDS + 1)


def freeze(runtime: Runtime, work: Work) -> Done | Later:
    """Let nobody in and nothing begin any more, and keep what the rest of the erasure has to know."""
    account_id, now = work.account_id, runtime.clock.now()
    others = (PrivacyRequestRow.right == "erasure", PrivacyRequestRow.status.in_(OPEN))
    if runtime.vault.knows(account_id):
        keep_before_closing(runtime, work)
    with runtime.database.write() as session:
        row = session.get(ErasureRow, work.request_id)
        if row is None:
            row = new_erasure(runtime, work.request_id, account_id)
            session.add(row)
        leaving = frozenset(session.scalars(select(PrivacyRequestRow.account_id).where(*others)))
        try:
            index = close_account(
                runtime, session, account_id, leaving=leaving, even_last_admin=row.closes_installation
            )
        except Conflict as refusal:
            session.rollback()
            return Later(refusal.code, timedelta(hours=1))
        if index is not None:
            row.address_index, row.began_at = index, now
            record_act(runtime, session, "account.erasure_began", actor_id=None, subject_id=account_id)
    keep_subject(runtime, work.request_id, account_id)
    return Done()


def new_erasure(runtime: Runtime, request_id: str, account_id: str, *, closes: bool = False) -> ErasureRow:
    """The row of an erasure, with the number that its certificate will have."""
    now = runtime.clock.now()
    number = f"E-{now:%Y%m%d}-{secrets.token_hex(4).upper()}"
    return ErasureRow(
        request_id=request_id, account_id=account_id, number=number, closes_installation=closes, began_at=now
    )


def drain(runtime: Runtime, work: Work) -> Done | Later:
    """End what goes on: what was used is settled, what was only held goes back. Answers what there is of the person."""
    with runtime.database.read() as session:
        began = session.get_one(ErasureRow, work.request_id).began_at
    cancel_all_runs(runtime, work.account_id)
    rest_schedules(runtime, work.account_id)
    stop_deliveries(runtime, work.account_id)
    waited = runtime.clock.now() - began >= PATIENCE or not runtime.vault.knows(work.account_id)
    if end_runs(runtime, work.account_id, held_too=waited):
        return Later("RUNS_UNDER_WAY", timedelta(seconds=1))
    return Done(_found(runtime, work.account_id))


def destroy_key(runtime: Runtime, work: Work) -> Done | Later | Again:
    """Destroy the person's key, and wait until no process can have it in memory.

    The account is on the list of those that must not come back before anything is destroyed. A legal hold that was
    placed since others were kept is kept first; none is placed from here on.
    """
    account_id = work.account_id
    if runtime.vault.knows(account_id) and not _leave_no_way_back(runtime, work):
        return Again("HELD_MEANWHILE", "keep")
    entomb(runtime, [account_id])
    if runtime.vault.knows(account_id):
        strip_account(runtime, account_id)
        runtime.vault.forget(account_id)
        with runtime.database.write() as session:
            mine = (ErasureRow.request_id == work.request_id, ErasureRow.key_gone_at.is_(None))
            session.execute(update(ErasureRow).where(*mine).values(key_gone_at=runtime.clock.now()))
    with runtime.database.read() as session:
        gone_at = session.get_one(ErasureRow, work.request_id).key_gone_at
    if gone_at is not None and runtime.clock.now() < gone_at + HELD:
        return Later("KEYS_IN_MEMORY", gone_at + HELD - runtime.clock.now())
    return Done({"keys": 1})


def _leave_no_way_back(runtime: Runtime, work: Work) -> bool:
    """Whether all that is held was kept; if so nothing more is held: who places a hold waits for the same lock."""
    with runtime.database.write() as session:
        lock_person(session, work.account_id)
        if not all_is_kept(runtime, session, work.account_id):
            return False
        mine = (ErasureRow.request_id == work.request_id, ErasureRow.no_way_back_at.is_(None))
        session.execute(update(ErasureRow).where(*mine).values(no_way_back_at=runtime.clock.now()))
    return True


def _found(runtime: Runtime, account_id: str) -> dict[str, int]:
    """How many rows of each table are the person's, and will be gone."""
    counts: dict[str, int] = {}
    for entry in tables():
        if entry.owner is None or entry.kept_by_law:
            continue
        rows = select(func.count()).select_from(find_table(entry.name)).where(owned_by(entry, account_id))
        with runtime.database.read() as session:
            found = session.scalar(rows) or 0
        if found:
            counts[entry.name] = found
    return counts
