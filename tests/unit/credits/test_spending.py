"""What credits went to, by day, pipeline and model; and the next 30 days."""

from datetime import date

from core.credits.spending import Forecast, Spent, by_day, by_model, by_pipeline, forecast

DAY = date(2026, 11, 26)


def spent(day: int, pipeline: str | None, model: str, micros: int) -> Spent:
    return Spent(date(2026, 11, day), pipeline, model, 1, micros, 100, 10, 20)


FOUND = (spent(24, "a", "haiku", 5), spent(24, "b", "haiku", 7), spent(26, "a", "gpt", 1))


def test_days_without_any_are_there() -> None:
    days = by_day(FOUND, date(2026, 11, 23), date(2026, 11, 26))
    assert [micros for _, micros in days] == [0, 12, 0, 1]
    assert days[0][0] == date(2026, 11, 23)
    assert by_day((), DAY, DAY) == ((DAY, 0),)


def test_shares_are_added_up_and_the_dearest_comes_first() -> None:
    assert [(share.name, share.micros, share.calls) for share in by_pipeline(FOUND)] == [("b", 7, 1), ("a", 6, 2)]
    first = by_model(FOUND)[0]
    assert (first.name, first.micros, first.input_tokens, first.cached_tokens, first.output_tokens) == (
        "haiku", 12, 200, 20, 40,
    )  # fmt: skip


def test_the_next_30_days_go_on_like_the_last() -> None:
    assert forecast(300, date(2026, 1, 1), DAY) == Forecast(300, 0, 30)
    assert forecast(300, date(2026, 11, 17), DAY) == Forecast(900, 0, 10), "ten days of use are scaled to thirty"
    assert forecast(40, DAY, DAY) == Forecast(1200, 0, 1)
    assert forecast(0, None, DAY) == Forecast(0, 0, 30)


def test_schedules_count_by_the_times_to_come() -> None:
    # 300 in 30 days, 200 of them by a schedule that now runs 60 times at 10.
    found = forecast(300, date(2026, 1, 1), DAY, [(200, 60, 10)])
    assert (found.micros, found.scheduled_micros) == (100 + 600, 600)
    assert forecast(10, date(2026, 1, 1), DAY, [(50, 0, 0)]).micros == 0, "never below zero"


def test_how_long_what_is_left_lasts() -> None:
    assert Forecast(300, 0, 30).days_left(100) == 10
    assert Forecast(0, 0, 30).days_left(100) is None
