"""What carrying a request out would do, counted before it is done. Nothing is changed."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime

from sqlalchemy import ColumnElement, func, or_, select
from sqlalchemy.orm import Session

from core.accounts.domain import Account
from core.accounts.queries import account_of
from core.platform.runtime import Runtime
from core.privacy.domain import PrivacyRequestView
from core.privacy.holdings import count_rows, persons_rows
from core.privacy.inventory import TableEntry, find_table, tables
from core.privacy.retention.holds import holds_that_count
from core.privacy.retention.scope import held_parts
from core.privacy.rights import STEPS
from core.privacy.words import LAWS, table_title
from core.shared.errors import NotFound

MOMENTS = ("created_at", "received_at", "at", "began_at", "signed_at")


@dataclass(frozen=True, slots=True)
class Kept:
    """Rows that a law or a legal hold has us keep: until the end of a day, under its short name."""

    title: str
    rows: int
    until: date
    law: str


@dataclass(frozen=True, slots=True)
class DryRun:
    """Rows by table that go, or are handed over; what is kept; and the steps that do it."""

    deletes: tuple[tuple[str, int], ...] = ()
    keeps: tuple[Kept, ...] = ()
    hands_over: tuple[tuple[str, int], ...] = ()
    steps: tuple[str, ...] = ()
    is_gone: bool = False
    """Whether the account is not there any more."""

    @property
    def sentence(self) -> str:
        """All of it in a sentence: `Will delete 1,204 rows in 9 stores, keep 3 refunds until 2036-12-31 …`."""
        if self.is_gone:
            return "The account is gone: there is nothing left to do."
        parts = []
        if self.deletes:
            rows = sum(number for _, number in self.deletes)
            parts.append(f"delete {_count(rows, 'row')} in {_count(len(self.deletes), 'store')}")
        parts += _kept_words(self.keeps)
        if self.hands_over:
            rows = sum(number for _, number in self.hands_over)
            parts.append(f"hand over {_count(rows, 'row')} of {_count(len(self.hands_over), 'store')}")
        if not parts:
            return "Will change nothing that is counted in rows."
        return f"Will {', '.join(parts)}."


def dry_run(runtime: Runtime, request: PrivacyRequestView) -> DryRun:
    """What carrying a request out would do now."""
    steps = tuple(step.says for step in STEPS.get(request.right, ()))
    with runtime.database.read() as session:
        try:
            account = account_of(runtime, session, request.account_id)
        except NotFound:
            return DryRun(is_gone=True)
        counts = count_rows(runtime, session, account)
        if request.right == "erasure":
            return _erasure(runtime, session, account, counts, steps)
    if request.right not in ("access", "portability"):
        return DryRun(steps=steps)
    wanted = ("portable",) if request.right == "portability" else ("portable", "access")
    given = [
        (table_title(entry.name), counts[entry.name])
        for entry in tables()
        if counts.get(entry.name) and any(field.rules.export in wanted for field in entry.fields)
    ]
    return DryRun(hands_over=tuple(given), steps=steps)


def _erasure(
    runtime: Runtime, session: Session, account: Account, counts: Mapping[str, int], steps: tuple[str, ...]
) -> DryRun:
    """What goes, what the law keeps, and what legal holds keep, as an erasure does it: row by row."""
    held, held_rows = _held(runtime, session, account)
    deletes: list[tuple[str, int]] = []
    keeps: list[Kept] = []
    for entry in tables():
        rows = counts.get(entry.name, 0)
        if not rows:
            continue
        kept = _kept_rows(runtime, session, account, entry, rows)
        if kept is not None:
            keeps.append(kept)
        elif rows > held_rows[entry.name]:
            deletes.append((table_title(entry.name), rows - held_rows[entry.name]))
    return DryRun(tuple(deletes), (*keeps, *held), steps=steps)


def _held(runtime: Runtime, session: Session, account: Account) -> tuple[list[Kept], Counter[str]]:
    """What each legal hold keeps; and how many rows of each table any of them does."""
    index = runtime.vault.blind_index("email", account.email) if account.email else b""
    keeps: list[Kept] = []
    by_table: dict[str, list[ColumnElement[bool]]] = {}
    for hold in holds_that_count(session, account.id, runtime.clock.now()):
        for entry, condition in held_parts(hold, account.id, index):
            rows = _rows(session, entry, condition)
            if rows:
                keeps.append(Kept(table_title(entry.name), rows, hold.until.date(), f"{hold.law} (legal hold)"))
                by_table.setdefault(entry.name, []).append(condition)
    known = {entry.name: entry for entry in tables()}
    return keeps, Counter({name: _rows(session, known[name], or_(*any_)) for name, any_ in by_table.items()})


def _rows(session: Session, entry: TableEntry, condition: ColumnElement[bool]) -> int:
    return session.scalar(select(func.count()).select_from(find_table(entry.name)).where(condition)) or 0


def _kept_words(keeps: Sequence[Kept]) -> list[str]:
    """What is kept, by the day and the law; of one store by its name."""
    groups: dict[tuple[date, str], list[Kept]] = {}
    for each in keeps:
        groups.setdefault((each.until, each.law), []).append(each)
    said = []
    for (until, law), group in groups.items():
        rows = sum(each.rows for each in group)
        what = f"{rows:,} × {group[0].title.lower()}"
        if len(group) > 1:
            what = f"{_count(rows, 'row')} in {_count(len(group), 'store')}"
        said.append(f"keep {what} until {until:%Y-%m-%d} under {law}")
    return said


def _kept(entry: TableEntry) -> str | None:
    """The law that keeps the rows of a table, as its retention."""
    if not entry.kept_by_law:
        return None
    return next((field.rules.retention for field in entry.fields if field.rules.retention in LAWS), None)


def _kept_rows(runtime: Runtime, session: Session, account: Account, entry: TableEntry, rows: int) -> Kept | None:
    retention = _kept(entry)
    if retention is None:
        return None
    years, law, _ = LAWS[retention]
    table = find_table(entry.name)
    column = next((table.c[name] for name in MOMENTS if name in table.c), None)
    newest: datetime | None = None
    if column is not None:
        condition = persons_rows(entry, account.id, b"")
        assert condition is not None
        newest = session.scalar(select(func.max(column)).where(condition))
    last = (newest or runtime.clock.now()).astimezone(UTC)
    # Books are kept from the end of their year on (L123-22: the closing of the books), proofs like them.
    return Kept(table_title(entry.name), rows, date(last.year + years, 12, 31), law)


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
