"""The rows that a transaction of the journal adds and ends, gathered and written with one statement a kind."""

from collections.abc import Sequence
from typing import Any, cast

from sqlalchemy import Table, bindparam, delete, insert, update
from sqlalchemy.orm import Session

from core.execution.changes import Claim, Event
from core.execution.models import RunEventRow, StepRunRow
from core.platform.runtime import Runtime
from core.shared.errors import AppError

Row = dict[str, Any]
STEPS = cast(Table, StepRunRow.__table__)
EVENTS = cast(Table, RunEventRow.__table__)
_ENDED = (
    "status", "content", "input_tokens", "output_tokens", "credit_micros", "cost_micro_cents", "stop_reason",
    "error_code", "retry_at", "completed_at",
)  # fmt: skip
START_STEP = insert(STEPS)
END_STEP = update(STEPS).where(STEPS.c.id == bindparam("b_step")).values({name: bindparam(name) for name in _ENDED})
ADD_EVENT = insert(EVENTS)
FOLD_TOKENS = delete(EVENTS).where(
    EVENTS.c.run_id == bindparam("b_run"), EVENTS.c.kind == "token", EVENTS.c.step_id == bindparam("b_step")
)


class Rows:
    """What a transaction writes to the journal when it is flushed: steps that start, steps that end, events.

    A call under way is two statements of one row each; many runs in one transaction share them.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self.starts: list[Row] = []
        self.ends: list[Row] = []
        self.folds: list[Row] = []
        self.events: list[Row] = []
        self.refusals: dict[str, AppError | None] = {}

    def add_events(self, runtime: Runtime, claim: Claim, events: Sequence[Event]) -> None:
        """Number the events of a run and add them."""
        now = runtime.clock.now()
        for kind, step_id, data in events:
            claim.seq += 1
            sealed = runtime.vault.seal_json(claim.owner_id, f"run_events.data:{claim.run_id}/{claim.seq}", data)
            row = {
                "run_id": claim.run_id,
                "seq": claim.seq,
                "kind": kind,
                "step_id": step_id,
                "data": sealed,
                "at": now,
            }
            self.events.append(row)

    def flush(self) -> None:
        """Write what was gathered. A step may start and end in one transaction, so starts come first."""
        connection = self._session.connection()
        gathered = (
            (START_STEP, self.starts), (END_STEP, self.ends), (FOLD_TOKENS, self.folds), (ADD_EVENT, self.events),
        )  # fmt: skip
        for statement, rows in gathered:
            if rows:
                connection.execute(statement, rows)
                rows.clear()
