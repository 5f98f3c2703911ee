"""Rows of the ledger of what left, written without anything leaving."""

from datetime import datetime
from typing import Any

from core.execution.models import EgressRow
from core.platform.runtime import Runtime


def sent(runtime: Runtime, owner_id: str, recipient: str = "anthropic", **values: Any) -> str:
    """One row: a prompt that a provider answered, unless `values` say otherwise. Returns its id."""
    at: datetime = values.pop("at", runtime.clock.now())
    row: dict[str, Any] = {
        "id": runtime.ids.new(),
        "owner_id": owner_id,
        "run_id": runtime.ids.new(),
        "pipeline_id": None,
        "step_id": "ask",
        "kind": "model",
        "recipient": recipient,
        "region": "US",
        "purpose": "prompt",
        "funding": "platform",
        "categories": "",
        "masked": None,
        "size": 100,
        "outcome": "answered",
        "at": at,
        **values,
    }
    with runtime.database.write() as session:
        session.add(EgressRow(**row))
    return str(row["id"])
