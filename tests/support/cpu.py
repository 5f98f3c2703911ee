"""A measure for CPU time that holds on any machine: what a plain loop takes, here and now, in this thread.

Other threads of a test process may be at work: of the process would be theirs as well.
"""

import time


def plain_loop() -> float:
    """CPU seconds of two million additions in Python: about a tenth of one on a machine of today."""
    began = time.thread_time()
    total = 0
    for number in range(2_000_000):
        total += number
    return time.thread_time() - began
