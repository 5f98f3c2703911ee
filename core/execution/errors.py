"""Errors of runs."""

from datetime import datetime

from core.execution.domain import Starter
from core.shared.errors import Conflict, Forbidden, LimitExceeded, NotFound
from core.shared.money import format_credits


def run_not_found() -> NotFound:
    """No such run, or somebody else's."""
    return NotFound(
        "RUN_NOT_FOUND", "There is no such run, or it is deleted: runs are kept for as long as your plan says."
    )


def review_not_found() -> NotFound:
    """No such review, or somebody else's."""
    return NotFound("REVIEW_NOT_FOUND", "There is nothing to decide here.")


def schedule_not_found() -> NotFound:
    """No such schedule, or somebody else's."""
    return NotFound("SCHEDULE_NOT_FOUND", "There is no such schedule.")


def written_in_definition() -> Conflict:
    """A schedule of a definition was to be changed or deleted elsewhere."""
    text = "This schedule is written in its pipeline: change `schedule` there and save a version. Nothing was changed."
    return Conflict("FROM_DEFINITION", text)


def cap_reached(starter: Starter, cap: int, taken: int, needed: int, anew: datetime) -> LimitExceeded:
    """What a key or a schedule may spend this month is used up, or too little is left to begin."""
    what, where = ("API key", "API keys") if starter.kind == "api_key" else ("schedule", "Schedules")
    text = (
        f"This {what} may spend {format_credits(cap)} a month, and its runs have spent or reserved "
        f"{format_credits(taken)}; the first step needs up to {format_credits(needed)}. No run was started. It begins "
        f"anew on {anew.day} {anew:%B %Y} (UTC); change the cap under {where}."
    )
    return LimitExceeded("CAP_REACHED", text)


def beyond_key_cap(cap: int, what: str) -> Forbidden:
    """A capped key asked for something that could spend more than the key may."""
    text = (
        f"This API key may spend {format_credits(cap)} a month, and {what}. Nothing was changed. Do it signed in, or "
        "with a key that has no cap."
    )
    return Forbidden("KEY_CAP", text)
