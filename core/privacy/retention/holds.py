"""Legal holds: what of a person may not be deleted for a time, because a law or a claim needs it.

A hold counts from the moment it is placed, and lapses where nobody signed it a second time within two days: one admin
alone keeps nobody's data. Erasure and retention ask `holds_of`; both delete what is not held.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, ScalarSelect, Select, func, or_, select, update
from sqlalchemy.orm import Session

from core.accounts.audit import record_act
from core.accounts.domain import SessionView
from core.platform.runtime import Runtime
from core.platform.vault import INSTALLATION
from core.privacy.inventory import TableEntry, fields, tables
from core.privacy.retention.models import LegalHoldRow
from core.privacy.signatures import FirstSignature, check_privacy_admin, check_second_signature
from core.shared.errors import AppError, Conflict, InvalidInput, NotFound

UNSIGNED = timedelta(hours=48)
"""How long a hold counts without a second signature. The same admin may sign after 24 hours where there is no other."""
LONGEST_REASON, LONGEST_LAW = 2_000, 120
LONGEST = timedelta(days=10 * 366)


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
            _within(field.rules.category, held) for field in entry.fields for held in self.categories
        )

    def rows_of(self, table: str) -> frozenset[str]:
        """The ids of single rows of a table that are held."""
        return frozenset(row for name, row in self.rows if name == table)


def holds_of(session: Session, account_id: str, now: datetime) -> Holds:
    """What of a person is held at a moment, in the caller's transaction."""
    mine = select(LegalHoldRow).where(LegalHoldRow.account_id == account_id, *_counts(now))
    return _together(session.scalars(mine))


def held_accounts(now: datetime) -> Select[str]:
    """The ids of those of whom anything is held, for a condition of another query."""
    return select(LegalHoldRow.account_id).where(*_counts(now))


def newest_hold(account_id: ColumnElement[str], now: ColumnElement[datetime]) -> ScalarSelect[datetime]:
    """When the newest hold on a person was placed, as an expression: it tells whether one was added since."""
    mine = (LegalHoldRow.account_id == account_id, LegalHoldRow.placed_at <= now, LegalHoldRow.ended_at.is_(None))
    return select(func.max(LegalHoldRow.placed_at)).where(*mine).scalar_subquery()


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
    Raises Forbidden for who is no privacy admin, did not enter the password lately, or means themself; InvalidInput.
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
    if category is not None and not any(_within(field.rules.category, category) for field in fields()):
        raise InvalidInput("HOLD_CATEGORY", "No data of this category is kept here.", field="category")
    if row is not None and (row[0] not in known or known[row[0]].owner is None):
        raise InvalidInput("HOLD_ROW", "There is no such table of people's data.", field="row")
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
        session.add(made)
        session.flush()
        record_act(runtime, session, "hold.placed", actor_id=by.account.id, subject_id=account_id, hold=hold_id)
    return _view(runtime, made)


def lift_hold(runtime: Runtime, by: SessionView, hold_id: str) -> None:
    """End a hold: what it kept goes with the next sweep, if its time is over. Raises Forbidden, NotFound, Conflict."""
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


def _together(rows: Iterable[LegalHoldRow]) -> Holds:
    found = list(rows)
    return Holds(
        any(row.category is None and row.table_name is None for row in found),
        frozenset(row.category for row in found if row.category is not None),
        frozenset(
            (row.table_name, row.row_id) for row in found if row.table_name is not None and row.row_id is not None
        ),
    )


def _going_on(runtime: Runtime, by: SessionView, row: LegalHoldRow | None) -> LegalHoldRow:
    check_privacy_admin(runtime, by, row.account_id if row else "", confirmed=True)
    if row is None:
        raise NotFound("HOLD_NOT_FOUND", "There is no such hold.")
    if not counts(row, runtime.clock.now()):
        raise Conflict("HOLD_ENDED", "This hold has ended already.")
    return row


def _within(category: str, held: str) -> bool:
    return category == held or category.startswith(f"{held}.")


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
