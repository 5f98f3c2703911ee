"""Whichever way it is asked, nothing comes out of the console that fewer than five people did."""

from collections.abc import Callable, Iterator
from itertools import combinations
from typing import Any

import pytest

from core.accounts.commands import create_account
from core.accounts.domain import SessionView
from core.analytics.commands import flush
from core.analytics.console.commands import ask
from core.analytics.console.domain import NAME, Limits
from core.analytics.console.exchange import run_query
from core.analytics.folding import K
from core.platform.runtime import Runtime
from tests.conftest import PASSWORD
from tests.support.clock import FixedClock

PATIENT = Limits(seconds=30)
OTHERS = 12
RARE = ("canary-model", "canary-vendor", "audit", "enterprise", "CANARY_ERROR", 70000, 20000000)
"""What only one person did: words, and sizes of numbers."""
Event = tuple[str, str, str, dict[str, Any]]
"""Who, which event, its day and hour, its fields: each person did each at most once, so counts are people."""


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock()


@pytest.fixture
def done() -> list[Event]:
    """What really happened."""
    return []


@pytest.fixture(params=["open", "sealed"])
def lake(
    request: pytest.FixtureRequest,
    runtime_with: Callable[..., Runtime],
    clock: FixedClock,
    done: list[Event],
) -> Iterator[Runtime]:
    """A dozen people who do the same, four who do something else, and one who does what nobody does, at three hours."""
    runtime = runtime_with(clock=clock)
    clock.moment = clock.moment.replace(hour=9)
    people = [
        create_account(runtime, email=f"p{number}@example.org", password=PASSWORD, plan="free")
        for number in range(OTHERS)
    ]
    canary = create_account(runtime, email="canary@example.org", password=PASSWORD, plan="enterprise")

    def did(person: Any, event: str, **fields: Any) -> None:
        runtime.events.emit(event, person.id, **fields)
        plan = {"plan": person.plan}
        done.append((person.id, event, f"{clock.now():%Y-%m-%dT%H}", {**fields, **plan}))

    for number, person in enumerate(people):
        did(person, "page.viewed", page="runs" if number >= 4 else "usage", duration_ms=50)
        did(person, "step.ended", step_type="llm", provider="demo", model="demo", status="completed", tokens=500)
        did(person, "feature.used", feature="api_key.created" if number % 2 else "secret.saved")
    runtime.events.write_now()
    clock.advance(hours=3)
    for person in people[:6]:
        did(person, "error.met", error="NOT_FOUND", surface="app")
    did(canary, "page.viewed", page="audit", duration_ms=70000)
    did(
        canary, "step.ended", step_type="llm", provider="canary-vendor", model="canary-model", status="failed",
        tokens=20_000_000, error="CANARY_ERROR",
    )  # fmt: skip
    did(canary, "feature.used", feature="version.restored")
    did(canary, "error.met", error="CANARY_ERROR", surface="api")
    runtime.events.write_now()
    flush(runtime)
    if request.param == "sealed":
        clock.advance(days=3)
        flush(runtime)
    yield runtime


@pytest.fixture
def asked(lake: Runtime, admin_of: Callable[..., SessionView]) -> Callable[[str], list[tuple[Any, ...]]]:
    root = admin_of(lake)

    def put(query: str) -> list[tuple[Any, ...]]:
        answer = ask(lake, root, query, limits=PATIENT)
        assert answer.found.problem is None, (query, answer.found.problem)
        return [tuple(row) for row in answer.found.rows]

    return put


COUNTED = [
    "SELECT hour, count(*) FROM events GROUP BY hour",
    "SELECT event, hour, page, feature, model, plan, count(*) FROM events GROUP BY ALL",
    "SELECT hour, plan, model, error, count(*) FROM events GROUP BY CUBE (hour, plan, model, error)",
    "SELECT count(*) FROM events WHERE model = 'canary-model' OR error LIKE 'CANARY%' OR plan = 'enterprise'",
    "SELECT count(*) FROM events WHERE model <> 'demo'",
    "SELECT count(*) FROM events WHERE event = 'page.viewed' AND page IS DISTINCT FROM 'runs'",
    "SELECT count(*) FROM events WHERE event = 'error.met' AND error IS DISTINCT FROM 'NOT_FOUND'",
    "SELECT count(*) FROM (SELECT * FROM events EXCEPT ALL SELECT * FROM events WHERE plan = 'free')",
    "SELECT count(*) FROM (SELECT * FROM events WHERE event = 'step.ended' EXCEPT ALL "
    "SELECT * FROM events WHERE model = 'demo')",
    "SELECT count(*) FROM events WHERE hour = (SELECT max(hour) FROM events)",
    "SELECT count(*) FROM events WHERE duration_ms = (SELECT max(duration_ms) FROM events)",
    "SELECT count(*) FROM events WHERE hash(page, model, error, hour) = "
    "(SELECT hash(page, model, error, hour) FROM events GROUP BY ALL ORDER BY count(*) LIMIT 1)",
    "SELECT min(n) FROM (SELECT count(*) AS n FROM events GROUP BY ALL)",
    "SELECT min(n) FROM (SELECT count(*) OVER (PARTITION BY event, hour, page, plan, model, error) AS n FROM events)",
    "SELECT a.event, b.event, count(DISTINCT a.rowid) FROM events a JOIN events b "
    "ON a.hour = b.hour AND a.plan = b.plan AND a.event < b.event GROUP BY ALL",
    "SELECT a.hour, count(DISTINCT a.rowid) FROM events a ANTI JOIN events b ON b.model = 'demo' AND a.hour = b.hour "
    "GROUP BY ALL",
    "WITH rare AS (SELECT page FROM events GROUP BY page HAVING count(*) < 20) "
    "SELECT page, count(*) FROM events SEMI JOIN rare USING (page) GROUP BY ALL",
    "SELECT mode(page), count(*) FROM events WHERE event = 'page.viewed' GROUP BY hour",
]
"""Questions whose last column is a number of events, that is of people here."""
VALUED = [
    "SELECT DISTINCT * FROM events",
    "SELECT min(COLUMNS(*)) FROM events",
    "SELECT max(COLUMNS(*)) FROM events",
    "SELECT min(hour), max(hour), min(page), max(page), min(model), max(model), max(error), max(plan) FROM events",
    "SELECT quantile_disc(duration_ms, [0, 0.01, 0.5, 0.99, 1]), quantile_disc(tokens, [0, 0.99, 1]) FROM events",
    "SELECT arg_max(model, tokens), arg_max(page, duration_ms), arg_min(hour, tokens) FROM events",
    "SELECT list(DISTINCT page), list(DISTINCT model), list(DISTINCT error), list(DISTINCT hour) FROM events",
    "SELECT lag(page) OVER (ORDER BY hour, rowid), lead(model) OVER (ORDER BY hour, rowid), hour FROM events",
    "SELECT first(page ORDER BY rowid DESC), last(model ORDER BY hour), any_value(error) FROM events",
    "SELECT * FROM events USING SAMPLE 5 ROWS",
    "SELECT * FROM events USING SAMPLE 50 PERCENT (bernoulli)",
    "SELECT approx_top_k(page, 50), approx_top_k(model, 50), approx_top_k(error, 50) FROM events",
    "SELECT string_agg(DISTINCT concat_ws('|', hour, page, plan, feature, model, error, provider)) FROM events",
    "SELECT * FROM (SUMMARIZE events)",
    "SELECT stats FROM pragma_storage_info('events')",
    "SELECT * FROM (PIVOT events ON model USING count(*) GROUP BY hour)",
    "SELECT stats(page), stats(model), stats(duration_ms), stats(error), stats(hour) FROM events LIMIT 1",
]
"""Questions for values themselves."""


def test_no_count_is_of_fewer_than_five(asked: Callable[[str], list[tuple[Any, ...]]]) -> None:
    for query in COUNTED:
        counts = [row[-1] for row in asked(query)]
        assert all(number == 0 or number >= K for number in counts), (query, counts)


def test_no_value_of_the_one_comes_out(asked: Callable[[str], list[tuple[Any, ...]]], done: list[Event]) -> None:
    assert asked("SELECT count(*) FROM events WHERE page = 'runs' AND hour IS NOT NULL") == [(8,)], "others are shown"
    for query in VALUED:
        told = repr(asked(query))
        for rare in (*RARE, "version.restored"):
            assert f"{rare}" not in told, (query, rare)


def test_behind_each_row_stand_five_people_who_did_that(
    asked: Callable[[str], list[tuple[Any, ...]]], done: list[Event]
) -> None:
    names = [str(row[0]) for row in asked("DESCRIBE events")]
    kinds = {event for _, event, _, _ in done}
    rows = [dict(zip([*names, "n"], row, strict=True)) for row in asked("SELECT *, count(*) FROM events GROUP BY ALL")]
    assert rows and {row["event"] for row in rows} & kinds == kinds
    for row in rows:
        if row["event"] in kinds:
            people = {person for person, event, hour, fields in done if _fits(row, event, hour, fields)}
            assert len(people) >= max(K, row["n"]), row


def _fits(row: dict[str, Any], event: str, hour: str, fields: dict[str, Any]) -> bool:
    if row["event"] != event or row["day"] != hour[:10] or (row["hour"] is not None and row["hour"][:13] != hour):
        return False
    said = {
        name: value for name, value in row.items() if name not in ("event", "day", "hour", "n") and value is not None
    }
    return all(fields.get(name) == value for name, value in said.items())


def test_two_questions_subtracted_leave_five_or_none(asked: Callable[[str], list[tuple[Any, ...]]]) -> None:
    """Every pair of conditions on words: one and not the other."""
    conditions = [
        f"{name} IS NOT DISTINCT FROM {value}"
        for name, value in (
            ("hour", "(SELECT min(hour) FROM events)"), ("hour", "NULL"), ("page", "'runs'"), ("page", "NULL"),
            ("plan", "'free'"), ("plan", "NULL"), ("model", "'demo'"), ("error", "'NOT_FOUND'"), ("feature", "NULL"),
            ("event", "'page.viewed'"), ("event", "'step.ended'"), ("duration_ms", "50"), ("tokens", "NULL"),
        )
    ]  # fmt: skip
    counts = [
        f"count(*) FILTER ({one}) - count(*) FILTER ({one} AND {two})" for one, two in combinations(conditions, 2)
    ]
    (row,) = asked(f"SELECT {', '.join(counts)} FROM events")
    assert all(number == 0 or number >= K for number in row), row


def test_the_order_of_rows_tells_nothing(asked: Callable[[str], list[tuple[Any, ...]]]) -> None:
    assert asked("SELECT * FROM events ORDER BY rowid") == asked("SELECT * FROM events ORDER BY ALL")


@pytest.mark.parametrize("lake", ["sealed"], indirect=True)  # what happened is the same in both
def test_these_questions_find_the_one_where_rows_are_not_folded(
    tmp_path: Any, done: list[Event], lake: Runtime
) -> None:
    """The tries are good for something: over what really happened they single the person out."""
    import duckdb

    with duckdb.connect(str(tmp_path / NAME)) as connection:
        connection.execute(
            "CREATE TABLE events (event VARCHAR, hour TIMESTAMP, page VARCHAR, feature VARCHAR, model VARCHAR, "
            "plan VARCHAR, error VARCHAR, duration_ms INTEGER, tokens INTEGER, provider VARCHAR)"
        )
        for _, event, hour, fields in done:
            said = [fields.get(name) for name in ("page", "feature", "model", "plan", "error", "duration_ms", "tokens")]
            values = [event, f"{hour}:00:00", *said, fields.get("provider")]
            connection.execute("INSERT INTO events VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", values)
    counted = [run_query(tmp_path, query, PATIENT)[0] for query in COUNTED]
    assert all(found.outcome == "answered" for found in counted)
    assert sum(any(0 < row[-1] < K for row in found.rows) for found in counted) >= 2 * len(COUNTED) // 3
    valued = [run_query(tmp_path, query, PATIENT)[0] for query in VALUED]
    assert sum("canary-model" in repr(found.rows) for found in valued) >= len(VALUED) // 2
