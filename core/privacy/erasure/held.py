"""Reading what a legal hold keeps of an account that was deleted: for privacy admins, each time written down."""

import io
import json
import zipfile
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select

from core.accounts.audit import record_act
from core.accounts.domain import SessionView
from core.platform.runtime import Runtime
from core.privacy.erasure.keeping import sealed_at
from core.privacy.erasure.models import HeldRow, HoldCopyRow
from core.privacy.retention.holds import counts
from core.privacy.retention.models import LegalHoldRow
from core.privacy.signatures import check_privacy_admin
from core.shared.errors import InvariantViolated, NotFound


@dataclass(frozen=True, slots=True)
class KeptFor:
    """What an erasure kept for a hold, in rows by table."""

    hold_id: str
    counts: dict[str, int]

    @property
    def rows(self) -> int:
        """All of them."""
        return sum(self.counts.values())


def kept_for(runtime: Runtime) -> dict[str, KeptFor]:
    """What is kept for holds, by their id."""
    mine = select(HoldCopyRow.hold_id, HoldCopyRow.counts).where(HoldCopyRow.released_at.is_(None))
    with runtime.database.read() as session:
        return {hold: KeptFor(hold, json.loads(counted)) for hold, counted in session.execute(mine).tuples()}


def read_held(runtime: Runtime, by: SessionView, hold_id: str) -> bytes:
    """What a hold keeps as a zip: `rows.json`, and the contents of files. Each reading goes into the audit log.

    Raises Forbidden for who is no privacy admin or did not enter the password lately; NotFound once the hold ended.
    """
    with runtime.database.write() as session:
        hold = session.get(LegalHoldRow, hold_id)
        check_privacy_admin(runtime, by, hold.account_id if hold else "", confirmed=True)
        if hold is None or not counts(hold, runtime.clock.now()) or session.get(HoldCopyRow, hold_id) is None:
            raise NotFound("NOTHING_HELD", "Nothing is kept for this hold: it ended, or its account is there.")
        record_act(runtime, session, "hold.read", actor_id=by.account.id, subject_id=hold.account_id, hold=hold_id)
    out, rows = io.BytesIO(), list[Any]()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for row_id, table in _rows(runtime, hold_id):
            row = json.loads(_open(runtime, hold_id, table, row_id, 0))
            if (row["table"], row["id"]) != (table, row_id):
                raise InvariantViolated("SEAL_BROKEN", "A row that is kept for a legal hold is not what was sealed.")
            rows.append(row)
            if table == "files":
                with archive.open(f"files/{row_id}", "w") as file:
                    for part in range(1, row["row"]["parts"] + 1):
                        file.write(_open(runtime, hold_id, table, row_id, part))
        archive.writestr("rows.json", json.dumps(rows, ensure_ascii=False, indent=1))
    return out.getvalue()


def _rows(runtime: Runtime, hold_id: str) -> list[tuple[str, str]]:
    mine = (HeldRow.hold_id == hold_id, HeldRow.part == 0)
    with runtime.database.read() as session:
        found = session.execute(
            select(HeldRow.row_id, HeldRow.table_name).where(*mine).order_by(HeldRow.table_name, HeldRow.row_id)
        )
        return list(found.tuples())


def _open(runtime: Runtime, hold_id: str, table: str, row_id: str, part: int) -> bytes:
    mine = (HeldRow.hold_id == hold_id, HeldRow.table_name == table, HeldRow.row_id == row_id, HeldRow.part == part)
    with runtime.database.read() as session:
        row = session.scalars(select(HeldRow).where(*mine)).one()
    return runtime.vault.open(hold_id, sealed_at(row), row.content)
