"""The garbage collector of a process that serves."""

import gc

ALLOCATIONS = 20_000


def tune_collector() -> None:
    """Leave what was loaded at the start out of every collection, and collect less often.

    A run under way keeps many small objects alive, so a collection every 700 allocations (CPython's default) finds
    nothing to free and took a tenth of the time of a busy engine.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(ALLOCATIONS, 10, 10)
