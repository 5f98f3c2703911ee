"""The charts of the dashboards: what each says, of which relation, and how it is read. Pure.

A chart is a file of SQL in `sql/` and what is needed to draw what it answers. Its parameters are bound by name: `first`
and `last`, the days, and its filters, each empty or a word.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Literal

from core.analytics.catalogue import PLAN
from core.analytics.facts import WORDS as FACT_WORDS
from core.shared.errors import NotFound

Kind = Literal["days", "weeks", "bars", "steps", "cohorts", "table"]
"""`days` and `weeks`: over time, a small picture a series; `bars`: the largest of many; `steps`: one after the other;
`cohorts`: a week of beginning by weeks since; `table`: nothing but the table."""
Unit = Literal["number", "people", "ms", "credits", "money", "share", "day", "word"]
Better = Literal["more", "less", ""]
"""Which way is good news; none where it is neither."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a chart: its name in the SQL, its title, and in what it counts."""

    name: str
    title: str
    unit: Unit = "number"


@dataclass(frozen=True, slots=True)
class Figure:
    """A number over the chart: the sum of a column, or of two columns their quotient, against the time before."""

    title: str
    column: str
    unit: Unit = "number"
    better: Better = ""
    over: str = ""
    where: tuple[str, str] | None = None
    """Only rows whose column has a word."""


@dataclass(frozen=True, slots=True)
class Chart:
    """A chart. `x` names its rows, `y` is what is drawn, `series` parts it; `filters` are columns of its relation."""

    name: str
    title: str
    says: str
    relation: str
    kind: Kind
    columns: tuple[Column, ...]
    x: str
    y: tuple[str, ...]
    filters: tuple[str, ...] = ("plan",)
    series: str = ""
    figures: tuple[Figure, ...] = ()
    teaches: str = ""
    """What is said where it is empty, after that five people are needed."""

    def column(self, name: str) -> Column:
        """The column of a name."""
        return next(column for column in self.columns if column.name == name)


@dataclass(frozen=True, slots=True)
class Dashboard:
    """Charts that are looked at together."""

    name: str
    title: str
    charts: tuple[str, ...]

    @property
    def filters(self) -> tuple[str, ...]:
        """Every filter of its charts, in their order."""
        return tuple(dict.fromkeys(name for chart in self.charts for name in CHARTS[chart].filters))


_DAY = Column("day", "Day", "day")
_PERCENTILES = (Column("p50_ms", "Half took at most", "ms"), Column("p95_ms", "95 % took at most", "ms"))
_ALL_PERCENTILES = (*_PERCENTILES, Column("p99_ms", "99 % took at most", "ms"))
_RUNS = ("plan", "trigger", "status")
_MODELS = ("plan", "provider", "model")

CHARTS: Mapping[str, Chart] = {
    chart.name: chart
    for chart in (
        Chart(
            "people_a_day", "People who ran something",
            "How many people had a run each day. Somebody who came on two days is in both.",
            "fact_people", "days", (_DAY, Column("people", "People", "people")), "day", ("people",),
            teaches="ran something on one day",
        ),
        Chart(
            "people_a_week", "People who came",
            "How many people used the service each week, whatever they did. Each is told once a week.",
            "events", "weeks", (Column("week", "Week from", "day"), Column("people", "People", "people")),
            "week", ("people",), teaches="came in one week",
        ),
        Chart(
            "views", "Pages viewed", "How often somebody went to a page of the app, a day.",
            "events", "days", (_DAY, Column("views", "Views")), "day", ("views",), ("plan", "page"),
            figures=(Figure("Page views", "views", better="more"),), teaches="looked at a page on one day",
        ),
        Chart(
            "runs", "Runs", "Runs asked for each day, and how many of them failed.",
            "fact_runs", "days", (_DAY, Column("runs", "Runs"), Column("failed", "Failed")), "day", ("runs", "failed"),
            _RUNS,
            figures=(
                Figure("Runs", "runs", better="more"),
                Figure("Failed runs", "failed", "share", "less", over="runs"),
            ),
            teaches="ran something on one day",
        ),
        Chart(
            "funnel", "From signing up to the tenth run",
            "How many people came this far, each counted once, on the day they did.",
            "events", "steps",
            (
                Column("stage", "Step", "word"), Column("people", "People", "people"),
                Column("share", "Of those who signed up", "share"), Column("days", "Days since, half at most"),
            ),
            "stage", ("people",),
            figures=(
                Figure("Signed up", "people", "people", "more", where=("stage", "signed_up")),
                Figure("Reached the tenth run", "people", "people", "more", where=("stage", "tenth_run")),
            ),
            teaches="came a step further on one day",
        ),
        Chart(
            "retention", "Who comes back",
            "Of the people who began in a week: which part came again so many weeks later.",
            "events", "cohorts",
            (
                Column("cohort", "Began in the week of", "day"), Column("weeks", "Weeks later"),
                Column("people", "People", "people"), Column("share", "Of the first week", "share"),
            ),
            "weeks", ("share",), series="cohort",
            teaches="of one week came on the same day of another",
        ),
        Chart(
            "features", "Features used", "How often each was used.",
            "events", "bars", (Column("feature", "Feature", "word"), Column("uses", "Uses")), "feature", ("uses",),
            ("plan", "feature"),
            figures=(Figure("Uses", "uses", better="more"),), teaches="used the same on one day",
        ),
        Chart(
            "models", "Models",
            "Calls, what people paid for those on platform keys, what their vendors cost, and how long they took.",
            "fact_steps", "bars",
            (
                Column("provider", "Vendor", "word"), Column("model", "Model", "word"), Column("calls", "Calls"),
                Column("errors", "Failed", "share"), Column("price", "Price", "money"),
                Column("vendor_cost", "Vendor cost", "money"), Column("margin", "Margin", "money"), *_ALL_PERCENTILES,
            ),
            "model", ("calls",), _MODELS, teaches="called a model on one day",
        ),
        Chart(
            "model_days", "Calls, price and margin",
            "Calls of models each day, and of those on platform keys what the vendor’s cost leaves of the price.",
            "fact_steps", "days",
            (
                _DAY, Column("calls", "Calls"), Column("failed", "Failed"), Column("price", "Price", "money"),
                Column("vendor_cost", "Vendor cost", "money"), Column("margin", "Margin", "money"),
            ),
            "day", ("calls", "price", "margin"), _MODELS,
            figures=(
                Figure("Calls", "calls", better="more"),
                Figure("Failed calls", "failed", "share", "less", over="calls"),
                Figure("Price", "price", "money", "more"),
                Figure("Margin", "margin", "money", "more"),
            ),
            teaches="called a model on one day",
        ),
        Chart(
            "credits", "Credits",
            "Credits that were granted, bought, spent, and that ended with their month, a day.",
            "fact_credits", "days",
            (_DAY, Column("kind", "What became of them", "word"), Column("credits", "Credits", "credits")),
            "day", ("credits",), series="kind",
            figures=(
                Figure("Granted", "credits", "credits", where=("kind", "granted")),
                Figure("Spent", "credits", "credits", "more", where=("kind", "spent")),
                Figure("Expired", "credits", "credits", "less", where=("kind", "expired")),
            ),
            teaches="were granted or spent credits on one day",
        ),
        Chart(
            "pages", "How quick pages are", "How long pages of the app took to draw when somebody went there.",
            "events", "bars", (Column("page", "Page", "word"), Column("views", "Views"), *_PERCENTILES),
            "page", ("p95_ms",), ("plan", "page"), teaches="looked at the same page on one day",
        ),
        Chart(
            "routes", "How quick the API is", "Requests of each address of the API, those that failed, and how long.",
            "events", "bars",
            (
                Column("method", "Method", "word"), Column("route", "Address", "word"),
                Column("requests", "Requests"), Column("errors", "Server errors", "share"), *_ALL_PERCENTILES,
            ),
            "route", ("p95_ms",), ("plan", "route"), teaches="called the same address on one day",
        ),
        Chart(
            "queue", "Waiting and running",
            "From being asked to the start, and to the end: half of the runs, and 95 of 100, took at most so long.",
            "fact_runs", "days",
            (
                _DAY, Column("wait_p50_ms", "Half waited at most", "ms"),
                Column("wait_p95_ms", "95 % waited at most", "ms"), Column("took_p50_ms", "Half took at most", "ms"),
                Column("took_p95_ms", "95 % took at most", "ms"),
            ),
            "day", ("wait_p95_ms", "took_p95_ms"), _RUNS, teaches="ran something on one day",
        ),
        Chart(
            "errors", "Why runs fail", "The errors that runs ended with.",
            "fact_runs", "bars", (Column("error", "Error", "word"), Column("runs", "Runs")), "error", ("runs",),
            _RUNS, teaches="met the same error on one day",
        ),
    )
}  # fmt: skip

DASHBOARDS: Mapping[str, Dashboard] = {
    board.name: board
    for board in (
        Dashboard("activity", "Activity", ("people_a_day", "people_a_week", "views", "runs")),
        Dashboard("funnel", "Funnel", ("funnel",)),
        Dashboard("retention", "Retention", ("retention",)),
        Dashboard("features", "Features", ("features",)),
        Dashboard("models", "Models", ("model_days", "models")),
        Dashboard("credits", "Credits", ("credits",)),
        Dashboard("runs", "Runs", ("runs", "queue", "errors")),
        Dashboard("speed", "Speed", ("pages", "routes")),
    )
}
FILTERS: Mapping[str, str] = {
    "plan": "Plan", "page": "Page", "feature": "Feature", "trigger": "Started by", "status": "Ended",
    "provider": "Vendor", "model": "Model", "route": "Address",
}  # fmt: skip
PLANS = tuple(sorted(PLAN.words))
TRIGGERS = tuple(sorted(FACT_WORDS["trigger"].words))


def find_chart(name: str) -> Chart:
    """The chart of a name. Raises NotFound."""
    if name not in CHARTS:
        raise NotFound("CHART_UNKNOWN", "There is no such chart. Choose one of the dashboards.")
    return CHARTS[name]


@cache
def chart_sql(name: str) -> str:
    """The text of a chart's SQL. Raises NotFound."""
    return files("core.analytics").joinpath("sql", f"{find_chart(name).name}.sql").read_text().strip()


def plain_sql(name: str) -> str:
    """The same without parameters: of every day there is and with no filter, as it can be asked anywhere."""
    text = chart_sql(name)
    for condition in (r"(day BETWEEN \$first AND \$last)", r"(CAST\(cohort AS DATE\) >= \$first)",
                      r"\(\$(\w+) IS NULL OR \1 = \$\1\)"):  # fmt: skip
        text = re.sub(condition, "true", text)
    return re.sub(r"\n *AND true\b", "", text)
