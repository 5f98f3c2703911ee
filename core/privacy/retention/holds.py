"""Legal holds: what of a person may not be deleted for a time, because a law or a claim needs it.

A hold counts from the moment it is placed, and lapses where nobody signed it a second time within two days: one admin
alone keeps nobody's data. Erasure and retention ask here, and both delete what is not held. Who places a hold locks its
person, as each batch of a sweep does, and an erasure before it destroys the key: a hold is there before them, or after.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, ScalarSelect, Select, String, cast, func, or_, select, update
from sqlalchemy.orm import Session

from core.accounts.audit import record_act
from core.accounts.domain import SessionView
from core.platform.runtime import Runtime
from core.platform.vault import INSTALLATION
from core.privacy.erasure.models import ErasureRow
from core.privacy.holdings import persons_rows
from core.privacy.inventory import ACCOUNTS, TableEntry, fields, find_table, tables
from core.privacy.retention.models import LegalHoldRow
from core.privacy.retention.scope import HoldScope, row_named, rows_can_be_named, scopes_of, within
from core.privacy.signatures import FirstSignature, check_privacy_admin, check_second_signature
from core.shared.errors import AppError, Conflict, InvalidInput, NotFound

UNSIGNED = timedelta(hours=48)
"""How long a hold counts without a second signature. The same admin may sign after 24 hours where there is no other."""
LONGEST_REASON, LONGEST_LAW = 2_000, 120
LONGEST = timedelta(days=10 * 366)
BOOK = "credit_accounts"


@dataclass(frozen=True, slots=True)
class LegalHold:
    """A hold as privacy admins see it. `category` and the row are empty where everything of the person is held."""

    id: str
    account_id: str
    category: str | None
    table: str | None
    row_id: str | None
    law: str
    reason: str
    until: datetime
    placed_by: str
    placed_at: datetime
    cosigned_by: str | None


@dataclass(frozen=True, slots=True)
class Holds:
    """What of a person is held now."""

    everything: bool = False
    categories: frozenset[str] = frozenset()
    rows: frozenset[tuple[str, str]] = frozenset()

    def __bool__(self) -> bool:
        return self.everything or bool(self.categories) or bool(self.rows)

    def covers(self, entry: TableEntry) -> bool:
        """Whether no row of a table may be deleted: all is held, or a category that one of its columns is of."""
        return self.everything or any(
            within(field.rules.category, held) for field in entry.fields for held in self.categories
        )

    def rows_of(self, table: str) -> frozenset[str]:
        """The ids of single rows of a table that are held."""
        return frozenset(row for name, row in self.rows if name == table)


def holds_of(session: Session, account_id: str, now: datetime) -> Holds:
    """What of a person is held at a moment, in the caller's transaction."""
    return _together(holds_that_count(session, account_id, now))


def holds_that_count(session: Session, account_id: str, now: datetime) -> tuple[HoldScope, ...]:
    """A person's holds at a moment one by one, the oldest first, in the caller's transaction."""
    return scopes_of(session, account_id, _counts(now))


def held_accounts(now: datetime) -> Select[str]:
    """The ids of those of whom anything is held, for a condition of another query."""
    return select(LegalHoldRow.account_id).where(*_counts(now))


def counting(now: datetime) -> tuple[ColumnElement[bool], ...]:
    """The conditions for holds that count at a moment, for another query."""
    return _counts(now)


def mark_of_holds(account_id: ColumnElement[str]) -> ScalarSelect[str]:
    """What changes as soon as a hold on a person is placed or ended, as an expression: whoever saw it before may ask
    again whether it is still the same."""
    mine = (LegalHoldRow.account_id == account_id, LegalHoldRow.ended_at.is_(None))
    mark = cast(func.count(), String) + func.coalesce(func.max(LegalHoldRow.id), "")
    return select(mark).select_from(LegalHoldRow).where(*mine).scalar_subquery()


def lock_books(session: Session, owner_id: str) -> None:
    """Make others wait who place a hold on the books of somebody who left, or delete them."""
    book = find_table(BOOK)
    session.execute(select(book.c.owner_id).where(book.c.owner_id == owner_id).with_for_update())


def list_holds(runtime: Runtime, account_id: str | None = None) -> tuple[LegalHold, ...]:
    """The holds that count now, of everybody or of one person; the one that ends first at the top."""
    wanted = select(LegalHoldRow).where(*_counts(runtime.clock.now())).order_by(LegalHoldRow.until)
    if account_id is not None:
        wanted = wanted.where(LegalHoldRow.account_id == account_id)
    with runtime.database.read() as session:
        return tuple(_view(runtime, row) for row in session.scalars(wanted))


def place_hold(
    runtime: Runtime,
    by: SessionView,
    account_id: str,
    *,
    law: str,
    reason: str,
    until: datetime,
    category: str | None = None,
    row: tuple[str, str] | None = None,
) -> LegalHold:
    """Hold all data of a person, a category of it, or one row as `(table, id)`, until a moment.

    It counts at once, and lapses after two days without a second signature.
    Raises Forbidden for who is no privacy admin, did not enter the password lately, or means themself; InvalidInput,
    also for a row that is not this person's; Conflict HOLD_TOO_LATE where nothing is left that could be held.
    """
    check_privacy_admin(runtime, by, account_id, confirmed=True)
    now = runtime.clock.now()
    law, reason = " ".join(law.split()), reason.strip()
    if not law or len(law) > LONGEST_LAW or not reason or len(reason) > LONGEST_REASON:
        raise InvalidInput("HOLD_REASON", "Name the law, and say in a few sentences why the data is needed.")
    if not now < until <= now + LONGEST:
        raise InvalidInput("HOLD_UNTIL", "A hold ends on a day to come, within ten years.", field="until")
    if category is not None and row is not None:
        raise InvalidInput("HOLD_SCOPE", "A hold is on everything, on a category, or on one row.")
    known = {entry.name: entry for entry in tables()}
    if category is not None and not any(within(field.rules.category, category) for field in fields()):
        raise InvalidInput("HOLD_CATEGORY", "No data of this category is kept here.", field="category")
    row = (row[0], row[1].strip()) if row is not None else None
    if row is not None and (row[0] not in known or not rows_can_be_named(known[row[0]])):
        raise InvalidInput("HOLD_ROW", "Rows of this kind cannot be held.", field="row")
    hold_id = runtime.ids.new()
    made = LegalHoldRow(
        id=hold_id,
        account_id=account_id,
        category=category,
        table_name=row[0] if row else None,
        row_id=row[1] if row else None,
        law=law,
        reason=_sealed(runtime, hold_id, reason),
        until=until,
        placed_by=by.account.id,
        placed_at=now,
    )
    with runtime.database.write() as session:
        entries = _still_there(session, account_id)
        if row is not None and not _is_theirs(session, account_id, *row):
            raise InvalidInput(
                "HOLD_ROW", "This person has no such row. Copy its id from where it is shown.", field="row"
            )
        table, row_id = row or (None, None)
        scope = HoldScope(hold_id, category, table, row_id, law, until)
        if not any(_together([scope]).covers(entry) or entry.name == scope.table for entry in entries):
            raise Conflict(
                "HOLD_TOO_LATE", "This account is deleted, and its key destroyed: nothing can be held any more."
            )
        session.add(made)
        session.flush()
        record_act(runtime, session, "hold.placed", actor_id=by.account.id, subject_id=account_id, hold=hold_id)
    return _view(runtime, made)


def lift_hold(runtime: Runtime, by: SessionView, hold_id: str) -> None:
    """End a hold: what it kept goes, at once what an erasure left for it, the rest when its time is over.

    Raises Forbidden, NotFound, Conflict.
    """
    now = runtime.clock.now()
    with runtime.database.write() as session:
        row = _going_on(runtime, by, session.get(LegalHoldRow, hold_id, with_for_update=True))
        row.ended_by, row.ended_at = by.account.id, now
        session.flush()
        record_act(runtime, session, "hold.lifted", actor_id=by.account.id, subject_id=row.account_id, hold=hold_id)
    _forget_of_the_erased(runtime, [row])


def cosign_hold(runtime: Runtime, by: SessionView, hold_id: str) -> None:
    """Sign a hold a second time, so that it counts until its day.

    Another privacy admin does, or the only one a day later, which the audit log marks. Raises Forbidden, NotFound,
    Conflict.
    """
    now = runtime.clock.now()
    with runtime.database.write() as session:
        row = _going_on(runtime, by, session.get(LegalHoldRow, hold_id, with_for_update=True))
        if row.cosigned_at is not None:
            raise Conflict("HOLD_SIGNED", "This hold is signed twice already.")
        alone = check_second_signature(session, FirstSignature(row.placed_by, row.placed_at, row.account_id), by, now)
        row.cosigned_by, row.cosigned_at = by.account.id, now
        session.flush()
        record_act(
            runtime, session, "hold.signed",
            actor_id=by.account.id, subject_id=row.account_id, hold=hold_id, same_admin=alone,
        )  # fmt: skip


def end_lapsed_holds(runtime: Runtime) -> int:
    """Mark the holds whose time is over, or that nobody signed a second time; returns how many."""
    now = runtime.clock.now()
    open_ = LegalHoldRow.ended_at.is_(None)
    with runtime.database.write() as session:
        over = select(LegalHoldRow).where(open_).with_for_update(skip_locked=True)
        lapsed = [row for row in session.scalars(over) if not counts(row, now)]
        for row in lapsed:
            done = update(LegalHoldRow).where(LegalHoldRow.id == row.id).values(ended_at=now)
            session.execute(done)
        session.flush()
        for row in lapsed:
            record_act(runtime, session, "hold.lapsed", actor_id=None, subject_id=row.account_id, hold=row.id)
    _forget_of_the_erased(runtime, lapsed)
    return len(lapsed)


def forget_reasons(runtime: Runtime, account_id: str) -> int:
    """Make the reasons of a person's holds that count no more unreadable; returns how many there were.

    Reasons are an admin's words about somebody. That there was a hold, by which law and who signed it, stays as proof.
    """
    now = runtime.clock.now()
    with runtime.database.read() as session:
        mine = session.scalars(select(LegalHoldRow).where(LegalHoldRow.account_id == account_id)).all()
    over = [row.id for row in mine if not counts(row, now) and row.reason]
    _forget(runtime, over)
    return len(over)


def counts(row: LegalHoldRow, now: datetime) -> bool:
    """Whether a hold counts at a moment."""
    signed = row.cosigned_at is not None or row.placed_at > now - UNSIGNED
    return row.ended_at is None and row.until > now and signed


def _counts(now: datetime) -> tuple[ColumnElement[bool], ...]:
    signed = or_(LegalHoldRow.cosigned_at.is_not(None), LegalHoldRow.placed_at > now - UNSIGNED)
    return LegalHoldRow.ended_at.is_(None), LegalHoldRow.until > now, signed


def _together(found: Iterable[HoldScope]) -> Holds:
    found = list(found)
    return Holds(
        any(each.category is None and each.table is None for each in found),
        frozenset(each.category for each in found if each.category is not None),
        frozenset((each.table, each.row_id) for each in found if each.table is not None and each.row_id is not None),
    )


def _still_there(session: Session, account_id: str) -> tuple[TableEntry, ...]:
    """The tables of which something can be held: all of them; of somebody who left those that the law keeps.

    Locks the person, so that a batch of a sweep, or the end of a key, comes before or after.
    """
    accounts = find_table(ACCOUNTS)
    there = session.scalar(select(accounts.c.id).where(accounts.c.id == account_id).with_for_update())
    begun = or_(ErasureRow.no_way_back_at.is_not(None), ErasureRow.key_gone_at.is_not(None))
    erased = session.scalar(select(ErasureRow.request_id).where(ErasureRow.account_id == account_id, begun).limit(1))
    if there is not None and erased is None:
        return tables()
    lock_books(session, account_id)
    kept = [entry for entry in tables() if entry.kept_by_law and entry.name not in ("legal_holds", "held_rows")]
    return tuple(entry for entry in kept if _has_rows(session, account_id, entry))


def _has_rows(session: Session, account_id: str, entry: TableEntry, *more: ColumnElement[bool]) -> bool:
    theirs = persons_rows(entry, account_id, b"")
    if theirs is None:
        return False
    key = next(iter(find_table(entry.name).primary_key.columns))
    return session.scalar(select(key).where(theirs, *more).limit(1)) is not None


def _is_theirs(session: Session, account_id: str, table: str, row_id: str) -> bool:
    entry = next(each for each in tables() if each.name == table)
    return bool(row_id) and _has_rows(session, account_id, entry, row_named(find_table(table), row_id))


def _going_on(runtime: Runtime, by: SessionView, row: LegalHoldRow | None) -> LegalHoldRow:
    check_privacy_admin(runtime, by, row.account_id if row else "", confirmed=True)
    if row is None:
        raise NotFound("HOLD_NOT_FOUND", "There is no such hold.")
    if not counts(row, runtime.clock.now()):
        raise Conflict("HOLD_ENDED", "This hold has ended already.")
    return row


def _sealed(runtime: Runtime, hold_id: str, reason: str) -> bytes:
    """A reason under a key of the hold's own: it outlives the person's key, and old pages cannot be read after it."""
    runtime.vault.adopt(hold_id)
    return runtime.vault.seal_text(hold_id, f"legal_holds.reason:{hold_id}", reason)


def _forget_of_the_erased(runtime: Runtime, ended: Iterable[LegalHoldRow]) -> None:
    """Of holds that just ended, forget the reasons where the person is gone already."""
    _forget(runtime, [row.id for row in ended if not runtime.vault.knows(row.account_id)])


def _forget(runtime: Runtime, hold_ids: Sequence[str]) -> None:
    if not hold_ids:
        return
    runtime.vault.forget_all(hold_ids)
    with runtime.database.write() as session:
        session.execute(update(LegalHoldRow).where(LegalHoldRow.id.in_(hold_ids)).values(reason=b""))


def _view(runtime: Runtime, row: LegalHoldRow) -> LegalHold:
    return LegalHold(
        row.id, row.account_id, row.category, row.table_name, row.row_id, row.law, _reason(runtime, row), row.until,
        row.placed_by, row.placed_at, row.cosigned_by,
    )  # fmt: skip


def _reason(runtime: Runtime, row: LegalHoldRow) -> str:
    """The reason; nothing where its key is gone, as after a backup was restored that still has the hold."""
    # Holds from before they had keys of their own are sealed with the installation's.
    key = row.id if runtime.vault.knows(row.id) else INSTALLATION
    try:
        return runtime.vault.open_text(key, f"legal_holds.reason:{row.id}", row.reason)
    except AppError:
        return ""
