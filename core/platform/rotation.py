"""A new master key in the place of the one before: every data key is wrapped anew, and none is lost on the way."""

import time

from core.platform.master_key import (
    begin_local_rotation,
    end_local_rotation,
    is_rotating,
    turn_local_key,
)
from core.platform.runtime import Runtime

STRAGGLERS_SECONDS = 1.0


def rotate_master_key(runtime: Runtime) -> int:
    """Wrap every data key with the new master key; answers how many were wrapped by another.

    With STEPIQ_MASTER_KEY the operator made the new key, and named the one before as STEPIQ_MASTER_KEY_PREVIOUS; every
    process has both until this is done. Without it the installation keeps its own key in a file, and makes a new one.
    Killed anywhere, it goes on when it is run again: meanwhile both keys open what either wrapped.
    """
    settings = runtime.settings
    if settings.master_key:
        return runtime.vault.rewrap()
    if not is_rotating(settings):
        begin_local_rotation(settings)
    turn_local_key(settings)
    count = runtime.vault.rewrap()
    time.sleep(STRAGGLERS_SECONDS)  # a key that another process was just making, wrapped by the key before
    count += runtime.vault.rewrap()
    end_local_rotation(settings)
    return count
