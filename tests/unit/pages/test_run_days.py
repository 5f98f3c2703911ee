"""Days of runs as a picture that says in words what it shows, and as files."""

import csv
from datetime import date, timedelta

from core.execution.usage_days import RunDay, StepPace, success_rate
from pages.ui.run_days import rate_words, run_days_csv, run_days_html, slow_steps_csv, slow_steps_html

FIRST = date(2027, 1, 1)


def days(number: int, **ended: int) -> list[RunDay]:
    return [RunDay(FIRST + timedelta(days=place), **ended) for place in range(number)]


def test_the_picture_says_what_it_shows() -> None:
    said = run_days_html([*days(6, completed=3, failed=1), RunDay(date(2027, 1, 7), completed=9, cancelled=1)])
    assert 'role="img" aria-label="Runs by day: 34 runs in 7 days, 6 failed, at most 10 on 7 Jan"' in said
    assert "27 completed" in said and "6 failed" in said and "1 cancelled" in said
    assert 'title="7 Jan: 9 completed, 1 cancelled"' in said and said.count("sq-part-failed") == 6


def test_many_days_are_drawn_by_week_and_days_without_runs_are_empty() -> None:
    said = run_days_html(days(90, completed=1))
    assert "Runs by week" in said and said.count("<span title=") == 13 and "from 1 Jan: 7 completed" in said
    assert "1 Jan: no runs" in run_days_html(days(7))


def test_a_rate_is_never_rounded_to_all() -> None:
    assert rate_words(days(1, completed=1)) == "100 %" and rate_words(days(1, cancelled=4)) == "–"
    assert rate_words([RunDay(FIRST, completed=99_999, failed=1)]) == "99.9 %"
    assert rate_words(days(1, completed=2, failed=1)) == "66.7 %" and success_rate([]) is None


def test_files_are_what_the_page_shows_and_run_no_formula() -> None:
    rows = list(csv.DictReader(run_days_csv(days(2, completed=3, failed=1)).splitlines()))
    assert rows[0] == {"day": "2027-01-01", "completed": "3", "failed": "1", "cancelled": "0", "success_rate": "0.7500"}
    pace = StepPace("p", "say", "llm", "demo", 4, 1200, 3400, "run-1")
    (row,) = csv.DictReader(slow_steps_csv([pace], {"p": "=1+1"}).splitlines())
    assert row["pipeline"] == "'=1+1" and row["median_ms"] == "1200" and row["longest_run_id"] == "run-1"


def test_steps_show_names_as_text() -> None:
    said = slow_steps_html([StepPace("p", "say", "llm", "demo", 4, 1200, 3400, "run-1")], {"p": "<b>x</b>"})
    assert "&lt;b&gt;x" in said and "1.2 s" in said and "run?run=run-1&amp;step=say" in said
