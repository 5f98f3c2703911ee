"""Slow statements and pages are told by their shape; no value of a statement is kept or logged."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, select, text
from structlog.testing import capture_logs

from core.platform.database import open_engine
from core.platform.pulse import SILENT_SECONDS, Pulse
from core.platform.slow import REMEMBERED, SlowLog, name_of, shape_of
from core.shared.thread_times import ThreadTimes, thread_times
from tests.support.clock import FixedClock
from tests.support.cpu import plain_loop


class Ticks:
    """Time that passes by itself: each look is one step later."""

    def __init__(self, step: float) -> None:
        self.now, self.step = 0.0, step

    def __call__(self) -> float:
        self.now += self.step
        return self.now


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    made = open_engine(f"sqlite:///{tmp_path / 'a.db'}")
    yield made
    made.dispose()


def slow_log(engine: Engine, step: float, **limits: int) -> SlowLog:
    made = SlowLog(FixedClock(), **{"query_ms": 200, "page_ms": 1000, **limits}, tick=Ticks(step))
    made.watch(engine)
    return made


@pytest.mark.parametrize(
    ("statement", "shape"),
    [
        ("SELECT a FROM t\n WHERE b = 'Ada''s' AND c = 12", "SELECT a FROM t WHERE b = ? AND c = ?"),
        ("SELECT t1.a FROM t1 WHERE t1.b IN (?, ?, ?)", "SELECT t1.a FROM t1 WHERE t1.b IN (?)"),
        ("UPDATE t SET a=%(a)s::VARCHAR WHERE b IN (%(b_1)s, %(b_2)s)", "UPDATE t SET a=? WHERE b IN (?)"),
        ("INSERT INTO t (a) VALUES (:a, $1)", "INSERT INTO t (a) VALUES (?)"),
    ],
)
def test_a_shape_has_no_values(statement: str, shape: str) -> None:
    assert shape_of(statement) == shape


def test_a_name_says_what_is_done_to_which_tables() -> None:
    shape = "SELECT a FROM runs JOIN step_runs ON x = y WHERE EXISTS (SELECT 1 FROM runs)"
    assert name_of(shape) == "SELECT runs, step_runs"
    assert (name_of("INSERT INTO mails (a) VALUES (?)"), name_of("BEGIN IMMEDIATE")) == ("INSERT mails", "BEGIN")


def test_a_slow_statement_is_told_without_its_values(engine: Engine) -> None:
    slow = slow_log(engine, 0.3)
    with capture_logs() as told, engine.connect() as connection:
        for name in ("ada@example.org", "eve@example.org"):
            connection.execute(text("SELECT * FROM (SELECT :name AS n) WHERE n = 'carol@example.org'"), {"name": name})
    (found,) = [each for each in slow.slowest("statement") if each.name.startswith("SELECT")]
    assert (found.times, found.worst_ms, len(found.digest)) == (2, 300, 12)
    assert "example.org" not in repr(found) + repr(told)
    lines = [line for line in told if line["event"] == "query.slow" and line["statement"].startswith("SELECT")]
    assert len(lines) == 2 and lines[0]["digest"] == found.digest and lines[0]["duration_ms"] == 300


def test_what_is_quick_is_not_told_and_zero_switches_off(engine: Engine) -> None:
    quick = slow_log(engine, 0.01)
    never = slow_log(engine, 9.0, query_ms=0, page_ms=0)
    with engine.connect() as connection:
        connection.execute(select(1))
    quick.page("runs", ThreadTimes(999, 10, 2))
    never.page("runs", ThreadTimes(9999, 10, 2))
    assert quick.slowest() == never.slowest() == ()


def test_slow_pages_are_told_by_their_name_and_only_so_many_are_kept(engine: Engine) -> None:
    slow = slow_log(engine, 0.0)
    for number in range(REMEMBERED + 50):
        slow.page(f"page-{number}", ThreadTimes(1000 + number, 10, 2))
    worst = slow.slowest("page", limit=1)[0]
    assert (worst.name, worst.worst_ms, worst.kind) == (f"page-{REMEMBERED + 49}", 1000 + REMEMBERED + 49, "page")
    assert len(slow.slowest(limit=10_000)) == REMEMBERED and slow.slowest("statement") == ()


def test_a_duty_that_is_silent_is_dead() -> None:
    now = [100.0]
    pulse = Pulse(lambda: now[0])
    assert pulse.alive("worker") is None
    pulse.beat("worker")
    now[0] += SILENT_SECONDS - 1
    assert pulse.alive("worker") is True
    now[0] += 2
    assert pulse.alive("worker") is False
    pulse.end("worker")
    assert pulse.alive("worker") is None


def test_a_thread_tells_its_work_from_what_it_waited() -> None:
    begun = thread_times()
    plain_loop()
    took = thread_times() - begun
    assert 0 < took.processor <= took.clock + 1 and took.queued >= 0
