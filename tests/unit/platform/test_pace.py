"""Batches that learn their size, and make room for others."""

from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event, Thread

import pytest
from sqlalchemy import text

from core.platform.database import Database
from core.platform.pace import (
    FIRST_ROWS,
    LEAST_ROWS,
    MOST_ROWS,
    POSTGRES_SECONDS,
    QUIET_AFTER,
    QUIET_REST,
    QUIET_SECONDS,
    SHARED_REST,
    SHARED_SECONDS,
    Pace,
    next_rows,
    rest,
    target,
)


class Seconds:
    """A clock that stands still, and what was rested by it."""

    def __init__(self) -> None:
        self.now, self.rests = 100.0, list[float]()

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.rests.append(seconds)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    made = Database(f"sqlite:///{tmp_path / 'pace.db'}")
    with made.write() as session:
        session.execute(text("CREATE TABLE said (words TEXT)"))
    yield made
    made.dispose()


@pytest.fixture
def seconds() -> Seconds:
    return Seconds()


@pytest.fixture
def pace(database: Database, seconds: Seconds) -> Pace:
    return Pace(database, clock=seconds, sleep=seconds.sleep)


def batch(pace: Pace, seconds: Seconds, took: float) -> None:
    with pace.write():
        seconds.now += took


@pytest.mark.parametrize(
    ("rows", "took", "wanted", "expected"),
    [
        (1_000, 0.01, 0.01, 1_000),
        (1_000, 0.02, 0.01, 500),
        (1_000, 0.008, 0.01, 1_250),
        (1_000, 0.0001, 0.01, 2_000),  # at most doubled
        (4_000, 0.0001, 0.01, MOST_ROWS),
        (4_000, 10.0, 0.01, 400),  # at most to a tenth
        (200, 10.0, 0.01, LEAST_ROWS),
        (1_000, 0.0, 0.01, 2_000),
    ],
)
def test_a_batch_has_as_many_rows_as_fit_into_its_time(rows: int, took: float, wanted: float, expected: int) -> None:
    assert next_rows(rows, took, wanted) == expected


def test_times_and_rests() -> None:
    assert target(is_sqlite=True, shared=True) == SHARED_SECONDS < QUIET_SECONDS == target(is_sqlite=True, shared=False)
    assert {target(is_sqlite=False, shared=shared) for shared in (True, False)} == {POSTGRES_SECONDS}
    assert rest(0.1, shared=True) == pytest.approx(0.1 * SHARED_REST)
    assert rest(0.1, shared=False) == pytest.approx(0.1 * QUIET_REST)
    assert SHARED_REST > 1, "others have the database for longer than the batches"


def test_alone_it_grows_to_its_time_and_hardly_rests(pace: Pace, seconds: Seconds) -> None:
    assert pace.rows == FIRST_ROWS
    for _ in range(20):
        batch(pace, seconds, pace.rows * 0.00001)
    assert pace.rows == pytest.approx(QUIET_SECONDS / 0.00001, rel=0.01)
    assert seconds.rests[-1] == pytest.approx(QUIET_SECONDS * QUIET_REST, rel=0.01)


def test_who_wrote_between_two_batches_is_given_room_for_a_while(
    pace: Pace, seconds: Seconds, database: Database
) -> None:
    batch(pace, seconds, 0.01)
    with database.write() as session:
        session.execute(text("INSERT INTO said VALUES ('between')"))
    batch(pace, seconds, 0.01)
    assert seconds.rests == [pytest.approx(0.01 * QUIET_REST), pytest.approx(0.01 * SHARED_REST)]
    batch(pace, seconds, QUIET_AFTER / 2)
    assert seconds.rests[-1] == pytest.approx(QUIET_AFTER / 2 * SHARED_REST), "somebody may come again"
    batch(pace, seconds, QUIET_AFTER)
    assert seconds.rests[-1] == pytest.approx(QUIET_AFTER * QUIET_REST), "nobody did"


def test_who_waits_for_the_writer_is_given_room(pace: Pace, seconds: Seconds, database: Database) -> None:
    waits, wrote = Event(), Event()

    def write() -> None:
        waits.set()
        with database.write() as session:
            session.execute(text("INSERT INTO said VALUES ('waited')"))
        wrote.set()

    other = Thread(target=write)
    seen = database.writes
    with pace.write():
        other.start()
        while database.writes == seen + 1:
            pass  # until it stands in line
        assert waits.is_set() and not wrote.is_set(), "SQLite has one writer"
        seconds.now += 0.01
    other.join()
    assert seconds.rests == [pytest.approx(0.01 * SHARED_REST)]


def test_time_in_line_is_not_the_batchs_own(
    database: Database, seconds: Seconds, monkeypatch: pytest.MonkeyPatch
) -> None:
    turn = database._one_at_a_time

    def slowly(*arguments: object) -> object:
        seconds.now += 5.0
        return turn(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(database, "_one_at_a_time", slowly)
    pace = Pace(database, clock=seconds, sleep=seconds.sleep)
    batch(pace, seconds, QUIET_SECONDS)
    assert pace.rows == FIRST_ROWS and seconds.rests == [pytest.approx(QUIET_SECONDS * QUIET_REST)]


def test_nothing_is_kept_of_a_batch_that_fails(pace: Pace, database: Database) -> None:
    with pytest.raises(ZeroDivisionError), pace.write() as session:
        session.execute(text("INSERT INTO said VALUES ('lost')"))
        raise ZeroDivisionError
    with database.read() as session:
        assert session.scalar(text("SELECT count(*) FROM said")) == 0


def test_the_log_is_folded_back_between_batches_while_others_write(
    pace: Pace, seconds: Seconds, database: Database, tmp_path: Path
) -> None:
    folded: list[int] = []
    fold: Callable[[], None] = database.fold_log

    def note() -> None:
        fold()
        folded.append(len(seconds.rests))

    database.fold_log = note  # type: ignore[method-assign]
    for _ in range(6):
        with database.write() as session:
            session.execute(text("INSERT INTO said VALUES (hex(zeroblob(50000)))"))
        batch(pace, seconds, 0.01)
    assert folded, "outside of what others wait for"
    assert (tmp_path / "pace.db").stat().st_size > 100_000, "what is in the log is in the file"
