"""Charts: figures reckoned by hand, and no question about days and filters that tells of fewer than five people."""

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from io import BytesIO
from itertools import combinations, product
from typing import Any

import pytest
from pyarrow import parquet
from sqlalchemy import update

from core.accounts.commands import create_account
from core.accounts.domain import Account
from core.accounts.models import AccountRow
from core.analytics.charts import CHARTS, DASHBOARDS, FILTERS, chart_sql, plain_sql
from core.analytics.facts import FACTS
from core.analytics.facts_commands import build_facts
from core.analytics.facts_queries import open_fact
from core.analytics.queries import ask, days_before, forget_results, run_chart
from core.analytics.reading import SHOWN, open_events
from core.execution.models import RunRow, StepRunRow
from core.platform.runtime import Runtime
from core.shared.errors import InvalidInput, NotFound
from tests.conftest import PASSWORD
from tests.support.clock import FixedClock
from tests.support.old_history import add_runs

TODAY = date(2027, 1, 31)
NOON = datetime(2027, 1, 31, 12, 0, tzinfo=UTC)
WEEK_AGO = TODAY - timedelta(days=7)


@pytest.fixture
def runtime(runtime_with: Callable[..., Runtime], clock: FixedClock) -> Iterator[Runtime]:
    made = runtime_with(clock=clock)
    yield made
    forget_results(made)


@pytest.fixture
def people(runtime: Runtime) -> list[Account]:
    return [create_account(runtime, email=f"p{n}@example.org", password=PASSWORD, plan="free") for n in range(6)]


def shown(runtime: Runtime, name: str, **filters: str) -> list[tuple[Any, ...]]:
    forget_results(runtime)
    return list(run_chart(runtime, name, WEEK_AGO, TODAY, filters).rows)


def emit(runtime: Runtime, people: list[Account], event: str, **fields: object) -> None:
    for person in people:
        runtime.events.emit(event, person.id, **fields)
    runtime.events.write_now()


def test_every_chart_has_its_file_its_columns_and_its_parameters(runtime: Runtime) -> None:
    for name, chart in CHARTS.items():
        text = chart_sql(name)
        assert {word for word in ("first", "last", *FILTERS) if f"${word}" in text} == {"first", "last", *chart.filters}
        assert run_chart(runtime, name, WEEK_AGO, TODAY).columns == tuple(column.name for column in chart.columns)
        assert chart.x in run_chart(runtime, name, WEEK_AGO, TODAY).columns and chart.teaches
    assert {name for board in DASHBOARDS.values() for name in board.charts} == set(CHARTS)


def test_pages_by_how_often_and_how_quick(runtime: Runtime, people: list[Account]) -> None:
    for _ in range(9):
        emit(runtime, people, "page.viewed", page="runs", duration_ms=100)
    emit(runtime, people, "page.viewed", page="runs", duration_ms=700)
    emit(runtime, people, "page.viewed", page="usage", duration_ms=30)
    assert shown(runtime, "pages") == [("runs", 60, 100, 700), ("usage", 6, 30, 30)]
    assert shown(runtime, "pages", page="usage") == [("usage", 6, 30, 30)]
    assert shown(runtime, "pages", plan="pro") == []
    assert shown(runtime, "views") == [(TODAY, 66)] and shown(runtime, "views", page="runs") == [(TODAY, 60)]


def test_addresses_of_the_api_slowest_first(runtime: Runtime, people: list[Account]) -> None:
    asked = {"method": "GET", "route": "/runs", "answer": "2xx", "duration_ms": 50}
    for _ in range(3):
        emit(runtime, people, "api.answered", **asked)
    emit(runtime, people, "api.answered", **{**asked, "answer": "5xx", "duration_ms": 2_000})
    emit(runtime, people, "api.answered", **{**asked, "route": "/models"})
    assert shown(runtime, "routes") == [
        ("GET", "/runs", 24, 0.25, 50, 2_000, 2_000), ("GET", "/models", 6, 0.0, 50, 50, 50),
    ]  # fmt: skip


def test_features_by_use(runtime: Runtime, people: list[Account]) -> None:
    emit(runtime, people, "feature.used", feature="file.uploaded")
    emit(runtime, people[:5], "feature.used", feature="secret.saved")
    assert shown(runtime, "features") == [("file.uploaded", 6), ("secret.saved", 5)]


def test_the_way_to_the_tenth_run(runtime: Runtime, people: list[Account]) -> None:
    emit(runtime, people, "feature.used", feature="pipeline.created")
    for _ in range(10):
        emit(runtime, people[:5], "run.ended", status="completed", trigger="manual", funding="free")
    funnel = {row[0]: row[1:3] for row in shown(runtime, "funnel")}
    part = pytest.approx(5 / 6)
    assert funnel == {
        "signed_up": (6, 1.0), "first_pipeline": (6, 1.0), "first_run": (5, part), "first_completed": (5, part),
        "tenth_run": (5, part),
    }  # fmt: skip


def test_who_comes_back(runtime: Runtime, people: list[Account], clock: FixedClock) -> None:
    clock.moment = datetime(2027, 1, 25, 9, tzinfo=UTC)
    with runtime.database.write() as session:
        session.execute(update(AccountRow).values(created_at=clock.moment))
    emit(runtime, people, "page.viewed", page="runs")
    clock.moment = datetime(2027, 2, 22, 9, tzinfo=UTC)  # four weeks later: a size of the field stands for two weeks
    emit(runtime, people[:5], "page.viewed", page="runs")
    forget_results(runtime)
    rows = run_chart(runtime, "retention", date(2027, 1, 25), date(2027, 2, 28)).rows
    began = date(2027, 1, 25)
    assert list(rows) == [(began, 0, 6, 1.0), (began, 4, 5, pytest.approx(5 / 6))]
    forget_results(runtime)
    weeks = run_chart(runtime, "people_a_week", date(2027, 1, 25), date(2027, 2, 28)).rows
    assert list(weeks) == [(began, 6), (date(2027, 2, 22), 5)]


def test_runs_models_and_times_from_facts(runtime: Runtime, people: list[Account]) -> None:
    runtime.prices.current(runtime)
    for person in people:
        done = add_runs(runtime, person.id, 3, at=NOON, steps=1, events=0, provider="openai")
        failed = add_runs(runtime, person.id, 1, at=NOON, steps=1, events=0, provider="openai", status="failed")
        with runtime.database.write() as session:
            for ids, waited, took, code in ((done, 30, 1_000, None), (failed, 300, 7_000, "VENDOR_BUSY")):
                session.execute(
                    update(RunRow).where(RunRow.id.in_(ids)).values(
                        started_at=NOON + timedelta(milliseconds=waited),
                        completed_at=NOON + timedelta(milliseconds=took), error_code=code, funding_mode="platform",
                    )
                )  # fmt: skip
                session.execute(
                    update(StepRunRow).where(StepRunRow.run_id.in_(ids)).values(
                        completed_at=NOON + timedelta(milliseconds=took), model="gpt-5",
                        status="failed" if code else "completed",
                    )
                )  # fmt: skip
    build_facts(runtime)
    assert shown(runtime, "runs") == [(TODAY, 24, 6)]
    assert shown(runtime, "runs", status="failed") == [(TODAY, 6, 6)]
    assert shown(runtime, "people_a_day") == [(TODAY, 6)]
    assert shown(runtime, "errors") == [("VENDOR_BUSY", 6)]
    assert shown(runtime, "queue") == [(TODAY, 30, 300, 1_000, 7_000)]
    price, cost = 24 * 1_250_000, 24 * 1_000_000
    assert shown(runtime, "models") == [
        ("openai", "gpt-5", 24, 0.25, price, cost, price - cost, 1_000, 7_000, 7_000)
    ]  # fmt: skip
    assert shown(runtime, "model_days") == [(TODAY, 24, 6, price, cost, price - cost)]
    assert shown(runtime, "model_days", provider="anthropic") == []


def test_results_are_remembered_for_a_moment_and_asked_anew_when_something_came(
    runtime: Runtime, people: list[Account], monkeypatch: pytest.MonkeyPatch
) -> None:
    emit(runtime, people, "page.viewed", page="runs")
    first = run_chart(runtime, "views", WEEK_AGO, TODAY)
    emit(runtime, people, "page.viewed", page="runs")
    assert run_chart(runtime, "views", WEEK_AGO, TODAY) is first
    monkeypatch.setattr("core.analytics.queries.FRESH_SECONDS", 0.0)
    second = run_chart(runtime, "views", WEEK_AGO, TODAY)
    assert [row[1] for row in second.rows] == [12] and run_chart(runtime, "views", WEEK_AGO, TODAY) is second


def test_what_is_asked_wrongly_is_refused(runtime: Runtime) -> None:
    with pytest.raises(NotFound):
        run_chart(runtime, "../runs", WEEK_AGO, TODAY)
    with pytest.raises(InvalidInput):
        run_chart(runtime, "views", TODAY, WEEK_AGO)
    with pytest.raises(InvalidInput):
        run_chart(runtime, "views", WEEK_AGO, TODAY, {"page": "x" * 1_000})
    assert run_chart(runtime, "views", WEEK_AGO, TODAY, {"page": "' OR true --"}).rows == ()
    assert days_before(WEEK_AGO, TODAY) == (TODAY - timedelta(days=15), TODAY - timedelta(days=8))


def test_files_have_what_the_chart_has(runtime: Runtime, people: list[Account]) -> None:
    emit(runtime, people, "page.viewed", page="runs", duration_ms=100)
    result = run_chart(runtime, "pages", WEEK_AGO, TODAY)
    assert result.csv().decode().splitlines() == ['"page","views","p50_ms","p95_ms"', '"runs",6,100,100']
    assert parquet.read_table(BytesIO(result.parquet())).to_pylist() == result.dicts()


# No question tells of fewer than five people.


def test_no_two_questions_tell_of_one_person_by_their_difference(
    runtime: Runtime, people: list[Account], clock: FixedClock
) -> None:
    """Everybody does the same; one of them more: on another day, page, plan, with another model and another end.

    Whatever is asked, in ranges that differ by a day and with any filters, no answer and no difference of two answers
    is what the one did alone.
    """
    odd, others = people[0], people[1:]
    others += [create_account(runtime, email=f"q{n}@example.org", password=PASSWORD, plan="pro") for n in range(6)]
    with runtime.database.write() as session:
        session.execute(update(AccountRow).where(AccountRow.id == odd.id).values(plan="enterprise"))
    moments = [NOON - timedelta(days=days) for days in (2, 1, 0)]
    for day, moment in enumerate(moments):
        clock.moment = moment
        emit(runtime, [odd, *others], "page.viewed", page="runs", duration_ms=100)
        emit(runtime, others, "feature.used", feature="file.uploaded")
        for number, person in enumerate([odd, *others]):
            plan = "enterprise" if person is odd else person.plan
            add_runs(runtime, person.id, 1 + (number % 2), at=moment, plan=plan, steps=1, events=0, provider="openai")
        if day == 1:  # what only one did
            emit(runtime, [odd], "page.viewed", page="audit", duration_ms=7_000)
            emit(runtime, [odd], "feature.used", feature="secret.saved")
            emit(runtime, [odd], "api.answered", method="POST", route="/files", answer="5xx", duration_ms=7_000)
            add_runs(
                runtime, odd.id, 17, at=moment, plan="enterprise", status="failed", steps=1, events=0, provider="groq"
            )
    build_facts(runtime)
    questions = 0
    for name, chart in CHARTS.items():
        opened = open_fact(runtime, chart.relation) if chart.relation in FACTS else open_events(runtime)
        with opened as connection:
            for filters, first, last in product(chosen_filters(chart.filters), range(3), range(3)):
                if first <= last:
                    rows = ask(connection, chart, moments[first].date(), moments[last].date(), filters).to_pylist()
                    assert_no_answer_is_of_the_one(name, rows, filters)
                    questions += 1
    assert questions > 400
    assert_rows_are_of_five(runtime)


WORDS = {
    "plan": ("enterprise", "free"), "page": ("audit", "runs"), "feature": ("secret.saved",), "route": ("/files",),
    "provider": ("groq", "openai"), "status": ("failed", "completed"), "trigger": ("manual",), "model": ("demo",),
}  # fmt: skip


def chosen_filters(names: tuple[str, ...]) -> list[dict[str, str]]:
    """No filter, one, and two together, with words of the one and of everybody."""
    chosen: list[dict[str, str]] = [{}]
    for size in (1, 2):
        for some in combinations(names, size):
            chosen += [dict(zip(some, each, strict=True)) for each in product(*(WORDS[name] for name in some))]
    return chosen


def assert_no_answer_is_of_the_one(name: str, rows: list[dict[str, Any]], filters: dict[str, str]) -> None:
    for row in rows:
        for column in ("people",):
            assert row.get(column, 5) >= 5 or row.get(column) == 0, (name, filters, row)
        assert not {"audit", "secret.saved", "/files", "groq"} & {str(value) for value in row.values()}
        for column in ("views", "uses", "runs", "calls", "requests", "failed"):
            value = row.get(column, 0) or 0
            assert value == 0 or value >= 5, (name, filters, row)
        assert 7_000 not in row.values(), (name, filters, row)
    if filters.get("plan") == "enterprise":
        assert rows == [] or all((row.get("people") or 0) == 0 for row in rows)


def assert_rows_are_of_five(runtime: Runtime) -> None:
    """Each row that a question adds up is of five people at least: so is any sum of them, and any difference."""
    for name in FACTS:
        with open_fact(runtime, name) as connection:
            assert connection.execute(f"FROM {name} WHERE people < 5").fetchall() == []
    with open_events(runtime) as connection:
        alike = connection.execute(f"SELECT count(*) FROM events GROUP BY {', '.join(SHOWN)}").fetchall()
        assert min(number for (number,) in alike) >= 5


@pytest.mark.parametrize("name", CHARTS)
def test_a_query_can_be_asked_without_parameters(runtime: Runtime, name: str) -> None:
    chart = CHARTS[name]
    assert "$" not in plain_sql(name)
    opened = open_fact(runtime, chart.relation) if chart.relation in FACTS else open_events(runtime)
    with opened as connection:
        found = connection.execute(plain_sql(name))
        assert [column[0] for column in found.description or ()] == [column.name for column in chart.columns]


def test_the_console_reads_what_a_page_reads(runtime: Runtime, people: list[Account]) -> None:
    emit(runtime, people, "page.viewed", page="runs", duration_ms=100)
    chart = CHARTS["pages"]
    with open_events(runtime) as connection:
        assert ask(connection, chart, WEEK_AGO, TODAY, {}).num_rows == 1
