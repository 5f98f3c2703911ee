"""The garbage collector, where there is no garbage to be found."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager

ALLOCATIONS = 20_000


@contextmanager
def without_collections() -> Iterator[None]:
    """While modules are loaded: all of it stays, and looking for garbage in it took a fifth of the time.

    Nor is it looked through by the first collection afterwards, which took a third of `stepiq --help`.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if was_on:
            gc.enable()


def tune_collector() -> None:
    """Leave what was loaded at the start out of every collection, and collect less often.

    A run under way keeps many small objects alive, so a collection every 700 allocations (CPython's default) finds
    nothing to free and took a tenth of the time of a busy engine.
    """
    gc.unfreeze()
    gc.collect()
    gc.freeze()
    gc.set_threshold(ALLOCATIONS, 10, 10)
