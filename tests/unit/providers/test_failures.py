from __future__ import annotations

from datetime import UTC, datetime

import pytest

from core.providers.adapters.failures import Failure, Progress, read_retry_after, safe_detail, to_error
from core.providers.adapters.openai import is_strict
from core.providers.domain import BAD_REQUEST, ModelRequest
from tests.support.encodings import encodings

NOW = datetime(2026, 11, 23, 12, 0, 0, tzinfo=UTC)
REQUEST = ModelRequest("m", "Tell me about walruses and carpenters", system_prompt="Be a pirate, always")


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after": "-3"}, 0.0),
        ({"retry-after": "Mon, 23 Nov 2026 12:00:30 GMT"}, 30.0),
        ({"retry-after": "Mon, 23 Nov 2026 11:00:00 GMT"}, 0.0),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "999999"}, 3_600.0),
        ({"retry-after": "7", "retry-after-ms": "250"}, 0.25),
        ({"retry-after": "7", "retry-after-ms": "x"}, 7.0),
    ],
)
def test_retry_after_in_all_its_forms(headers: dict[str, str], seconds: float | None) -> None:
    assert read_retry_after(headers, NOW) == seconds


@pytest.mark.parametrize(
    "message",
    [
        "Cannot process: Tell me about walruses and carpenters",
        "Your instructions 'Be a pirate, always' are odd",
        "walruses and carpenters are not allowed",
        "Incorrect API key provided: abc-the-key-1. Find it elsewhere",
    ],
)
def test_details_that_repeat_what_was_sent_are_dropped(message: str) -> None:
    assert safe_detail(message, REQUEST, "abc-the-key-1") == ""


def test_useful_details_are_kept_and_keys_of_others_masked() -> None:
    said = "max_tokens: 999999 > 64000, which is the maximum for this model"
    assert safe_detail(said, REQUEST, "k-1234") == said
    assert "abcdef" not in safe_detail("Incorrect API key provided: sk-abcdef***xyz.", REQUEST, "k-1234")


KEY = "own-Canary/kEy+6f1Rw93b"


@pytest.mark.parametrize("form", [*encodings(KEY), KEY.upper(), KEY[:8], KEY[-8:]])
@pytest.mark.parametrize("before", [0, 270, 290, 1000])
def test_a_key_is_not_told_in_any_form_nor_in_part(form: str, before: int) -> None:
    assert safe_detail("x" * before + " " + form, REQUEST, KEY) == ""


def test_a_key_is_no_type_of_error() -> None:
    for key in ("canary-key-6f1Rw93b", "c4n4ry"):
        failure = Failure(BAD_REQUEST, False, vendor_type=key)
        error = to_error(failure, provider="parrot", request=REQUEST, key=key, progress=Progress())
        assert key not in repr((error, error.context))


def test_short_prompts_are_protected_too() -> None:
    assert safe_detail("Refused: 'hi Bob'", ModelRequest("m", "hi Bob"), "k-1234") == ""


def test_only_closed_schemas_are_strict() -> None:
    closed = {"type": "object", "properties": {"a": {}}, "required": ["a"], "additionalProperties": False}
    assert is_strict(closed)
    assert not is_strict({**closed, "required": []})
    assert not is_strict({**closed, "additionalProperties": True})
    assert not is_strict({**closed, "properties": {"a": {"type": "object", "properties": {"b": {}}}}})
