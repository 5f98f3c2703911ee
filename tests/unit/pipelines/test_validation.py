"""Meaning: names, circles, models, expressions and schemas, each at its place."""

import pytest

from core.pipelines.definition import Definition, LlmStep, TransformStep, resolve_models, with_agent_defaults
from core.pipelines.dump import to_yaml
from core.pipelines.graph import ancestors, cycles, dependencies, descendants, order
from core.pipelines.json_schema import json_schema
from tests.unit.pipelines.models import check, only_error

HEAD = "name: x\ninput: {schema: {topic: {type: string}}}\nvariables: {tone: warm}\n"


def steps(*bodies: str, tail: str = "") -> str:
    """A definition with steps a, b, c... of these fields; the first step is on line 6, its fields from line 7."""
    lines = "".join(f"  - id: {chr(97 + number)}\n    {body}\n" for number, body in enumerate(bodies))
    return f"{HEAD}agent_defaults: {{}}\nsteps:\n{lines}{tail}"


def test_everything_at_once():
    text = """\
name: x
variables: {tone: warm}
input:
  schema:
    topic: {type: string, default: 3}
    n: {type: integer, enum: [1, "a"]}
agent_defaults: {model: claude-sonet}
steps:
  - id: a
    model: nope
    temperature: 9
    prompt: |
      Hello {{input.topci}}
        and {{steps.b.output}} and {{steps.a.output}} {{vars.tone.x}}
      {{env.KEY}}     {{#if input.topic}}
  - id: b
    prompt: "{{steps.a.output.title}} {{steps.zz.output}} {{foo}}"
    output_schema: {type: object, properties: {t: {type: strin}}, required: [t]}
  - id: b
    type: transform
    extract: "a["
    from: "{{steps.b.output}}"
    needs: [q, b]
  - id: c
    type: transform
    regex: {pattern: "(", from: steps.b.outputt}
  - id: d
    type: transform
    regex: {pattern: "(a)", group: 2, from: input.topic}
  - id: e
    type: transform
    template: "{{steps.1.output}} {{steps.99.output}}"
output: {from: nope}
"""
    checked = check(text, plan="free")
    assert checked.definition is None
    assert [(issue.line, issue.column, issue.code) for issue in checked.errors] == [
        (5, 36, "INVALID_DEFAULT"),
        (6, 34, "INVALID_DEFAULT"),
        (7, 25, "UNKNOWN_MODEL"),
        (9, 9, "CYCLE"),
        (10, 12, "UNKNOWN_MODEL"),
        (11, 18, "OUT_OF_RANGE"),
        (13, 15, "UNKNOWN_INPUT"),
        (14, 38, "SELF_REFERENCE"),
        (14, 57, "UNKNOWN_REFERENCE"),
        (15, 23, "TEMPLATE"),
        (17, 16, "UNKNOWN_REFERENCE"),
        (17, 41, "UNKNOWN_STEP"),
        (17, 61, "UNKNOWN_REFERENCE"),
        (18, 58, "INVALID_SCHEMA"),
        (19, 9, "DUPLICATE_ID"),
        (21, 14, "INVALID_JMESPATH"),
        (22, 14, "SELF_REFERENCE"),
        (23, 13, "UNKNOWN_STEP"),
        (23, 16, "SELF_REFERENCE"),
        (26, 22, "INVALID_REGEX"),
        (26, 33, "UNKNOWN_REFERENCE"),
        (29, 36, "INVALID_REGEX"),
        (30, 5, "STEP_LIMIT"),
        (32, 37, "UNKNOWN_STEP"),
        (33, 16, "UNKNOWN_OUTPUT"),
    ]
    assert [(issue.line, issue.code) for issue in checked.warnings] == [(6, "UNUSED_INPUT")]


@pytest.mark.parametrize(
    ("template", "column", "code"),
    [
        ("{{input.topic}} {{vars.tone}}", None, None),
        ("{{input}} {{json vars}} {{steps}}", None, None),
        ("a {{input.other}}", 18, "UNKNOWN_INPUT"),
        ("a {{ vars.other }}", 19, "UNKNOWN_VARIABLE"),
        ("{{input.topic.x}}", 16, "UNKNOWN_REFERENCE"),
        ("{{#each input.topic}}{{/each}}", 22, "NOT_A_LIST"),
        ("{{steps.nope.output}}", 16, "UNKNOWN_STEP"),
        ("{{steps.b.outptu}}", 16, "UNKNOWN_REFERENCE"),
        ("{{steps.b.output.x}}", 16, "UNKNOWN_REFERENCE"),
        ("{{steps.2.output}}", None, None),
        ("{{steps.3.output}}", 16, "UNKNOWN_STEP"),
        ("{{steps.1.output}}", 16, "SELF_REFERENCE"),
        ("{{env.KEY}}", None, None),
        ("{{env.KEY.x}}", 16, "UNKNOWN_REFERENCE"),
    ],
)
def test_references_are_checked_where_they_stand(template, column, code):
    source = steps(f"prompt: {template!r}", "prompt: hi")
    if code is None:
        assert check(source).errors == ()
        return
    error = only_error(source)
    assert (error.line, error.column, error.code, error.path) == (7, column, code, "steps[0].prompt")


def test_places_inside_folded_and_escaped_texts():
    source = steps('prompt: "a \\u00e9\n      {{input.nope}}"')
    error = only_error(source)
    assert (error.line, error.column) == (8, 9)
    error = only_error(steps("prompt: >-\n      one\n      two {{input.nope}} {{input.topic}}"))
    assert (error.line, error.column) == (9, 13)


@pytest.mark.parametrize(
    ("path", "known"),
    [("title", True), ("titel", False), ("tags.0", True), ("tags.0.x", False), ("free.anything", True)],
)
def test_paths_are_checked_against_an_output_schema(path, known):
    schema = "{type: object, properties: {title: {type: string}, free: {type: object}, "
    schema += "tags: {type: array, items: {type: string}}}}"
    source = steps(f"prompt: p\n    output_schema: {schema}", f"prompt: '{{{{steps.a.output.{path}}}}}'")
    codes = [issue.code for issue in check(source).errors]
    assert codes == ([] if known else ["UNKNOWN_REFERENCE"])


@pytest.mark.parametrize(
    ("bodies", "line", "path"),
    [
        (("prompt: '{{steps.b.output}}'", "prompt: '{{steps.a.output}}'"), 6, "a -> b -> a"),
        (("prompt: p", "prompt: p\n    needs: [c]", "prompt: '{{steps.2.output}}'"), 8, "b -> c -> b"),
        (
            ("prompt: p\n    needs: [c]", "prompt: p\n    needs: [a]", "prompt: p\n    needs: [b]"),
            6,
            "a -> c -> b -> a",
        ),
    ],
)
def test_circles_are_named(bodies, line, path):
    error = only_error(steps(*bodies))
    assert (error.line, error.column, error.code) == (line, 9, "CYCLE")
    assert path in error.message


@pytest.mark.parametrize("written", ["a", "steps.a.output", "'{{steps.a.output}}'", "'1'", "'{{steps.1.output.x}}'"])
def test_output_from_may_be_written_in_three_ways(written):
    source = steps("prompt: p\n    output_format: json", tail=f"output: {{from: {written}}}\n")
    assert check(source).errors == ()


@pytest.mark.parametrize(
    ("written", "code"),
    [("zz", "UNKNOWN_OUTPUT"), ("'{{steps.zz.output}}'", "UNKNOWN_OUTPUT"), ("Some Text", "UNKNOWN_OUTPUT")],
)
def test_unknown_output(written, code):
    error = only_error(steps("prompt: p", tail=f"output:\n  from: {written}\n"))
    assert (error.line, error.code, error.path) == (9, code, "output.from")


def test_a_reference_to_an_invalid_id_is_one_error_only():
    source = "name: x\nsteps:\n  - {id: A-1, prompt: p}\n  - {id: b, prompt: '{{steps.A-1.output}}'}\n"
    assert only_error(source).code == "INVALID_ID"


def test_models_are_suggested():
    error = only_error(steps("prompt: p\n    model: claude-sonet"))
    assert (error.line, error.column, error.code) == (8, 12, "UNKNOWN_MODEL")
    assert "`claude-sonnet-5`" in error.message


def test_step_limit_names_both_numbers():
    error = only_error(steps(*["prompt: p"] * 6), "free")
    assert (error.line, error.column, error.code) == (16, 5, "STEP_LIMIT")
    assert "Free plan allows 5 steps" in error.message and "this has 6" in error.message


@pytest.mark.parametrize(
    ("schema", "column"),
    [
        ("{type: objekt}", 27),
        ("{type: object, properties: {a: {pattern: '('}}}", 61),
        ("{$ref: 'https://example.org/s.json'}", 27),
        ("{$ref: 'file:///etc/passwd'}", 27),
        ("{$ref: '#'}", 20),
        ("{$ref: '#/$defs/n'}", 27),
        ("{required: title}", 31),
        ("{patternProperties: {}}", 40),
        ("{$id: 'https://example.org'}", 26),
    ],
)
def test_schemas_that_cannot_be_applied(schema, column):
    error = only_error(steps(f"prompt: p\n    output_schema: {schema}"))
    assert (error.line, error.column, error.code) == (8, column, "INVALID_SCHEMA")


def test_step_numbers_become_ids():
    source = steps(
        "prompt: '{{input.topic}}{{vars.tone}}'",
        "type: transform\n    extract: x\n    from: '1'",
        "type: transform\n    regex: {pattern: a, from: steps.2.output}",
        tail="output: {from: '3'}\n",
    )
    definition = check(source).definition
    assert definition is not None
    _, extract, regex = definition.steps
    assert isinstance(extract, TransformStep) and isinstance(regex, TransformStep)
    assert (extract.source, regex.source) == ("{{steps.a.output}}", "{{steps.b.output}}")
    assert definition.output.from_ == "c"
    assert dependencies(definition) == {"a": frozenset(), "b": {"a"}, "c": {"b"}}


def test_unused_inputs_and_variables_warn():
    checked = check(steps("prompt: p"))
    assert checked.valid
    assert [(issue.line, issue.column, issue.code, issue.severity) for issue in checked.warnings] == [
        (2, 18, "UNUSED_INPUT", "warning"),
        (3, 13, "UNUSED_VARIABLE", "warning"),
    ]


def graph_of(**waits: str) -> Definition:
    """A definition whose steps wait as said: `b="a"`."""
    made = [{"id": name, "prompt": "p", "needs": needed.split()} for name, needed in waits.items()]
    return Definition.model_validate({"name": "x", "steps": made})


def test_the_graph():
    definition = graph_of(d="b c", b="a", c="a", a="", e="")
    waits = dependencies(definition)
    assert order(waits) == ("a", "b", "c", "d", "e")
    assert ancestors(definition, "d") == {"a", "b", "c"}
    assert descendants(definition, "a") == {"b", "c", "d"}
    assert cycles(waits) == ()
    assert cycles(dependencies(graph_of(a="b", b="a", c="a", d="d e", e="d"))) == (("a", "b", "a"), ("d", "d"))


@pytest.mark.parametrize("value", ["0", "86401", "1.5", "soon"])
def test_the_time_of_a_run_has_bounds(value):
    issue = only_error(steps("prompt: p", tail=f"timeout_seconds: {value}\n"))
    assert (issue.line, issue.path) == (8, "timeout_seconds")


def test_the_time_of_a_run_is_kept_and_written_back():
    checked = check(steps("prompt: p", tail="timeout_seconds: 86400\n"))
    assert checked.definition is not None and checked.definition.timeout_seconds == 86_400
    text = to_yaml(checked.definition)
    assert "\ntimeout_seconds: 86400\n" in text and check(text).definition == checked.definition
    assert json_schema()["properties"]["timeout_seconds"]["anyOf"][0]["maximum"] == 86_400


def test_models_are_resolved_in_order():
    data = {"name": "x", "steps": [{"id": "a", "prompt": "p", "model": "own"}, {"id": "b", "prompt": "p"}]}
    plain = resolve_models(Definition.model_validate(data), "fallback")
    assert [step.model for step in plain.steps if isinstance(step, LlmStep)] == ["own", "fallback"]
    data["agent_defaults"] = {"model": "default", "temperature": 0.5, "max_tokens": 9, "system_prompt": "s"}
    definition = Definition.model_validate(data)
    step = resolve_models(definition, "fallback").steps[1]
    assert isinstance(step, LlmStep)
    assert step.model == "default"
    full = with_agent_defaults(step, definition)
    assert (full.temperature, full.max_tokens, full.system_prompt) == (0.5, 9, "s")


SCHEDULED = "name: x\nsteps: [{id: a, prompt: hi}]\nschedule:\n  enabled: true\n"


@pytest.mark.parametrize(
    ("written", "found"),
    [
        ('  cron: "0 9 * *"\n', [("INVALID_CRON", "schedule.cron", 5, 9)]),
        ('  cron: "0 9 31 2 *"\n', [("INVALID_CRON", "schedule.cron", 5, 9)]),
        (
            '  cron: "99 9 * * *"\n  timezone: Nowhere\n',
            [("INVALID_CRON", "schedule.cron", 5, 9), ("INVALID_TIMEZONE", "schedule.timezone", 6, 13)],
        ),
        ("  timezone: UTC\n", [("MISSING_FIELD", "schedule.cron", 4, 3)]),
        ("  cron: 9\n", [("WRONG_TYPE", "schedule.cron", 5, 9)]),
        ('  cron: "0 9 * * *"\n  zone: UTC\n', [("UNKNOWN_FIELD", "schedule.zone", 6, 3)]),
    ],
)
def test_a_schedule_is_checked_at_its_lines(written: str, found: list[tuple[object, ...]]):
    errors = check(SCHEDULED + written).errors
    assert [(issue.code, issue.path, issue.line, issue.column) for issue in errors] == found


def test_a_schedule_has_no_inputs_to_give():
    head = (
        "name: x\ninput: {schema: {a: {type: string, required: true}, b: {type: string, required: true, default: x}}}\n"
    )
    text = head + 'steps: [{id: s, prompt: "{{input.a}} {{input.b}}"}]\nschedule: {cron: "0 9 * * *"}\n'
    issue = only_error(text)
    assert (issue.code, issue.path, issue.line) == ("MISSING_DEFAULT", "schedule", 4)
    assert "`a` must be given" in issue.message and "`b`" not in issue.message and "no inputs to give" in issue.message
    assert check(text.replace("a: {type: string, required: true}", "a: {type: string}")).valid
