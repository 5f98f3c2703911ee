"""Reading: YAML 1.2 and JSON into a definition, and every broken text into a place and a sentence."""

import json
import time

import pytest

from core.pipelines.parsing import parse
from core.pipelines.source import Issue

MINIMAL = "name: x\nsteps:\n  - id: a\n    prompt: hi\n"


def the_issue(source: str | bytes) -> Issue:
    parsed = parse(source)
    assert parsed.definition is None
    assert len(parsed.issues) == 1, parsed.issues
    return parsed.issues[0]


def test_minimal_definition_has_the_documented_defaults():
    definition = parse(MINIMAL).definition
    assert definition is not None
    step = definition.steps[0]
    assert (definition.version, step.type, step.timeout_seconds, step.retry.max_attempts) == (1, "llm", 60, 1)


def test_json_and_yaml_and_parsed_json_read_the_same():
    data = {"name": "x", "version": 1, "steps": [{"id": "a", "prompt": 'say "hi" \U0001f600\n/'}]}
    escaped = json.dumps(data).replace("/", "\\/")
    read = [parse(data), parse(json.dumps(data)), parse(escaped), parse(json.dumps(data).encode())]
    assert parse("{name: x, version: 1, steps: [{id: a, prompt: hi}]}").definition == parse(MINIMAL).definition
    assert all(one.definition == read[0].definition and not one.issues for one in read)


def test_words_and_dates_stay_text():
    text = "name: on\ndescription: 2026-01-02\nvariables: {a: yes, b: no, c: 12:30:00, d: 0777, e: 1_000}\n"
    definition = parse(text + "steps: [{id: on, prompt: y, needs: [off]}]").definition
    assert definition is not None
    assert (definition.name, definition.description, definition.steps[0].id) == ("on", "2026-01-02", "on")
    assert definition.variables == {"a": "yes", "b": "no", "c": "12:30:00", "d": 777, "e": "1_000"}


@pytest.mark.parametrize(
    ("text", "value"),
    [("true", True), ("~", None), ("0x1F", 31), ("0o17", 15), ("1.5e3", 1500.0), ("-3", -3), ("'3'", "3"), ("", None)],
)
def test_core_schema_scalars(text, value):
    parsed = parse(f"variables:\n  a: {text}\n{MINIMAL}")
    assert parsed.definition is not None
    assert parsed.definition.variables["a"] == value
    assert type(parsed.definition.variables["a"]) is type(value)


@pytest.mark.parametrize(
    ("source", "line", "column", "code"),
    [
        ("", 1, 1, "EMPTY"),
        ("# only a comment\n", 1, 1, "EMPTY"),
        ("- a\n- b\n", 1, 1, "NOT_A_MAPPING"),
        ("hello", 1, 1, "NOT_A_MAPPING"),
        ("name: x\n---\nname: y\n", 2, 1, "MULTIPLE_DOCUMENTS"),
        ("name: x\nsteps:\n\t- id: a\n", 3, 1, "SYNTAX"),
        ("name: x\nsteps:\n  - id: a: b\n", 3, 10, "SYNTAX"),
        ('description: d\nname: "x\nsteps: 3\n', 2, 7, "SYNTAX"),
        ("name: [a, b\nsteps: x\n", 2, 6, "SYNTAX"),
        ("name: 'a' b\n", 1, 11, "SYNTAX"),
        ("name: x\nsteps:\n  - id: a\n    prompt: {{input.x}}\n", 4, 13, "SYNTAX"),
        ("name: x\nsteps:\n  - id: a\n    prompt: {{input.x}} and more\n", 4, 13, "SYNTAX"),
        ("name: x\nsteps: \x00\n", 2, 8, "CONTROL_CHARACTER"),
        ("name: a\x1bb\n", 1, 8, "CONTROL_CHARACTER"),
        (MINIMAL.replace("hi", '"a\\0b"'), 4, 13, "CONTROL_CHARACTER"),
        ("name: a\nb: \xff".encode("latin-1"), 2, 4, "NOT_UTF8"),
        (MINIMAL + "name: y\n", 5, 1, "DUPLICATE_KEY"),
        (MINIMAL + "    prompt: again\n", 5, 5, "DUPLICATE_KEY"),
        (MINIMAL + "variables: {a: .nan}\n", 5, 16, "INVALID_VALUE"),
        (MINIMAL + f"variables: {{a: {'9' * 5000}}}\n", 5, 16, "INVALID_VALUE"),
        (MINIMAL + "variables: {a: 1e999}\n", 5, 16, "INVALID_VALUE"),
        (MINIMAL + "variables: {a: !!python/name:os.system x}\n", 5, 16, "TAG"),
        (MINIMAL + "variables: {a: &anchor 1}\n", 5, 16, "ALIAS"),
        ('{"name": "x",\n "steps": [}', 2, 12, "SYNTAX"),
        ('{"name": "x",\n "name": "y", "steps": [{"id": "a", "prompt": "p"}]}', 2, 2, "DUPLICATE_KEY"),
        ('{"name": "x"} {', 1, 15, "SYNTAX"),
        ('{"name": "x', 1, 10, "SYNTAX"),
        ("? [a]\n: b\n" + MINIMAL, 1, 3, "SYNTAX"),
    ],
)
def test_broken_text_is_reported_at_its_place(source, line, column, code):
    issue = the_issue(source)
    assert (issue.line, issue.column, issue.code) == (line, column, code)
    assert issue.message.endswith((".", ">`."))


def test_carriage_returns_and_a_byte_order_mark_do_not_shift_places():
    issue = the_issue("\ufeff" + MINIMAL.replace("\n", "\r\n") + "bad: 1\r\n")
    assert (issue.line, issue.column, issue.code) == (5, 1, "UNKNOWN_FIELD")


def test_alias_bomb_is_refused_where_it_begins():
    bomb = "a: &a [x, x]\n" + "".join(
        f"{chr(98 + n)}: &{chr(98 + n)} [*{chr(97 + n)}, *{chr(97 + n)}]\n" for n in range(20)
    )
    issues = [issue for issue in parse(bomb).issues if issue.code == "ALIAS"]
    assert (issues[0].line, issues[0].column) == (1, 4)
    assert len(issues) > 20


@pytest.mark.parametrize(
    ("text", "line", "column"),
    [
        ("".join(f"{'  ' * depth}a:\n" for depth in range(40)), 33, 65),
        ("a: " + "[" * 40 + "]" * 40, 1, 35),
        ("- " * 40 + "a", 1, 65),
        ('{"a": ' * 40 + "1" + "}" * 40, 1, 193),
        ('{"a": ' + "[" * 5000, 1, 38),
        ("a: " + "[" * 100_000, 1, 35),
    ],
)
def test_deep_nesting_is_refused_at_the_level_that_is_too_much(text, line, column):
    issue = the_issue(text)
    assert (issue.code, issue.line, issue.column) == ("TOO_DEEP", line, column)


def test_deep_parsed_json_is_refused():
    data: dict[str, object] = {}
    for _ in range(10_000):
        data = {"a": data}
    issue = parse(data).issues[0]
    assert (issue.code, issue.line) == ("TOO_DEEP", None)


def test_32_levels_are_allowed():
    inner = "{x: " * 28 + "1" + "}" * 28
    text = f"name: x\nsteps: [{{id: a, prompt: p, output_schema: {inner}}}]"
    assert parse(text).definition is not None


ORDINARY = "name: x\nsteps:\n" + "".join(
    f"  - id: s{n}\n    prompt: |\n" + "      a line: [x]\n" * 280 for n in range(50)
)


def cpu_seconds(text: str) -> float:
    started = time.thread_time()
    parse(text)
    return time.thread_time() - started


@pytest.mark.parametrize("make", [lambda text: text, lambda text: text.encode()])
def test_a_megabyte_is_refused_at_once(make):
    source = make(MINIMAL + "# " + "x" * 1_000_000)
    started = time.thread_time()
    issue = the_issue(source)
    assert time.thread_time() - started < cpu_seconds(ORDINARY) / 5
    assert (issue.code, issue.line, issue.column) == ("TOO_LARGE", 1, 1)
    assert "256 KB" in issue.message


def test_the_limit_counts_bytes():
    text = MINIMAL.replace("hi", "é" * 131_100)
    assert the_issue(text).code == "TOO_LARGE"
    assert parse(MINIMAL.replace("hi", "e" * 131_100)).definition is not None


@pytest.mark.parametrize(
    "text",
    [
        "a:\n" * 80_000,
        "- a\n" * 60_000,
        "[" + "a," * 120_000,
        '"' + "\n" * 250_000,
        "a: " + "b " * 130_000,
        "#\n" * 130_000,
        '{"a":[' + "1," * 120_000,
        '{"a":"' + "\\n" * 120_000,
        "x: 'y'\n" * 36_000,
    ],
    ids=range(9),
)
def test_256_kilobytes_of_anything_take_a_few_times_what_a_pipeline_of_that_size_takes(text):
    # About four to five times, most of it for reading as many tokens as are allowed.
    assert max(len(text), len(ORDINARY)) < 262_144
    assert cpu_seconds(text) < 12 * cpu_seconds(ORDINARY)


def test_every_problem_is_reported_at_once():
    text = """\
name: 2026
schedule: {cron: "* * * * *"}
steps:
  - id: a
    promt: hi
    temperature: warm
  - id: B
    type: webhook
    url: ftp://example.org
    nothing: 1
  - id: c
    type: transform
    model: demo
    template: x
    fallback: [demo]
    on_condition: []
output:
  from: c
  deliver:
  - {type: file, path: a.txt, to: a@example.org}
"""
    found = [(issue.line, issue.column, issue.path, issue.code) for issue in parse(text).issues]
    assert found == [
        (1, 7, "name", "WRONG_TYPE"),
        (4, 5, "steps[0].prompt", "MISSING_FIELD"),
        (5, 5, "steps[0].promt", "UNKNOWN_FIELD"),
        (6, 18, "steps[0].temperature", "WRONG_TYPE"),
        (7, 9, "steps[1].id", "INVALID_ID"),
        (9, 10, "steps[1].url", "NO_SCHEME"),
        (10, 5, "steps[1].nothing", "UNKNOWN_FIELD"),
        (13, 5, "steps[2].model", "UNKNOWN_FIELD"),
        (15, 5, "steps[2].fallback", "UNKNOWN_FIELD"),
        (20, 5, "output.deliver[0]", "NO_EFFECT"),
    ]


def test_steps_inside_steps_are_read_at_their_place():
    text = """\
name: x
steps:
  - id: each
    type: map
    foreach: input.list
    steps:
      - id: both
        type: parallel
        steps:
          - id: a
            prompt: hi
            temperature: warm
          - id: b
            type: webhok
          - id: c
            type: code
            language: ruby
            promt: x
"""
    found = [(issue.line, issue.path, issue.code) for issue in parse(text).issues]
    assert found == [
        (12, "steps[0].steps[0].steps[0].temperature", "WRONG_TYPE"),
        (14, "steps[0].steps[0].steps[1].type", "UNKNOWN_TYPE"),
        (15, "steps[0].steps[0].steps[2].source", "MISSING_FIELD"),
        (17, "steps[0].steps[0].steps[2].language", "INVALID_VALUE"),
        (18, "steps[0].steps[0].steps[2].promt", "UNKNOWN_FIELD"),
    ]


@pytest.mark.parametrize(
    ("field", "code"),
    [
        ("timeout_seconds: 0", "OUT_OF_RANGE"),
        ("timeout_seconds: 301", "OUT_OF_RANGE"),
        ("timeout_seconds: true", "WRONG_TYPE"),
        ("temperature: 2.1", "OUT_OF_RANGE"),
        ("retry: {max_attempts: 6}", "OUT_OF_RANGE"),
        ("retry: {max_attempts: 2, wait: 1}", "UNKNOWN_FIELD"),
        ("max_tokens: 1.5", "WRONG_TYPE"),
        ("output_format: xml", "INVALID_VALUE"),
        ("needs: a", "WRONG_TYPE"),
        ("output_schema: 3", "WRONG_TYPE"),
        ("output_schema: {type: object}\n    output_format: text", "CONFLICT"),
        ("system_prompt:", None),
    ],
)
def test_fields_out_of_bounds(field, code):
    issues = parse(f"{MINIMAL}    {field}\n").issues
    assert [issue.code for issue in issues] == ([] if code is None else [code])


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ("template: a\n    extract: b\n    from: c", "ONE_OF"),
        ("timeout_seconds: 3", "ONE_OF"),
        ("extract: b", "NO_SOURCE"),
        ("regex: {pattern: a}", "NO_SOURCE"),
        ("template: a\n    from: c", "NO_EFFECT"),
    ],
)
def test_a_transform_does_exactly_one_thing(body, code):
    issue = the_issue(f"name: x\nsteps:\n  - id: t\n    type: transform\n    {body}\n")
    assert (issue.code, issue.line, issue.column, issue.path) == (code, 3, 5, "steps[0]")


def test_unknown_fields_get_a_suggestion():
    issue = the_issue(f"{MINIMAL}    temprature: 1\n")
    assert "`temperature`" in issue.message
    assert (issue.line, issue.column) == (5, 5)
