"""Inputs, transforms and outputs: values in, values out."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.pipelines.definition import Definition, TransformStep
from core.pipelines.inputs import check_input, coerce_input
from core.pipelines.outputs import OutputMismatch, parse_output, repair_prompt, run_output
from core.pipelines.schemas import first_problem
from core.pipelines.transforms import run_transform
from core.shared.errors import InvalidInput

PIPELINE = Definition.model_validate(
    {
        "name": "x",
        "input": {
            "schema": {
                "text": {"type": "string", "required": True},
                "count": {"type": "integer", "default": 3},
                "ratio": {"type": "number"},
                "loud": {"type": "boolean"},
                "tone": {"type": "string", "enum": ["plain", "warm"], "default": "plain"},
            }
        },
        "steps": [{"id": "a", "prompt": "p"}, {"id": "b", "prompt": "q"}],
        "output": {"from": "a"},
    }
)


def test_defaults_are_filled_and_what_was_not_given_is_null():
    given_input = {"text": "t", "extra": [1]}
    assert check_input(PIPELINE, given_input) == {
        "text": "t",
        "count": 3,
        "ratio": None,
        "loud": None,
        "tone": "plain",
        "extra": [1],
    }
    assert given_input == {"text": "t", "extra": [1]}


def test_checking_twice_changes_nothing():
    once = check_input(PIPELINE, {"text": "t", "ratio": 1})
    assert check_input(PIPELINE, once) == once


def test_all_inputs_that_do_not_fit_are_named():
    with pytest.raises(InvalidInput) as caught:
        check_input(PIPELINE, {"count": "3", "ratio": True, "loud": 1, "tone": "rude"})
    assert caught.value.code == "INVALID_INPUT"
    assert [detail["path"] for detail in caught.value.context["details"]] == [
        "input.text",
        "input.count",
        "input.ratio",
        "input.loud",
        "input.tone",
    ]
    assert "`text` is required" in caught.value.message


@pytest.mark.parametrize("value", [1.5, True, "1", float("inf"), float("nan"), [1]])
def test_integers_are_whole(value):
    with pytest.raises(InvalidInput):
        check_input(PIPELINE, {"text": "t", "count": value})
    assert check_input(PIPELINE, {"text": "t", "count": 4.0})["count"] == 4


def test_the_command_line_coerces():
    given_input = {"text": "7", "count": "7", "ratio": "1.5", "loud": "yes"}
    assert coerce_input(PIPELINE, given_input) == {"text": "7", "count": 7, "ratio": 1.5, "loud": True}


@pytest.mark.parametrize(
    ("pair", "words"),
    [
        (("count", "1.5"), "a whole number"),
        (("ratio", "nan"), "a number"),
        (("loud", "maybe"), "true or false"),
        (("txet", "a"), "Did you mean `text`?"),
        (("zzz", "a"), "There are: text"),
    ],
)
def test_the_command_line_says_what_it_expects(pair, words):
    with pytest.raises(InvalidInput) as caught:
        coerce_input(PIPELINE, dict([pair]))
    assert words in caught.value.message


SCOPE = {
    "input": {"text": "Order 48213 of 2 October", "none": None},
    "vars": {},
    "steps": {
        "list": {"output": {"rows": [{"n": 2, "t": "b"}, {"n": 1, "t": "a"}]}},
        "json_text": {"output": '[{"t": "x"}]'},
    },
}


def transform(**fields: object) -> object:
    """The output of a transform with these fields."""
    return run_transform(TransformStep.model_validate({"id": "t", "type": "transform", **fields}), SCOPE)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"template": "a {{input.text}}"}, "a Order 48213 of 2 October"),
        (
            {"prompt": "{{json steps.list.output.rows}}", "output_format": "json"},
            [{"n": 2, "t": "b"}, {"n": 1, "t": "a"}],
        ),
        ({"extract": "sort_by(rows, &n)[].t", "from": "{{steps.list.output}}"}, ["a", "b"]),
        ({"extract": "rows[0].t", "from": "list", "output_format": "text"}, "b"),
        (
            {"extract": "rows", "from": "steps.list.output", "output_format": "text"},
            '[{"n": 2, "t": "b"}, {"n": 1, "t": "a"}]',
        ),
        ({"extract": "[0].t", "from": "json_text"}, "x"),
        ({"extract": "nothing", "from": "list"}, None),
        ({"extract": "[0].t", "from": "json_text", "output_format": "json"}, "x"),
        ({"regex": {"pattern": r"\d+", "from": "input.text"}}, "48213"),
        ({"regex": {"pattern": r"of (\d) (?<month>\w+)", "group": "month"}, "from": "{{input.text}}"}, "October"),
        ({"regex": {"pattern": r"\d+", "from": "input.text"}, "output_format": "json"}, 48213),
        ({"regex": {"pattern": "zebra", "from": "input.text"}}, None),
        ({"regex": {"pattern": "(zebra)?Order", "group": 1, "from": "input.text"}}, None),
        ({"regex": {"pattern": '"n": 1', "from": "list"}}, '"n": 1'),
        ({"regex": {"pattern": "a", "from": "input.none"}}, None),
    ],
)
def test_transforms(fields, expected):
    assert transform(**fields) == expected


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"template": "{{input.nope}}"}, "MISSING_REFERENCE"),
        ({"template": "not json", "output_format": "json"}, "NOT_JSON"),
        ({"extract": "a", "from": "{{input.text}}"}, "NOT_JSON"),
        ({"extract": "length(rows[0].n)", "from": "list"}, "EXTRACT_FAILED"),
        ({"extract": "unknown(rows)", "from": "list"}, "EXTRACT_FAILED"),
        ({"extract": "|".join(["[@, @]"] * 40), "from": "list"}, "OUTPUT_TOO_LARGE"),
    ],
)
def test_transforms_that_fail_say_why(fields, code):
    with pytest.raises(InvalidInput) as caught:
        transform(**fields)
    assert caught.value.code == code


def test_a_runaway_pattern_is_stopped():
    scope = {"input": {"t": "a" * 5000 + "!"}, "vars": {}, "steps": {}}
    step = TransformStep.model_validate(
        {"id": "t", "type": "transform", "regex": {"pattern": "(a|aa)+$", "from": "input.t"}}
    )
    started = time.monotonic()
    with pytest.raises(InvalidInput) as caught:
        run_transform(step, scope)
    assert caught.value.code == "REGEX_TIMEOUT"
    assert time.monotonic() - started < 5


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"a": 1}', {"a": 1}),
        ("  [1, 2]\n", [1, 2]),
        ('"text"', "text"),
        ('```json\n{"a": 1}\n```', {"a": 1}),
        ('Here you are:\n\n```\n{"a": "`"}\n```\nAnything else?', {"a": "`"}),
        ('Sure! {"a": {"b": [1]}} Hope it helps [really].', {"a": {"b": [1]}}),
        ("I see [brackets] and then [1, 2].", [1, 2]),
    ],
)
def test_json_is_found_in_what_models_write(text, expected):
    assert parse_output(text) == expected


@pytest.mark.parametrize(
    "text",
    ["", "  ", "no json", '{"a": ', "{a: 1}", "NaN", '{"a": Infinity}', "[" * 100_000, "9" * 10_000, "{}[]" * 3 + "x"],
)
def test_what_is_not_json_is_a_mismatch(text):
    with pytest.raises(OutputMismatch):
        parse_output(text)


SCHEMA = {
    "type": "object",
    "required": ["topic", "urgency"],
    "additionalProperties": False,
    "properties": {
        "topic": {"enum": ["a", "b"]},
        "urgency": {"type": "integer", "maximum": 5},
        "tags": {"type": "array", "items": {"type": "string", "pattern": "^x"}},
        "more": {"$ref": "#/$defs/node"},
    },
    "$defs": {"node": {"type": "object", "properties": {"next": {"$ref": "#/$defs/node"}}, "required": ["id"]}},
}


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ({}, "`topic`, `urgency` are missing"),
        ({"topic": "a"}, "`urgency` is missing"),
        ({"topic": "c", "urgency": 1}, "at `topic` it must be one of a, b"),
        ({"topic": "a", "urgency": "5"}, "at `urgency` it must be a whole number"),
        ({"topic": "a", "urgency": 6}, "at `urgency` it must be at most 5"),
        ({"topic": "a", "urgency": 1, "secret name": 1}, "fields that are not in the schema"),
        ({"topic": "a", "urgency": 1, "tags": ["x", "y"]}, "at `tags[1]` it must match"),
        ({"topic": "a", "urgency": 1, "more": {"id": 1, "next": {}}}, "at `more.next` `id` is missing"),
    ],
)
def test_what_does_not_fit_a_schema_is_said_in_one_sentence(value, words):
    import json

    with pytest.raises(OutputMismatch) as caught:
        parse_output(json.dumps(value), SCHEMA)
    assert words in caught.value.message
    assert "secret name" not in caught.value.message


def test_a_runaway_schema_is_stopped():
    definitions = {f"a{n}": {"allOf": [{"$ref": f"#/$defs/a{n + 1}"}] * 2} for n in range(40)}
    schema = {"$ref": "#/$defs/a0", "$defs": {**definitions, "a40": {}}}
    with pytest.raises(OutputMismatch, match="too long"):
        parse_output("{}", schema)
    with pytest.raises(OutputMismatch, match="too long"):
        parse_output('"' + "a" * 5000 + '!"', {"pattern": "^(a|aa)+$"})
    assert first_problem({"type": "string"}, "a") is None


def test_the_repair_prompt_holds_the_question_the_answer_and_the_problem():
    prompt = repair_prompt("Extract the fields.", "{broken", "The answer is not JSON.")
    assert prompt.startswith("Extract the fields.\n")
    assert "{broken" in prompt and "The answer is not JSON." in prompt
    assert len(repair_prompt("p", "x" * 1_000_000, "y")) < 30_000


def test_the_output_of_a_run():
    outputs = {"a": {"t": [1]}, "b": "last"}
    scope = {"input": {}, "vars": {}, "steps": {name: {"output": value} for name, value in outputs.items()}}
    assert run_output(PIPELINE, scope, outputs) == {"t": [1]}

    def with_output(written: str | None) -> Definition:
        return PIPELINE.model_copy(update={"output": PIPELINE.output.model_copy(update={"from_": written})})

    assert run_output(with_output("steps.a.output.t"), scope, outputs) == [1]
    assert run_output(with_output("A: {{steps.b.output}}"), scope, outputs) == "A: last"
    assert run_output(with_output(None), scope, outputs) == "last"
    assert run_output(with_output("{{steps.b.output}}"), {**scope, "steps": {"b": {"output": None}}}, {}) is None


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    )
)
def test_any_json_is_read_back_fenced_or_not(value):
    import json

    text = json.dumps(value)
    assert parse_output(text) == value
    assert parse_output(f"```json\n{text}\n```") == value
