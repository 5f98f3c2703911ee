"""What is done again and again beside a block of work."""

import threading
from datetime import timedelta
from threading import Event

from core.platform.repeating import repeating

SOON = timedelta(milliseconds=1)


def test_it_goes_on_after_a_failure_and_ends_with_the_block() -> None:
    again, told = Event(), list[int]()

    def act() -> bool:
        told.append(len(told))
        if len(told) == 1:
            raise OSError("away for a moment")
        again.set()
        return True

    with repeating("kept", SOON, act):
        assert again.wait(30)
        assert any(thread.name == "kept" for thread in threading.enumerate())
    assert all(thread.name != "kept" for thread in threading.enumerate())


def test_it_ends_once_it_is_no_use() -> None:
    told = list[int]()
    with repeating("lost", SOON, lambda: bool(told.append(1))):
        for thread in threading.enumerate():
            if thread.name == "lost":  # unless it is over already
                thread.join(30)
        assert told == [1]
