"""The catalogue of events: what it takes, and above all what it does not."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.analytics.catalogue import EVENTS, FIELDS, NUMBERS, WORDS, check_event
from core.analytics.coarse import LARGEST, SIZES, coarse
from core.shared.errors import InvalidInput

PERSONAL = (
    "ada@example.org", "Ada Lovelace", "+33 6 12 34 56 78", "FR76 3000 6000 0112 3456 7890 189", "192.0.2.7",
    "write to my doctor", "Hello, I am Ada", "née", "", " ", "a" * 101, "x\ny", "https://example.org/a?b=c",
)  # fmt: skip


@pytest.mark.parametrize("value", PERSONAL)
def test_no_field_of_any_event_takes_what_a_person_wrote(value: str) -> None:
    for name, kind in EVENTS.items():
        for field in kind.fields:
            if field == "model" and value == "192.0.2.7":
                continue  # a model may be called that; it is the provider's word, never a person's
            with pytest.raises(InvalidInput):
                check_event(name, {field: value})


def test_a_word_is_kept_a_number_is_made_coarse_and_nothing_is_left_out() -> None:
    kept = check_event("page.viewed", {"page": "runs", "duration_ms": 41.7})
    assert kept == {"page": "runs", "duration_ms": 50}
    assert check_event("step.ended", {"step_type": "llm", "provider": None}) == {"step_type": "llm"}


@pytest.mark.parametrize(
    ("name", "fields"),
    [
        ("page.seen", {}),
        ("page.viewed", {"prompt": "x"}),
        ("page.viewed", {"duration_ms": "41"}),
        ("page.viewed", {"duration_ms": True}),
        ("feature.used", {"feature": "pipeline.dreamt"}),
    ],
)
def test_what_is_not_declared_is_refused(name: str, fields: dict[str, object]) -> None:
    with pytest.raises(InvalidInput):
        check_event(name, fields)


def test_every_declared_field_is_used_and_every_event_has_declared_fields() -> None:
    used = {field for kind in EVENTS.values() for field in kind.fields}
    assert used == set(FIELDS) and used | {"plan"} == set(WORDS) | set(NUMBERS)


@given(st.floats(min_value=-10, max_value=2 * LARGEST, allow_nan=False))
def test_a_coarse_number_is_the_next_size(value: float) -> None:
    size = coarse(value)
    assert size in SIZES
    if 0 <= value <= LARGEST:
        assert size >= value
        smaller = [each for each in SIZES if each < size]
        assert not smaller or smaller[-1] < value


def test_sizes_are_about_a_half_apart() -> None:
    above = [each for each in SIZES if each >= 10]
    assert all(1.3 < later / earlier < 1.7 for earlier, later in pairwise(above))
