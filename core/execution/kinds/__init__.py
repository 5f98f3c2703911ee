"""One module a kind of step: `prepare` says what a step would do. A new kind is a module and a line here."""

from collections.abc import Callable

from core.execution.kinds import code, condition, human_review, llm, map, parallel, pipeline, sql, transform, webhook
from core.execution.kinds.port import Prepared, StepContext

PREPARE: dict[str, Callable[[StepContext], Prepared]] = {
    "llm": llm.prepare,
    "transform": transform.prepare,
    "condition": condition.prepare,
    "parallel": parallel.prepare,
    "webhook": webhook.prepare,
    "human_review": human_review.prepare,
    "code": code.prepare,
    "sql": sql.prepare,
    "map": map.prepare,
    "pipeline": pipeline.prepare,
}

__all__ = ["PREPARE", "Prepared", "StepContext"]
