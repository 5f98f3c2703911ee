"""What a quote takes for likely: the middle of what a step used lately."""

from core.execution.usual import Usual, usual_of


def attempt(
    written: int, status: str = "completed", provider: str | None = "anthropic"
) -> tuple[str, str | None, int, int]:
    return status, provider, 10 * written, written


def test_it_is_the_middle_of_what_was_completed() -> None:
    assert usual_of([attempt(90), attempt(5), attempt(40)]) == Usual(400, 40)
    assert usual_of([attempt(90), attempt(7_000, "failed"), attempt(40)]) == Usual(400, 40), "the lower of two"


def test_the_demo_model_and_what_never_ended_say_nothing() -> None:
    assert usual_of([attempt(5, provider="demo"), attempt(5, "failed"), attempt(0), attempt(9, provider=None)]) is None
    assert usual_of([]) is None
