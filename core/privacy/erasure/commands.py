"""Erasing somebody from the command line, to the end; and erasing again whoever a backup brought back."""

import time
from collections.abc import Callable
from datetime import timedelta

from sqlalchemy import select

from core.accounts.audit import record_act
from core.accounts.domain import clean_email
from core.accounts.postings import lock_person
from core.accounts.queries import find_account
from core.accounts.roles import check_not_last_admin, lock_admins
from core.platform.logging import get_logger
from core.platform.mail.rendering import Rendered, render
from core.platform.runtime import Runtime
from core.platform.tombstones import entomb, entombed
from core.privacy.advance import advance_request
from core.privacy.domain import AT_WORK, OPEN, WITHDRAWABLE, due_at
from core.privacy.erasure.certificates import Certificate, get_certificate, held_words
from core.privacy.erasure.ending import new_erasure
from core.privacy.erasure.models import ErasureRow
from core.privacy.erasure.proving import NOTICE
from core.privacy.inventory import find_table
from core.privacy.models import PrivacyRequestRow, RequestStepRow
from core.shared.errors import Conflict, NotFound

PATIENCE_SECONDS = 600.0
LOOK_SECONDS = 0.2
SHORT_WAIT = timedelta(seconds=75)
"""A step that waits longer than this waits for somebody else, and the command does not wait with it."""
AT_ONCE = 500

log = get_logger("privacy")


class ErasureWaits(Conflict):
    """An erasure goes on later by itself: a recipient, or a mail server, has it in hand."""


def begin_erasure(runtime: Runtime, email: str, *, close_installation: bool = False) -> str:
    """Ask for an erasure as the operator, to be carried out at once; answers the request's id.

    One that the person asked for, or that was cut, goes on. Raises NotFound; Conflict LAST_ADMIN.
    """
    account = find_account(runtime, email)
    if account is None:
        return _under_way(runtime, email)
    return _begin(runtime, account.id, closes=close_installation, checked=not close_installation)


def carry_out(runtime: Runtime, request_id: str, *, tell: Callable[[str], None] = lambda _line: None) -> Certificate:
    """Carry an erasure out to its end, or wait for the process that does; answers its certificate.

    Raises ErasureWaits where it goes on later, by the scheduler of a serving process or when this is run again.
    """
    end, told = time.monotonic() + PATIENCE_SECONDS, ""
    while True:
        advance_request(runtime, request_id)
        with runtime.database.read() as session:
            row = session.get_one(PrivacyRequestRow, request_id)
            waiting = select(RequestStepRow.name, RequestStepRow.error_code)
            waiting = waiting.where(RequestStepRow.request_id == request_id, RequestStepRow.status != "done")
            step = session.execute(waiting.limit(1)).one_or_none()
            number = session.scalar(select(ErasureRow.number).where(ErasureRow.request_id == request_id))
        if row.status == "closed":
            return get_certificate(runtime, number or "")
        now = runtime.clock.now()
        wait = row.wake_at - now if row.wake_at is not None else timedelta(seconds=LOOK_SECONDS)
        if wait > SHORT_WAIT or time.monotonic() > end:
            what = f"{step.name}: {step.error_code}" if step else "another process has it in hand"
            raise ErasureWaits(
                "ERASURE_WAITS",
                f"The erasure has begun and is not complete ({what}). Nothing of it is undone: a serving process goes "
                "on with it by itself, and so does this command when it is run again.",
            )
        if step is not None and step.error_code and step.error_code != told:
            told = step.error_code
            tell(f"{step.name}: {step.error_code}")
        time.sleep(min(max(wait.total_seconds(), LOOK_SECONDS), 1.0))


def notice_of(certificate: Certificate, *, language: str, site_url: str) -> Rendered:
    """The closing notice, as the person is sent it."""
    held = held_words(certificate, language)
    values = {"number": certificate.number, "when": str(certificate.body["completed_at"]), "held": held}
    return render(NOTICE, language, values, cut=False, site_url=site_url)


def replay_tombstones(runtime: Runtime) -> int:
    """Erase again whoever is on the list of the erased and was brought back by a backup; answers how many.

    Called before anything is served. Keys that came back with a backup of the key store are destroyed first.
    """
    listed = entombed(runtime)
    if not listed:
        return 0
    entomb(runtime, listed)  # each place is brought up to what the other knows
    accounts, back = find_table("accounts"), list[str]()
    ids = sorted(listed)
    for begin in range(0, len(ids), AT_ONCE):
        some = ids[begin : begin + AT_ONCE]
        runtime.vault.forget_all(some)
        with runtime.database.read() as session:
            there = select(accounts.c.id, accounts.c.closing_at).where(accounts.c.id.in_(some))
            for account_id, closing_at in session.execute(there).tuples():
                at_work = select(PrivacyRequestRow.id).where(
                    PrivacyRequestRow.account_id == account_id,
                    PrivacyRequestRow.right == "erasure",
                    PrivacyRequestRow.status.in_(AT_WORK),
                )
                # One that goes on has closed the account already, and is carried on by whoever has it in hand.
                if closing_at is None or session.scalar(at_work) is None:
                    back.append(account_id)
    for account_id in back:
        log.warning("privacy.erased_account_came_back", account=account_id)
        _erase_again(runtime, account_id)
    return len(back)


def _erase_again(runtime: Runtime, account_id: str) -> None:
    request_id = _begin(runtime, account_id, closes=True, checked=False)
    accounts, end = find_table("accounts"), time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < end:
        advanced = advance_request(runtime, request_id)
        with runtime.database.read() as session:
            if session.scalar(select(accounts.c.id).where(accounts.c.id == account_id)) is None:
                return  # what is left to do concerns others: it goes on beside what is served
            wake_at = session.get_one(PrivacyRequestRow, request_id).wake_at
        if advanced and wake_at is not None and wake_at - runtime.clock.now() > SHORT_WAIT:
            break
        time.sleep(LOOK_SECONDS)
    raise ErasureWaits("ERASURE_WAITS", "An erased account came back with a backup and could not be erased again.")


def _begin(runtime: Runtime, account_id: str, *, closes: bool, checked: bool) -> str:
    now = runtime.clock.now()
    mine = (PrivacyRequestRow.account_id == account_id, PrivacyRequestRow.right == "erasure")
    with runtime.database.write() as session:
        lock_admins(session)
        lock_person(session, account_id)
        if checked:
            others = (PrivacyRequestRow.right == "erasure", PrivacyRequestRow.status.in_(OPEN))
            leaving = frozenset(session.scalars(select(PrivacyRequestRow.account_id).where(*others)))
            check_not_last_admin(session, account_id, leaving=leaving)
        row = session.scalar(select(PrivacyRequestRow).where(*mine, PrivacyRequestRow.status.in_(OPEN)))
        asked = row is None
        if row is None:
            row = PrivacyRequestRow(
                id=runtime.ids.new(), account_id=account_id, right="erasure", status="scheduled",
                received_at=now, due_at=due_at(now), fence=0,
            )  # fmt: skip
            session.add(row)
            session.flush()
        if row.status in WITHDRAWABLE:
            row.status, row.start_at = "scheduled", None
        row.wake_at = None
        erasure = session.get(ErasureRow, row.id)
        if erasure is None:
            session.add(new_erasure(runtime, row.id, account_id, closes=closes))
        elif closes:
            erasure.closes_installation = True
        if asked:
            record_act(runtime, session, "account.deletion_asked", actor_id=None, subject_id=account_id)
    return row.id


def _under_way(runtime: Runtime, email: str) -> str:
    """The erasure of this address that was cut: the account itself is not found by it any more."""
    index = runtime.vault.blind_index("email", clean_email(email))
    with runtime.database.write() as session:
        found = session.scalar(select(ErasureRow).where(ErasureRow.address_index == index))
        row = None if found is None else session.get(PrivacyRequestRow, found.request_id)
        if row is None or row.status not in OPEN:
            raise NotFound("ACCOUNT_NOT_FOUND", "There is no account with this address: nothing was left to erase.")
        row.wake_at = None
    return row.id
