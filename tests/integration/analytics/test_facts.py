"""Facts: equal to the rows they were made from, of at least five people each, and there when the rows are gone."""

from collections import Counter
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import delete, update

from core.accounts.commands import create_account
from core.accounts.domain import Account
from core.accounts.models import AccountRow
from core.analytics.coarse import coarse
from core.analytics.engine import open_duckdb
from core.analytics.facts import FACTS
from core.analytics.facts_commands import FIRST_DAYS, YOUNG_DAYS, build_facts
from core.analytics.facts_folding import bands
from core.analytics.facts_queries import define_fact
from core.analytics.facts_store import facts_built, facts_of
from core.credits import postings
from core.credits.domain import Metered
from core.execution.models import RunRow, StepRunRow
from core.platform.runtime import Runtime
from tests.conftest import PASSWORD
from tests.support.clock import FixedClock
from tests.support.old_history import add_runs

NOON = datetime(2027, 1, 31, 12, 0, tzinfo=UTC)
TODAY = NOON.date()
Row = dict[str, Any]


@pytest.fixture
def runtime(runtime_with: Callable[..., Runtime], database_settings: dict[str, str], clock: FixedClock) -> Runtime:
    return runtime_with(**database_settings, clock=clock)


def people(runtime: Runtime, number: int, plan: str = "free") -> list[Account]:
    return [
        create_account(runtime, email=f"{plan}{n}@example.org", password=PASSWORD, plan=plan) for n in range(number)
    ]


def facts(runtime: Runtime, name: str) -> list[Row]:
    with open_duckdb() as connection:
        define_fact(runtime, connection, name)
        found = connection.execute(f"FROM {name} ORDER BY ALL").fetchall()
    return [dict(zip(FACTS[name].columns, row, strict=True)) for row in found]


def change(runtime: Runtime, run_ids: list[str], **values: Any) -> None:
    with runtime.database.write() as session:
        session.execute(update(RunRow).where(RunRow.id.in_(run_ids)).values(**values))


def change_steps(runtime: Runtime, run_ids: list[str], **values: Any) -> None:
    with runtime.database.write() as session:
        session.execute(update(StepRunRow).where(StepRunRow.run_id.in_(run_ids)).values(**values))


def test_runs_are_counted_as_the_rows_say(runtime: Runtime) -> None:
    began, ended = NOON + timedelta(milliseconds=40), NOON + timedelta(milliseconds=1_900)
    for person in people(runtime, 6):
        done = add_runs(runtime, person.id, 2, at=NOON, steps=1, events=0)
        change(runtime, done, started_at=began, completed_at=ended)
        add_runs(runtime, person.id, 1, at=NOON, status="waiting", steps=1, events=0)
    assert build_facts(runtime) == 1
    waiting, done_row = sorted(facts(runtime, "fact_runs"), key=lambda row: row["runs"])
    hour = datetime(2027, 1, 31, 12, 0)  # noqa: DTZ001 - as DuckDB has it: in UTC, and without saying so
    same = {"day": TODAY, "hour": hour, "plan": "free", "trigger": "manual", "funding": "free", "error": None}
    assert done_row == {
        **same, "status": "completed", "people": 6, "runs": 12, "wait_ms": [{"size": 50, "number": 12}],
        "duration_ms": [{"size": coarse(1_900), "number": 12}],
    }  # fmt: skip
    assert waiting == {
        **same, "status": "under_way", "people": 6, "runs": 6, "wait_ms": None, "duration_ms": None,
    }  # fmt: skip
    assert facts(runtime, "fact_people") == [{"day": TODAY, "hour": None, "plan": "free", "people": 6}]


def test_steps_have_tokens_price_and_vendor_cost(runtime: Runtime) -> None:
    runtime.prices.current(runtime)  # the book of now, with its markup of 1.25
    for person in people(runtime, 5):
        runs = add_runs(runtime, person.id, 1, at=NOON, steps=2, events=0, provider="anthropic")
        change(runtime, runs, funding_mode="platform")
        change_steps(
            runtime, runs, model="claude-haiku-4-5", input_tokens=100, output_tokens=7, credit_micros=3_000_000,
            cost_micro_cents=2_500_000, attempt=2, completed_at=NOON + timedelta(seconds=2),
        )  # fmt: skip
    build_facts(runtime)
    (row,) = facts(runtime, "fact_steps")
    assert (row["provider"], row["model"], row["step_type"]) == ("anthropic", "claude-haiku-4-5", "llm")
    assert (row["people"], row["steps"], row["retries"]) == (5, 10, 10)
    assert (row["input_tokens"], row["output_tokens"], row["credit_micros"]) == (1_000, 70, 30_000_000)
    assert (row["price_micro_cents"], row["vendor_micro_cents"]) == (25_000_000, 20_000_000)
    assert row["duration_ms"] == [{"size": 2_000, "number": 10}]


def test_calls_on_own_keys_have_no_price_of_ours(runtime: Runtime) -> None:
    for person in people(runtime, 5):
        change(runtime, add_runs(runtime, person.id, 1, at=NOON, provider="openai"), funding_mode="own_key")
    build_facts(runtime)
    (row,) = facts(runtime, "fact_steps")
    assert (row["steps"], row["price_micro_cents"], row["vendor_micro_cents"]) == (10, 0, 0)


def test_credits_are_those_of_the_ledger(runtime: Runtime) -> None:
    everybody = people(runtime, 5)
    before = sum_credits(runtime)
    for person in everybody:
        with runtime.database.write() as session:
            postings.grant(runtime, session, person.id, micros=9_000_000, cause=f"gift:{person.id}")
            postings.hold(runtime, session, person.id, plan="free", micros=4_000_000, cause=f"{person.id}:s:1")
            postings.settle(
                runtime, session, person.id, plan="free", held=4_000_000, micros=1_500_000, cause=f"{person.id}:s:1",
                price_version=None, metered=Metered(None, "free", "demo/demo", 1, 0, 0, 1),
            )  # fmt: skip
    after = sum_credits(runtime)
    assert after - before == Counter({"granted": 45_000_000, "spent": 7_500_000})


def sum_credits(runtime: Runtime) -> Counter[str]:
    build_facts(runtime)
    found: Counter[str] = Counter()
    for row in facts(runtime, "fact_credits"):
        assert row["plan"] == "free" and row["people"] == 5
        found[row["kind"]] += row["credit_micros"]
    return found


def test_four_people_have_no_facts_and_a_fifth_makes_them_whole(runtime: Runtime) -> None:
    free = people(runtime, 4)
    for person in free:
        add_runs(runtime, person.id, 3, at=NOON)
    assert build_facts(runtime) == 0 and facts(runtime, "fact_runs") == []
    (pro,) = people(runtime, 1, "pro")
    add_runs(runtime, pro.id, 1, at=NOON, plan="pro", status="failed")
    build_facts(runtime)
    (row,) = facts(runtime, "fact_runs")
    assert (row["people"], row["runs"], row["plan"], row["status"], row["hour"]) == (5, 13, None, None, None)


def test_a_few_take_the_smallest_group_along_so_that_no_rest_can_be_reckoned(runtime: Runtime) -> None:
    for person in people(runtime, 12):
        add_runs(runtime, person.id, 2, at=NOON)
    for person in people(runtime, 6, "starter"):
        add_runs(runtime, person.id, 1, at=NOON, plan="starter", status="failed")
    (pro,) = people(runtime, 1, "pro")
    add_runs(runtime, pro.id, 1, at=NOON, plan="pro", status="cancelled")
    build_facts(runtime)
    found = facts(runtime, "fact_runs")
    assert sum(row["runs"] for row in found) == 31, "the day is whole"
    assert sorted((row["people"], row["runs"], row["plan"], row["status"]) for row in found) == [
        (7, 7, None, None), (12, 24, "free", "completed"),
    ]  # fmt: skip


@pytest.mark.parametrize("state", ["objected_at", "restricted_at", "closing_at"])
def test_who_objects_is_restricted_or_leaves_is_in_no_fact(runtime: Runtime, state: str) -> None:
    everybody = people(runtime, 6)
    for person in everybody:
        add_runs(runtime, person.id, 1, at=NOON)
    build_facts(runtime)
    assert {row["people"] for name in FACTS for row in facts(runtime, name)} == {6}
    with runtime.database.write() as session:
        setattr(session.get_one(AccountRow, everybody[0].id), state, NOON)
    build_facts(runtime)
    assert {row["people"] for name in FACTS for row in facts(runtime, name)} == {5}, "of no relation: none tells them"


def test_days_stay_when_their_runs_are_deleted(runtime: Runtime, clock: FixedClock) -> None:
    runs = [run for person in people(runtime, 5) for run in add_runs(runtime, person.id, 1, at=NOON, events=0)]
    build_facts(runtime)
    assert facts_built(runtime) == NOON
    clock.advance(days=YOUNG_DAYS)
    build_facts(runtime)
    with runtime.database.write() as session:
        session.execute(delete(StepRunRow).where(StepRunRow.run_id.in_(runs)))
        session.execute(delete(RunRow).where(RunRow.id.in_(runs)))
    build_facts(runtime)
    assert [row["runs"] for row in facts(runtime, "fact_runs")] == [5]
    clock.moment = datetime(2029, 2, 28, 12, tzinfo=UTC)
    build_facts(runtime)
    assert [row["day"] for row in facts(runtime, "fact_runs")] == [TODAY]
    clock.advance(days=1)
    build_facts(runtime)
    assert facts(runtime, "fact_runs") == [], "no longer than events are kept"


def test_the_first_time_goes_back_and_what_was_missed_is_made_up_for(runtime: Runtime, clock: FixedClock) -> None:
    everybody = people(runtime, 5)
    for days in (FIRST_DAYS + 1, FIRST_DAYS - 1, 10):
        for person in everybody:
            add_runs(runtime, person.id, 1, at=NOON - timedelta(days=days), steps=0, events=0)
    assert build_facts(runtime) == 2
    for person in everybody:
        add_runs(runtime, person.id, 1, at=NOON, steps=0, events=0)
    clock.advance(days=12)  # the job did not run
    build_facts(runtime)
    days = [row["day"] for row in facts(runtime, "fact_runs")]
    assert days == [date(2026, 12, 3), date(2027, 1, 21), TODAY]
    assert not list(facts_of(runtime).root.glob("*.part"))


def test_sizes_that_few_met_are_told_with_larger_ones() -> None:
    def met(size: int, *who: str) -> tuple[int, int, list[str]]:
        return size, len(who), list(who)

    assert bands([met(10, *"abcde"), met(20, *"abcdef")]) == [(10, 5), (20, 6)]
    assert bands([met(10, *"abc"), met(20, *"de"), met(50, *"abcde")]) == [(20, 5), (50, 5)]
    assert bands([met(10, *"abcde"), met(9_000, "a")]) == [(10, 6)], "the one that took longest points at nobody"
    assert bands([met(10, *"aaaaaa"), met(20, *"bbb")]) == []
