"""Which steps a notebook run executes, by what was pressed. Pure."""

from core.execution.domain import Mode, Selection
from core.pipelines.definition import Definition
from core.pipelines.graph import ancestors, descendants


def select_steps(definition: Definition, mode: Mode, step_id: str | None) -> Selection:
    """The selection of a run.

    `all` executes everything; `stale` lets every fresh output stand in; `cell` executes one cell, and `from_here`
    one cell and what is stale after it, each with the stale cells it needs.
    """
    if mode == "all":
        return Selection()
    if mode == "stale" or step_id is None:
        return Selection(None, frozenset(definition.step_ids))
    before = ancestors(definition, step_id)
    if mode == "cell":
        return Selection(before | {step_id}, before)
    after = descendants(definition, step_id)
    needed = before.union(*(ancestors(definition, later) for later in after))
    return Selection(needed | after | {step_id}, (needed | after) - {step_id})
