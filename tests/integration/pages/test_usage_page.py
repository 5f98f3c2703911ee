"""The usage page, and what a run page says of quote and charge."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from core.credits import postings
from core.credits.domain import Metered, Quote
from core.execution.commands import start_run
from core.execution.domain import RunView, StepRunView
from core.pipelines.commands import create_pipeline
from core.platform.runtime import Runtime
from core.shared.money import MICROS
from pages.ui.day_chart import day_chart_html, months_of
from pages.ui.quote_bars import quote_bars_html, quote_bars_of
from tests.integration.pages.conftest import Person, page_test, sign_in_person, text_of, wait_for_end
from tests.support.clock import FixedClock

NAME = "<b>東京</b> digest"


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock()


@pytest.fixture
def spender(runtime_with: Callable[..., Runtime], monkeypatch: pytest.MonkeyPatch, clock: FixedClock) -> Person:
    """Ada on the Pro plan, on January 31st."""
    return sign_in_person(runtime_with(clock=clock), monkeypatch, plan="pro")


def call(person: Person, cause: str, pipeline: str) -> None:
    runtime, owner = person.runtime, person.account
    with runtime.database.write() as session:
        postings.hold(runtime, session, owner.id, plan="pro", micros=5 * MICROS, cause=cause)
        postings.settle(
            runtime, session, owner.id, plan="pro", held=5 * MICROS, micros=2 * MICROS, cause=cause,
            price_version=runtime.prices.current(runtime).version,
            metered=Metered(pipeline, "pro", "anthropic/claude-haiku-4-5", 1234, 34, 0, 567),
        )  # fmt: skip


@pytest.fixture
def used(spender: Person, clock: FixedClock) -> str:
    """A grant, and 60 calls in two months."""
    runtime = spender.runtime
    steps = [{"id": "say", "type": "transform", "template": "x"}]
    pipeline = create_pipeline(runtime, spender.account, {"name": NAME, "version": 1, "steps": steps}).id
    with runtime.database.write() as session:
        postings.grant(runtime, session, spender.account.id, micros=1000 * MICROS, cause="gift")
    clock.moment -= timedelta(days=40)
    for number in range(55):
        call(spender, f"run-{number}:say:1", pipeline)
    clock.moment += timedelta(days=40)
    for number in range(55, 60):
        call(spender, f"run-{number}:items[3]/say:1", pipeline)
    return pipeline


def test_nothing_spent_yet_says_what_would_cost(spender: Person) -> None:
    said = text_of(page_test("pages.account.usage", "usage_page"))
    assert "Nothing was spent yet." in said and "Open a pipeline" in said and "Credits by day" not in said


@pytest.mark.usefixtures("used")
def test_a_month_in_days_pipelines_models_and_movements(spender: Person) -> None:
    app = page_test("pages.account.usage", "usage_page")
    said = text_of(app)
    figures = {metric.label: metric.value for metric in app.metric}
    assert figures["Spent in this period"] == "10 cr" and figures["Next 30 days"] == "10 cr"
    assert "Credits by day: 10 cr in 31 days, at most 10 cr on 31 Jan" in said
    assert "&lt;b&gt;東京&lt;/b&gt; digest" in said and "<b>東京" not in said
    assert said.count('<td class="sq-cell-time">') == 5 and "1,234 → 567" in said
    version = spender.runtime.prices.current(spender.runtime).version
    assert f'href="/api/price-books/{version}"' in said and "run=run-59&amp;step=items" in said
    assert "/api/user/statement?format=pdf&amp;from=2027-01-01&amp;to=2027-01-31" in said
    assert 'href="/api/user/statement?format=json"' in said


@pytest.mark.usefixtures("used")
def test_other_days_are_in_the_address_and_long_lists_in_pages(spender: Person) -> None:
    query = {"from": "2026-12-01", "to": "2027-01-31"}
    said = text_of(page_test("pages.account.usage", "usage_page", **query))
    assert said.count('<td class="sq-cell-time">') == 50 and "Older" in said
    before = said.partition("before=")[2].partition('"')[0]
    older = text_of(page_test("pages.account.usage", "usage_page", **query, before=before))
    assert older.count('<td class="sq-cell-time">') == 11 and "Newest" in older and "Granted" in older
    last = page_test("pages.account.usage", "usage_page", period="last")
    assert "110 cr in 31 days, at most 110 cr on 22 Dec" in text_of(last)
    for nonsense in ({"from": "x", "to": "y"}, {"from": "2027-02-01", "to": "2027-01-01"}, {"from": "0001-01-01"}):
        app = page_test("pages.account.usage", "usage_page", **nonsense, before="-5")
        assert not app.exception and "10 cr in 31 days" in text_of(app)


def test_runs_of_a_range_with_their_rate_and_slowest_steps(spender: Person) -> None:
    definition = {
        "name": NAME, "version": 1, "input": {"schema": {"ok": {"type": "boolean"}}},
        "steps": [{"id": "looks", "type": "code", "language": "python", "source": "output = 1 // int(input['ok'])"}],
    }  # fmt: skip
    runtime, owner = spender.runtime, spender.account
    pipeline = create_pipeline(runtime, owner, definition)
    for ok in (True, True, False):
        run = start_run(runtime, owner, pipeline.id, {"ok": ok})
        wait_for_end(spender, run.id)
    for period, days in (("7", 7), ("28", 28), ("90", 90)):
        app = page_test("pages.account.usage", "usage_page", period=period)
        said = text_of(app)
        assert not app.exception and f"3 runs in {days} days, 1 failed" in said
        figures = {metric.label: metric.value for metric in app.metric}
        assert (figures["Runs ended"], figures["Success rate"], figures["Failed"]) == ("3", "66.7 %", "1")
        assert "Slowest steps" in said and ">looks<" in said and "&lt;b&gt;東京" in said and "<b>東京" not in said
    assert f"run?run={run.id}" not in said, "a step that failed took no time that says anything"


def test_a_time_without_runs_says_what_will_be_there(spender: Person) -> None:
    said = text_of(page_test("pages.account.usage", "usage_page", period="28"))
    assert "No run ended in this time." in said and "Runs by day" not in said and spender.account


def test_many_days_are_drawn_by_month(clock: FixedClock) -> None:
    first = clock.moment.date() - timedelta(days=99)
    days = [(first + timedelta(days=place), MICROS) for place in range(100)]
    assert sum(micros for _, micros in months_of(days)) == 100 * MICROS
    assert "Credits by month: 100 cr in 4 months" in day_chart_html(days)


def test_quote_and_charge_stand_side_by_side(clock: FixedClock) -> None:
    quote = Quote(1 * MICROS, 2 * MICROS, 10 * MICROS, {"say": (MICROS, 2 * MICROS, 10 * MICROS)})
    step = StepRunView("say", 0, "llm", "m", "anthropic", "completed", credit_micros=3 * MICROS)
    free = StepRunView("free", 1, "transform", None, None, "completed")
    run = RunView(
        id="r", owner_id="a", pipeline_id=None, pipeline_name="x", pipeline_version=1, trigger_type="api",
        status="completed", funding_mode="platform", definition={}, input_data={}, output_data=None, error=None,
        quote=quote, steps=(step, free), started_at=None, completed_at=None, created_at=clock.moment,
        cancel_requested_at=None,
    )  # fmt: skip
    whole, *steps = quote_bars_of(run)
    assert [bar.name for bar in steps] == ["say"], "what can cost nothing has no bar"
    said = quote_bars_html([whole])
    assert "Credits: quoted 1–10 cr, likely 2 cr; charged 3 cr" in said
    assert "left:10.00%;width:90.00%" in said and "width:30.00%" in said
