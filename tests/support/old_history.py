"""Runs of long ago: written with all that hangs on a run, as the journal leaves it."""

from datetime import datetime
from typing import Any

from sqlalchemy import Table, insert

from core.execution.models import (
    DeliveryAttemptRow,
    DeliveryRow,
    ReviewRow,
    RunEventRow,
    RunRow,
    ScheduleRow,
    StepRunRow,
)
from core.platform.runtime import Runtime

TABLES: dict[str, Any] = {
    "runs": RunRow, "step_runs": StepRunRow, "run_events": RunEventRow, "reviews": ReviewRow,
    "deliveries": DeliveryRow, "delivery_attempts": DeliveryAttemptRow, "schedules": ScheduleRow,
}  # fmt: skip
COST = 1_250_000
"""What each step cost, in millionths of a US cent."""


def add_runs(
    runtime: Runtime,
    owner_id: str,
    count: int,
    *,
    at: datetime,
    plan: str = "free",
    status: str = "completed",
    steps: int = 2,
    events: int = 3,
    whole: bool = False,
    said: str = "what somebody wrote",
    pipeline_id: str | None = None,
    provider: str | None = None,
) -> list[str]:
    """Write runs of a moment; `whole`: each with a review and a delivery. Returns their ids."""
    rows: dict[str, list[dict[str, Any]]] = {name: [] for name in TABLES}
    vault, ids = runtime.vault, runtime.ids
    for _ in range(count):
        run = ids.new()
        request = {"definition": {"name": "Old", "steps": []}, "input": {"text": said}, "funding": {}, "selection": []}
        rows["runs"].append(
            {
                "id": run, "owner_id": owner_id, "pipeline_id": pipeline_id, "trigger_type": "manual",
                "status": status, "plan": plan, "funding_mode": "free", "quote_low": 0, "quote_likely": 0,
                "quote_max": 0, "fence": 1, "last_seq": events, "created_at": at, "worked_ms": 0,
                "completed_at": at if status != "waiting" else None,
                "request": vault.seal_json(owner_id, f"runs.request:{run}", request),
                "result": vault.seal_json(owner_id, f"runs.result:{run}", {"output": said, "error": None}),
            }
        )  # fmt: skip
        for index in range(steps):
            step = ids.new()
            content = {"prompt": said, "raw": said, "parsed": said}
            rows["step_runs"].append(
                {
                    "id": step, "run_id": run, "owner_id": owner_id, "pipeline_id": pipeline_id,
                    "step_id": f"s{index}", "frame": "", "visit": 1, "step_index": index, "attempt": 1, "type": "llm",
                    "provider": provider, "model": "demo", "status": "completed", "input_tokens": 1,
                    "output_tokens": 1, "held_micros": 0, "credit_micros": 0, "cost_micro_cents": COST,
                    "started_at": at, "completed_at": at,
                    "content": vault.seal_json(owner_id, f"step_runs.content:{step}", content),
                }
            )  # fmt: skip
        for seq in range(1, events + 1):
            data = vault.seal_json(owner_id, f"run_events.data:{run}/{seq}", {"text": said})
            rows["run_events"].append({"run_id": run, "seq": seq, "kind": "trace_event", "data": data, "at": at})
        if whole:
            _add_rest(runtime, rows, owner_id, run, step, at, said)
    with runtime.database.write() as session:
        for name, model in TABLES.items():
            table = model.__table__
            assert isinstance(table, Table)
            for start in range(0, len(rows[name]), 1000):
                session.execute(insert(table), rows[name][start : start + 1000])
    return [row["id"] for row in rows["runs"]]


def _add_rest(
    runtime: Runtime, rows: dict[str, list[dict[str, Any]]], owner_id: str, run: str, step: str, at: datetime, said: str
) -> None:
    vault, review, delivery = runtime.vault, runtime.ids.new(), runtime.ids.new()
    rows["reviews"].append(
        {
            "id": review, "owner_id": owner_id, "run_id": run, "step_run_id": step, "step_id": "s1",
            "status": "decided", "on_timeout": "reject", "due_at": at, "decided_by": owner_id, "decided_at": at,
            "created_at": at, "question": vault.seal_json(owner_id, f"reviews.question:{review}", {"message": said}),
            "answer": vault.seal_json(owner_id, f"reviews.answer:{review}", {"decision": "approve", "comment": said}),
        }
    )  # fmt: skip
    rows["deliveries"].append(
        {
            "id": delivery, "owner_id": owner_id, "run_id": run, "target": "deliver.0", "kind": "webhook",
            "status": "sent", "attempts": 1, "fence": 1, "created_at": at, "sent_at": at,
            "request": vault.seal_json(
                owner_id, f"deliveries.request:{delivery}", {"url": "https://hooks.example.net/in", "body": said}
            ),
        }
    )  # fmt: skip
    rows["delivery_attempts"].append(
        {"delivery_id": delivery, "number": 1, "http_status": 200, "duration_ms": 5, "at": at}
    )
