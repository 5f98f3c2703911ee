"""Passages about others are found in every form that text takes, and nothing else is."""

import json
import unicodedata
from html import escape
from urllib.parse import quote, quote_plus

import pytest

from core.privacy.export.passages import AS_A_WORD, LEFT_OUT, MOST, Passages, clean_passages
from core.shared.errors import InvalidInput

NAME = "Renée d’Arc-Müller"


@pytest.mark.parametrize(
    "written",
    [
        NAME,
        NAME.upper(),
        NAME.replace(" ", "\n   "),
        NAME.replace(" ", "\u00a0"),
        json.dumps(NAME)[1:-1],
        json.dumps(NAME.replace(" ", "\n"))[1:-1],
        escape(NAME),
        quote(NAME),
        quote(NAME).lower(),
        quote_plus(NAME),
        unicodedata.normalize("NFD", NAME),
        json.dumps(unicodedata.normalize("NFD", NAME))[1:-1],
    ],
)
def test_a_passage_is_found_in_every_form(written: str) -> None:
    passages = Passages([NAME])
    assert passages.clean_text(f"to_{written}, and on") == f"to_{LEFT_OUT}, and on" and passages.count == 1


def test_a_short_one_counts_where_no_letter_stands_beside_it() -> None:
    passages = Passages(["Ann"])
    said = "Ann, ann_1 and [ANN] planned an annual banner"
    assert passages.clean_text(said) == f"{LEFT_OUT}, {LEFT_OUT}_1 and [{LEFT_OUT}] planned an annual banner"
    assert Passages(["Annabel"]).clean_text("AskAnnabelNow") == f"Ask{LEFT_OUT}Now"


def test_keys_lists_and_whole_numbers_are_cleaned_and_the_rest_stays() -> None:
    passages = Passages(["Charles", "+33 6 12 34 56"])
    value = {"Charles": [1, True, None, {"of": "charles!"}], "phone": 336123456, "sum": 3361234567, "charles": 2.5}
    assert passages.clean(value) == {
        LEFT_OUT: [1, True, None, {"of": f"{LEFT_OUT}!"}], "phone": LEFT_OUT, "sum": 3361234567, f"{LEFT_OUT} 2": 2.5,
    }  # fmt: skip
    assert passages.clean_name("About Charles.txt") == f"About {AS_A_WORD}.txt"


def test_the_longest_passage_goes_first_and_none_changes_nothing() -> None:
    assert Passages(["Charles", "Charles Babbage"]).clean_text("charles  babbage") == LEFT_OUT
    nothing = Passages()
    assert not nothing and nothing.clean({"a": "b"}) == {"a": "b"} and not nothing.stand_in("a")
    assert Passages(["a.c(d"]).clean_text("abc(d a.c(d") == f"abc(d {LEFT_OUT}"


def test_what_would_be_found_by_chance_is_refused() -> None:
    assert clean_passages(["  Charles \t Babbage ", "", "Charles Babbage", "Bob"]) == ("Charles Babbage", "Bob")
    for wrong in (["Al"], ["12345"], ["x" * 201], [f"name {each}" for each in range(MOST + 1)]):
        with pytest.raises(InvalidInput):
            clean_passages(wrong)


def test_a_number_is_found_however_it_is_grouped() -> None:
    passages = Passages(["+33 6 12 34 56 78"])
    for written in ("33612345678", "+33 6 12 34 56 78", "+33.6.12.34.56.78", "(33) 612-34-56-78", "%2B33%20612345678"):
        assert "345" not in passages.clean_text(f"call {written}, or so"), written
    assert passages.clean_text("1336123456789 and 336123456780") == "1336123456789 and 336123456780"
