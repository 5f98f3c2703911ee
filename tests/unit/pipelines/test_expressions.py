"""Conditions: what holds, what is read, what is refused before it can cost anything."""

import threading
import time
from typing import Any

import pytest

from core.pipelines.expressions import check_expression, evaluate_condition
from core.shared.errors import InvalidInput
from tests.support.cpu import plain_loop

SCOPE: dict[str, Any] = {
    "input": {"x": 5, "name": "Zoë", "list": [1, 2, 3], "rows": [{"a": 1}, {"a": 5}], "big": 2**70},
    "vars": {"limit": 1.5},
    "steps": {
        "draft": {"output": {"score": 0.9, "k-k": 1, "none": None}},
        "verdict": {"output": "yes"},
        "skipped": {"output": None},
    },
}


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("steps.draft.output.score > 0.8", True),
        ('steps["draft"].output["k-k"] == 1 && input.x >= 5', True),
        ("steps.verdict.output == 'yes'", True),
        ("steps.verdict.output.contains('n')", False),
        ("steps.skipped.output == null", True),
        ("steps.skipped.output != null && steps.skipped.output.score > 1", False),
        ("has(steps.draft.output.nope)", False),
        ("has(steps.draft.output.score)", True),
        ("true || steps.draft.output.nope", True),
        ("input.rows.exists(row, row.a > 4)", True),
        ("input.list.all(n, n > 1)", False),
        ("size(input.list.filter(n, n > 1)) == 2", True),
        ("input.list.map(n, n * 2) == [2, 4, 6]", True),
        ("input.list[1] == 2 && input.rows[0].a == 1", True),
        ("input.name == 'Zoë' && steps.verdict.output.size() == 3", True),
        ("input.x > vars.limit", True),
        ("input.x in [4, 5] ? true : false", True),
        ("timestamp('2026-01-02T00:00:00Z') < timestamp('2026-01-03T00:00:00Z')", True),
        ("type(input.x) == int", True),
        ("input.big > 1", True),
        ("'steps.nosuch' != 'x' // steps.nosuch too", True),
        ("{{steps.verdict.output}}", True),
        ("{{steps.skipped.output}}", False),
        ("{{steps.draft.output.none}}", False),
        ("{{input.list}}", True),
        ("{{#if steps.skipped.output}}yes{{/if}}", False),
        ("{{#if steps.verdict.output}}yes{{/if}}", True),
        ("{{json steps.skipped.output}}", False),
        ("{{input.zero}}", False),
        ("  {{input.no}}\n", False),
        ("{{input.empty}}", False),
        ("0{{input.empty}}", False),
        ("{{input.zero}}.0", True),
    ],
)
def test_a_condition_holds_or_not(text: str, holds: bool) -> None:
    scope = {**SCOPE, "input": {**SCOPE["input"], "zero": 0, "no": False, "empty": ""}}
    assert evaluate_condition(text, scope) is holds


@pytest.mark.parametrize(
    ("text", "references"),
    [
        ("steps.a.output.score > 0.8", ["steps.a.output.score"]),
        ("steps['a'].output[\"b c\"] == steps.d.output[0].x", ["steps['a'].output[\"b c\"]", "steps.d.output[0].x"]),
        ("'steps.no' == \"steps.no\" && r'\\' + '\\'steps.no' == '''\nsteps.no''' // steps.no", []),
        ("steps.a.output.contains('steps.no')", ["steps.a.output"]),
        ("has(steps.a.output.x) && input.n in vars.list", ["steps.a.output.x", "input.n", "vars.list"]),
        ("input.steps.a == 1", ["input.steps.a"]),
        ("steps . a . output", ["steps . a . output"]),
        ("size(steps) > input[vars.key]", ["steps", "input", "vars.key"]),
        ("steps.a.output.exists(row, row.steps == input.x)", ["steps.a.output", "input.x"]),
        ("{{#if steps.a.output}}{{json steps.b.output}}{{/if}}", ["steps.a.output", "steps.b.output"]),
    ],
)
def test_what_a_condition_reads(text: str, references: list[str]) -> None:
    check = check_expression(text)
    assert check.problem is None
    assert [reference.text for reference in check.references] == references
    for reference in check.references:
        assert text[reference.start : reference.end] == reference.text


def test_the_steps_a_condition_reads() -> None:
    check = check_expression("steps.a.output > 1 || steps['b'].output == steps.a.output.size() + size(steps)")
    assert check.steps == {"a", "b"}
    assert [reference.path for reference in check.references] == [("a", "output"), ("b", "output"), ("a", "output"), ()]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is empty"),
        ("// only a comment", "is empty"),
        ("steps.a.output ==", "at line 1, column 18"),
        ("input.x = 5", "Compare with `==`"),
        ("input.x == 1 and input.y == 2", "Write `&&`"),
        ("input.x == yes", "There is no `yes`"),
        ("env.KEY == 'x'", "secrets"),
        ("input.name.lower() == 'x'", "no function `lower`"),
        ("input.x == 'open", "not a CEL expression"),
        ("{{#if steps.a.output}}x", "never closed"),
        ("a" * 4_001, "4,000 characters"),
        ("(" * 50_000 + "1" + ")" * 50_000, "4,000 characters"),
        ("(" * 300 + "1" + ")" * 300 + " > 0", "nested brackets"),
        ("[" * 300 + "]" * 300, "nested brackets"),
        ("1" + "+1" * 300 + " > 0", "400 parts"),
        ("!" * 2_000 + "true", "400 parts"),
    ],
)
def test_what_is_wrong_is_said(text: str, words: str) -> None:
    problem = check_expression(text).problem
    assert problem is not None and words in problem
    if "{{" not in text:
        with pytest.raises(InvalidInput) as raised:
            evaluate_condition(text, SCOPE)
        assert (raised.value.code, raised.value.message) == ("CONDITION", problem)


@pytest.mark.parametrize(
    ("text", "reference"),
    [
        ("steps.nosuch.output == 1", "steps.nosuch.output"),
        ("steps.draft.output.score > 0.1 && steps.draft.output.nope == 1", "steps.draft.output.nope"),
        ("has(steps.draft.output.other) || input.nope == 1", "input.nope"),
        ("{{steps.nosuch.output}}", "steps.nosuch.output"),
    ],
)
def test_a_missing_reference_is_named(text: str, reference: str) -> None:
    with pytest.raises(InvalidInput) as raised:
        evaluate_condition(text, SCOPE)
    assert raised.value.code == "MISSING_REFERENCE"
    assert raised.value.context["reference"] == reference
    assert f"`{reference}`" in raised.value.message


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("input.x", "gives a number, not true or false"),
        ("steps.verdict.output", "gives a text"),
        ("steps.skipped.output", "gives null"),
        ("duration('1h')", "another value"),
        ("steps.skipped.output.score > 1", "`steps.skipped.output` is null"),
        ("input.name > input.x", "`input.name` is a text, `input.x` is a number"),
        ("input.x / 0 == 1", "divides by zero"),
        ("input.list[9] == 1", "does not have"),
        ("input.name.matches('(')", "do not allow"),
    ],
)
def test_what_cannot_be_worked_out_is_said(text: str, words: str) -> None:
    with pytest.raises(InvalidInput) as raised:
        evaluate_condition(text, SCOPE)
    assert raised.value.code == "CONDITION_FAILED"
    assert words in raised.value.message


COSTLY = [
    ("input.filter(x, x.a > 0).size() > 0", [{"a": 1}] * 5_000),
    ("input.map(x, x).size() > 0", list(range(5_000))),
    ("input.all(x, input.all(y, x == y))", list(range(5_000))),
    ("input.all(x, input.all(y, input.all(z, x == z)))", list(range(200))),
    ("[1,2,3,4,5,6,7,8,9].all(a, [1,2,3].all(b, [1,2,3].all(c, [1,2,3].all(d, true))))", None),
    ("size(input) > 0", [[0] * 100] * 5_000),
    ("input.all(x, 'x'.contains(x + x))", ["y" * 10_000] * 2_000),
    ("(" + "input.a + " * 60 + "'') != ''", {"a": "x" * 4_000_000}),
]


@pytest.mark.parametrize(("text", "value"), COSTLY)
def test_a_costly_condition_is_refused_before_it_runs(text: str, value: Any) -> None:
    before = time.thread_time()
    with pytest.raises(InvalidInput) as raised:
        evaluate_condition(text, {"input": value})
    assert raised.value.code == "CONDITION_TOO_COSTLY"
    assert time.thread_time() - before < 10 * plain_loop()


AFFORDABLE = [
    ("input.rows.exists(x, x.a == 9999)", {"rows": [{"a": n} for n in range(10_000)]}),
    ("size(input.rows) > 0", {"rows": [{"a": n, "b": "x" * 50} for n in range(10_000)]}),
    ("input.small.filter(x, x > 1).size() == 2 && size(input.list) == 100", {"small": [1, 2, 3], "list": [0] * 100}),
    ("input.one == 1", {"one": 1, "unread": [[0] * 1_000] * 1_000}),
    ("input.text.contains('y')", {"text": "x" * 4_000_000 + "y"}),
]


@pytest.mark.parametrize(("text", "value"), AFFORDABLE)
def test_an_ordinary_condition_over_much_data_runs(text: str, value: Any) -> None:
    assert evaluate_condition(text, {"input": value}) is True


def test_the_deepest_that_is_let_through_fits_a_small_stack() -> None:
    seen: list[bool] = []
    texts = ["(" * 24 + "true" + ")" * 24, "true" + " && true" * 199, "!" * 398 + "true"]
    texts += ["[" * 23 + "1" + "]" * 23 + " != [2]", "size(" * 12 + "''" + ")" * 12 + " == 0"]

    def evaluate() -> None:
        for text in texts:
            assert check_expression(text).problem is None
            try:
                seen.append(evaluate_condition(text, {}))
            except InvalidInput:
                seen.append(True)

    before = threading.stack_size(256 * 1024)
    try:
        thread = threading.Thread(target=evaluate)
        thread.start()
        thread.join()
    finally:
        threading.stack_size(before)
    assert seen == [True] * len(texts)
