"""What is deleted by its age, read from the annotations: which rows, after which moment, and by whom.

A retention is a class that columns name; this is where each class becomes days. What is kept for as long as the account
is deleted with it; all else is swept, nightly here or by the job that is named.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

from sqlalchemy import Column, ColumnElement, Table

from core.execution.run_retention import done_with
from core.platform.annotations import Retention
from core.platform.dependents import dependents
from core.privacy.inventory import TableEntry, find_table, tables
from core.shared.errors import InvariantViolated

PROOF_MONTHS, LAW_YEARS = 60, 10
DAYS = 90
"""Of what is kept for days that no plan decides."""
ELSEWHERE = {
    "account_links": "session_cleanup",
    "data_exports": "file_cleanup",
    "held_rows": "legal_holds",
    "invitations": "session_cleanup",
    "mail_outbox": "mail_outbox",  # the content goes when the mail is sent; its row is swept here
    "sessions": "session_cleanup",
}
"""Tables with rows or columns that live shortly, and the job that deletes them."""
_DONE: dict[str, Callable[[], tuple[ColumnElement[bool], ...]]] = {"runs": done_with}


@dataclass(frozen=True)
class AgedStore:
    """Rows of `root` that go once `anchor` is old enough, with all that hangs on them. `entries`: every table of it."""

    name: str
    root: Table
    owner: Column[str]
    anchor: Column[object]
    entries: tuple[TableEntry, ...]

    @property
    def key(self) -> Column[str]:
        """The id of a row."""
        found: Column[str] = next(iter(self.root.primary_key.columns))
        return found

    def may_go(self) -> tuple[ColumnElement[bool], ...]:
        """What else has to be true of a row than its age."""
        more = _DONE.get(self.name)
        return more() if more else ()


@cache
def aged_stores(retention: Retention) -> tuple[AgedStore, ...]:
    """The stores of a class, by the anchors that their columns name. Raises InvariantViolated where one is wrong."""
    by_anchor: dict[tuple[str, str], list[TableEntry]] = {}
    for entry in tables():
        anchors = {field.rules.anchor for field in entry.fields if field.rules.retention == retention}
        for anchor in sorted(anchors):
            root, _, column = anchor.rpartition(".")
            by_anchor.setdefault((root or entry.name, column), []).append(entry)
    return tuple(_store(root, column, entries) for (root, column), entries in by_anchor.items())


def without_rule() -> tuple[str, ...]:
    """Tables with a retention that nothing carries out: each is a mistake."""
    swept = {
        entry.name
        for retention in ("plan_logs", "proof_5_years", "days_90")
        for store in aged_stores(retention)
        for entry in store.entries
    }
    return tuple(
        entry.name
        for entry in tables()
        if {field.rules.retention for field in entry.fields} - {"account", "law_10_years"}
        and entry.name not in swept
        and entry.name not in ELSEWHERE
    )


def _store(root: str, column: str, entries: list[TableEntry]) -> AgedStore:
    table, known = find_table(root), {entry.name: entry for entry in tables()}
    hanging = {each.table.name for each in dependents(root)}
    strays = [entry.name for entry in entries if entry.name != root and entry.name not in hanging]
    owner = known[root].owner
    if strays or owner is None or owner.parent is not None or column not in table.c:
        raise InvariantViolated("RETENTION_ANCHOR", f"Nothing deletes {', '.join(strays) or root} by {root}.{column}.")
    every = (known[root], *(known[name] for name in known if name in hanging))
    return AgedStore(root, table, table.c[owner.column], table.c[column], every)
