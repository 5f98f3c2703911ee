"""The rows that a transaction of the journal adds and ends, gathered and written with one statement a kind."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, cast

from sqlalchemy import Table, bindparam, delete, insert, update
from sqlalchemy.orm import Session

from core.execution.changes import Claim, Event
from core.execution.departures import BEGUN, Departure, Ended
from core.execution.models import EgressRow, RunEventRow, StepRunRow
from core.platform.runtime import Runtime
from core.shared.errors import AppError

Row = dict[str, Any]
STEPS = cast(Table, StepRunRow.__table__)
EVENTS = cast(Table, RunEventRow.__table__)
EGRESS = cast(Table, EgressRow.__table__)
_ENDED = (
    "status", "content", "input_tokens", "output_tokens", "credit_micros", "cost_micro_cents", "stop_reason",
    "error_code", "retry_at", "completed_at",
)  # fmt: skip
START_STEP = insert(STEPS)
END_STEP = update(STEPS).where(STEPS.c.id == bindparam("b_step")).values({name: bindparam(name) for name in _ENDED})
ADD_EVENT = insert(EVENTS)
ADD_DEPARTURE = insert(EGRESS)
END_DEPARTURE = update(EGRESS).where(EGRESS.c.id == bindparam("b_departure")).values(outcome=bindparam("outcome"))
_SENT = ("outcome", "categories", "size")
END_DELIVERY = (
    update(EGRESS).where(EGRESS.c.id == bindparam("b_departure")).values({name: bindparam(name) for name in _SENT})
)
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
        self.departures: list[Row] = []
        self.departed: list[Row] = []
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

    def add_departure(self, runtime: Runtime, claim: Claim, step_id: str, departure: Departure) -> None:
        """Add the row of something that is about to leave."""
        now = runtime.clock.now()
        self.departures.append(departure_row(departure, claim.owner_id, claim.run_id, claim.pipeline_id, step_id, now))

    def end_departures(self, ended: Ended) -> None:
        """Note how things that left went."""
        self.departed += [{"b_departure": departure_id, "outcome": outcome} for departure_id, outcome in ended]

    def flush(self) -> None:
        """Write what was gathered. A step may start and end in one transaction, so starts come first."""
        connection = self._session.connection()
        gathered = (
            (START_STEP, self.starts), (END_STEP, self.ends), (FOLD_TOKENS, self.folds), (ADD_EVENT, self.events),
            (ADD_DEPARTURE, self.departures), (END_DEPARTURE, self.departed),
        )  # fmt: skip
        for statement, rows in gathered:
            if rows:
                connection.execute(statement, rows)
                rows.clear()


def departure_row(
    departure: Departure, owner_id: str, run_id: str, pipeline_id: str | None, step_id: str | None, now: datetime
) -> Row:
    """The row of something that is about to leave."""
    return {
        "id": departure.id,
        "owner_id": owner_id,
        "run_id": run_id,
        "pipeline_id": pipeline_id,
        "step_id": step_id,
        "kind": departure.kind,
        "recipient": departure.recipient,
        "region": departure.region,
        "purpose": departure.purpose,
        "funding": departure.funding,
        "categories": None if departure.categories is None else joined(departure.categories),
        "masked": joined(departure.masked) or None,
        "size": departure.size,
        "outcome": BEGUN,
        "at": now,
    }


def joined(categories: Sequence[str]) -> str:
    """Categories as they are kept: sorted, so that equal ones are grouped."""
    return ",".join(sorted(set(categories)))
