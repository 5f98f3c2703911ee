"""Each kind is found and not over-found, places are right in long texts too, and no text makes it slow."""

import re
import time

import pytest

from core.shared.personal_data import Finding, count_kinds, failed_samples, find, kinds_in_words
from core.shared.personal_data.detector import WINDOW
from core.shared.personal_data.samples import FOUND, NOTHING
from tests.support.cpu import plain_loop


@pytest.mark.parametrize(("kind", "text", "value"), FOUND)
def test_a_sample_is_found_whole_and_alone(kind: str, text: str, value: str) -> None:
    found = [(each.kind, text[each.start : each.end]) for each in find(text)]
    assert (kind, value) in found and {name for name, _ in found} == {kind}


@pytest.mark.parametrize("text", NOTHING)
def test_nothing_is_found_where_nothing_is(text: str) -> None:
    assert find(text) == ()


def test_the_detector_tests_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    assert failed_samples() == ()
    monkeypatch.setattr("core.shared.personal_data.samples.find", lambda _text: ())
    assert len(failed_samples()) == len(FOUND)
    monkeypatch.setattr("core.shared.personal_data.samples.find", lambda _text: (Finding("IP", 0, 1),))
    assert [each for each in failed_samples() if each.startswith("IP found in")]


def test_what_is_found_needs_no_escape_in_json() -> None:
    found = (text[each.start : each.end] for _, text, _ in FOUND for each in find(text))
    assert not any(re.search(r'["\\\x00-\x1f]', value) for value in found)


@pytest.mark.parametrize("place", [0, WINDOW - 20, WINDOW - 8, WINDOW, 3 * WINDOW - 3, 5 * WINDOW + 1])
@pytest.mark.parametrize("value", ["ada@example.org", "FR14 2004 1010 0505 0001 3M02 606", "06 12 34 56 78"])
def test_places_hold_across_windows(place: int, value: str) -> None:
    text = ("word " * WINDOW)[:place] + f" {value} " + "word " * WINDOW
    (found,) = find(text)
    assert text[found.start : found.end] == value


def test_numbers_beside_each_other_are_told_apart() -> None:
    text = "06 12 34 56 78 06 98 76 54 32, +33 6 12 34 56 78 2024"
    assert [text[each.start : each.end] for each in find(text)] == [
        "06 12 34 56 78",
        "06 98 76 54 32",
        "+33 6 12 34 56 78",
    ]


def test_kinds_in_words() -> None:
    counts = count_kinds(find("ada@example.org, bob@example.org, 06 12 34 56 78, DE89370400440532013000"))
    assert counts == {"EMAIL": 2, "PHONE": 1, "IBAN": 1}
    assert kinds_in_words(counts) == "2 e-mail addresses, 1 phone number and 1 bank account (IBAN)"
    assert kinds_in_words({}) == "" and kinds_in_words({"IP": 1}) == "1 IP address"


@pytest.mark.parametrize(
    "unit",
    ["a", "1", "1 ", "@", "a@", "a.b.", ":", "0612345678 ", "tel ", "tel 1 ", "born ", "born 1 ", "+1", "née ", "["],
)
def test_no_text_makes_it_slow(unit: str) -> None:
    text = (unit * 100_000)[:100_000]
    began = time.thread_time()
    find(text)
    assert time.thread_time() - began < 20 * plain_loop(), "twenty times what it takes"
