"""What a plan allows of pipelines. (Prices and credits of plans belong to the room above.)"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PipelineLimits:
    """None is unlimited."""

    pipelines: int | None
    steps: int
    schedules: bool = True


LIMITS = {
    "free": PipelineLimits(3, 5, schedules=False),
    "starter": PipelineLimits(10, 10),
    "pro": PipelineLimits(None, 20),
    "enterprise": PipelineLimits(None, 50),
}


def limits_of(plan: str) -> PipelineLimits:
    """The limits of a plan."""
    return LIMITS[plan]
