"""Values leave as placeholders and come back, in whole texts, in JSON and in streams cut anywhere."""

import json

import pytest

from core.shared.personal_data import Placeholders, StreamRestorer, find
from core.shared.personal_data.samples import FOUND

TEXT = "Ada (ada@example.org, 06 12 34 56 78) and Bob (bob@example.org); again ada@example.org."


def masked(masks: Placeholders, text: str) -> str:
    return masks.mask(text, find(text))


def test_a_value_has_one_placeholder_for_as_long_as_the_run_goes_on() -> None:
    masks = Placeholders()
    assert masked(masks, TEXT) == "Ada ([EMAIL_1], [PHONE_1]) and Bob ([EMAIL_2]); again [EMAIL_1]."
    assert masked(masks, "bob@example.org, eve@example.org") == "[EMAIL_2], [EMAIL_3]"
    assert masks.restore("[EMAIL_2] met [EMAIL_1]") == "bob@example.org met ada@example.org"


@pytest.mark.parametrize(("kind", "text", "value"), FOUND)
def test_the_round_trip_gives_back_what_was_there(kind: str, text: str, value: str) -> None:
    masks = Placeholders()
    sent = masked(masks, text)
    assert value not in sent and f"[{kind}_1]" in sent and masks.restore(sent) == text


@pytest.mark.parametrize(
    "written",
    ["[EMAIL_1]", "[email_1]", "[Email 1]", r"\[EMAIL\_1\]", r"\[EMAIL_1\]", "[ EMAIL_1 ]", r"\\[EMAIL\\_1\\]"],
)
def test_models_write_placeholders_in_their_own_ways(written: str) -> None:
    masks = Placeholders()
    masked(masks, TEXT)
    assert masks.restore(f"To {written}: hello") == "To ada@example.org: hello"


def test_what_was_never_given_out_stays() -> None:
    masks = Placeholders()
    assert masks.restore("[EMAIL_1]") == "[EMAIL_1]"
    masked(masks, TEXT)
    assert masks.restore("[EMAIL_9] [NAME_1] [1] []") == "[EMAIL_9] [NAME_1] [1] []"


def test_a_number_that_a_text_uses_itself_is_left_out() -> None:
    assert masked(Placeholders(), "[EMAIL_1] stays; ada@example.org") == "[EMAIL_1] stays; [EMAIL_2]"


def test_json_comes_back_as_json() -> None:
    masks = Placeholders()
    masked(masks, TEXT)
    answer = '{"to": ["[EMAIL_1]"], "[EMAIL_2]": {"tel": "[PHONE_1]"}, "n": 1}'
    expected = {"to": ["ada@example.org"], "bob@example.org": {"tel": "06 12 34 56 78"}, "n": 1}
    assert json.loads(masks.restore(answer)) == expected
    assert masks.restore_json(json.loads(answer)) == expected


def test_a_run_that_is_taken_up_again_goes_on_with_its_placeholders() -> None:
    masks = Placeholders()
    named = masks.named_in(masked(masks, TEXT))
    assert named == {"[EMAIL_1]": "ada@example.org", "[PHONE_1]": "06 12 34 56 78", "[EMAIL_2]": "bob@example.org"}
    again = Placeholders(named)
    assert masked(again, "bob@example.org eve@example.org") == "[EMAIL_2] [EMAIL_3]"


ANSWER = r"Dear [EMAIL_1], [see \[EMAIL\_2\]] or [PHONE_1][EMAIL_1]; [EMAIL_77] [x] \ [ [EMA"


@pytest.mark.parametrize("size", [1, 2, 3, 5, 7, 11, 100])
def test_a_stream_is_restored_however_it_is_cut(size: int) -> None:
    masks = Placeholders()
    masked(masks, TEXT)
    stream = StreamRestorer(masks)
    pieces = [stream.feed(ANSWER[start : start + size]) for start in range(0, len(ANSWER), size)]
    assert "".join(pieces) + stream.flush() == masks.restore(ANSWER)


def test_a_stream_holds_back_only_what_may_become_a_placeholder() -> None:
    masks = Placeholders()
    masked(masks, TEXT)
    stream = StreamRestorer(masks)
    assert stream.feed("Hello [EMA") == "Hello "
    assert stream.feed("IL_1] and [1") == "ada@example.org and "
    assert stream.feed(", 2]") == "[1, 2]"
    assert stream.feed("a [long remark that is none]") == "a [long remark that is none]"
