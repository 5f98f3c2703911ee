"""What code sees, what it gives back, and what is said when it fails."""

import asyncio
import datetime
from typing import Any

import pytest

from core.execution.sandbox.calls import run_javascript, run_python
from core.execution.sandbox.limits import Limits
from core.shared.errors import InvalidInput

SCOPE: dict[str, Any] = {
    "input": {"name": "Zoë 🚀", "count": 3, "nothing": None, "big": 2**80, "deep": {"list": [1, [2, {"x": True}]]}},
    "vars": {"rate": 0.5},
    "steps": {"draft": {"output": {"title": "T", "tags": ["a", "b"]}}, "skipped": {"output": None}},
}

PYTHON = [
    ("output = input['name'] + str(input['count'])", "Zoë 🚀3"),
    ("output = steps['draft']['output']['tags'][::-1]", ["b", "a"]),
    ("output = [steps['skipped']['output'], input['nothing']]", [None, None]),
    ("output = input['big'] + 1", 2**80 + 1),
    ("output = input", SCOPE["input"]),
    ("output = [vars['rate'] * 2, -0.1, 1e300, True]", [1.0, -0.1, 1e300, True]),
    ("output = [float('nan'), float('inf'), 1.5]", [None, None, 1.5]),
    ("output = {2: 'a', None: 'b', True: 'c', 1.5: 'd'}", {"2": "a", "null": "b", "true": "c", "1.5": "d"}),
    ("output = (1, {2})", [1, [2]]),
    ("import datetime\noutput = datetime.date(2026, 1, 2)", "2026-01-02"),
    ("import datetime\noutput = {'at': datetime.datetime(2026, 1, 2, 3, 4, 5)}", {"at": "2026-01-02T03:04:05"}),
    ("import datetime\noutput = datetime.timedelta(days=1, hours=2, seconds=3, microseconds=500_000)", "P1DT2H0M3.5S"),
    ("output = b'bytes'", "Ynl0ZXM="),
    ("# a comment\noutput = 'x'  # and another", "x"),
    ("def double(x):\n    return x * 2\n\noutput = [double(i) for i in range(3)]", [0, 2, 4]),
    ("import json, re\noutput = json.loads('[1]') + re.findall('a+', 'aab')", [1, "aa"]),
    ("output = None", None),
    ("output = ''", ""),
]


@pytest.mark.parametrize(("source", "expected"), PYTHON)
async def test_python(source: str, expected: object) -> None:
    made = await run_python(source, SCOPE)
    assert made == expected
    assert type(made) is type(expected)


JAVASCRIPT = [
    ("output = input.name + input.count", "Zoë 🚀3"),
    ("const output = steps.draft.output.tags.toReversed()", ["b", "a"]),
    ("let output = [steps.skipped.output, input.nothing]", [None, None]),
    ("var output = input.deep", {"list": [1, [2, {"x": True}]]}),
    ("output = [vars.rate * 2, 2 ** 53, NaN, Infinity, -1.5]", [1, 2**53, None, None, -1.5]),
    ("output = {at: new Date(0), gone: undefined, f: () => 1}", {"at": "1970-01-01T00:00:00.000Z"}),
    ("// a comment\noutput = `x` // and another", "x"),
    ("function double(x) { return x * 2 }\noutput = [0, 1, 2].map(double)", [0, 2, 4]),
    ("const input = 5; output = input", 5),
    ("Promise.resolve(5).then(value => { output = value })", 5),
    ("(async () => { output = await Promise.all([1, 2]) })()", [1, 2]),
    ("output = '\\ud83d\\ude80'", "🚀"),
    ("output = ['\\ud800']", ["\ufffd"]),
    ("output = 1; 10n", 1),
    ("output = null", None),
    ("output = ''", ""),
]


@pytest.mark.parametrize(("source", "expected"), JAVASCRIPT)
async def test_javascript(source: str, expected: object) -> None:
    made = await run_javascript(source, SCOPE)
    assert made == expected
    assert type(made) is type(expected)


FAILURES = [
    ("python", "x = 1\n\ndef f():\n    return 1 / 0\n\nf()", 4, "ZeroDivisionError: division by zero"),
    ("python", "x = 1\nif x\n    pass", 2, "SyntaxError"),
    ("python", "x = 1", None, "sets no `output`"),
    ("python", "raise ValueError('Zoë')", 1, "ValueError: Zoë"),
    ("python", "output = steps['nosuch']", 1, "KeyError"),
    ("python", "output = missing", 1, "missing"),
    ("python", "output = {(1, 2): 3}", None, "keys are texts"),
    ("python", "class A:\n    pass\noutput = A()", None, "type A"),
    ("python", "output = 10 ** 5000", None, "4,300 digits"),
    ("python", "output = []\nfor _ in range(150):\n    output = [output]", None, "100 deep"),
    ("python", "def f():\n    return f()\nf()", 2, "RecursionError"),
    ("javascript", "let x = 1\n\nfunction f() { return null.x }\nf()", 3, "cannot read property 'x' of null"),
    ("javascript", "let x = 1\nlet x = ;", 2, "SyntaxError"),
    ("javascript", "let x = 1", None, "sets no `output`"),
    ("javascript", "throw new Error('Zoë')", 1, "Error: Zoë"),
    ("javascript", "throw 'only text'", None, "only text"),
    ("javascript", "output = 10n", None, "BigInt"),
    ("javascript", "output = []; output.push(output)", None, "circular"),
    ("javascript", "output = 1; for (let i = 0; i < 150; i++) output = [output]", None, "100 deep"),
    ("javascript", "function f() { f() } f()", 1, "call stack"),
    ("javascript", "Array.prototype.toJSON = () => 7; output = 1", None, "how lists are written"),
]


@pytest.mark.parametrize(("language", "source", "line", "words"), FAILURES)
async def test_a_failure_names_the_line_and_the_reason(
    language: str, source: str, line: int | None, words: str
) -> None:
    run = run_python if language == "python" else run_javascript
    with pytest.raises(InvalidInput) as raised:
        await run(source, SCOPE)
    assert raised.value.code == "CODE_FAILED"
    assert words in raised.value.message
    assert raised.value.context["line"] == line
    assert line is None or f"in line {line}:" in raised.value.message


async def test_a_long_message_is_cut() -> None:
    with pytest.raises(InvalidInput) as raised:
        await run_python("raise ValueError('x' * 1_000_000)", SCOPE)
    assert len(raised.value.message) < 1_200


@pytest.mark.parametrize("run", [run_python, run_javascript])
async def test_large_values_go_both_ways(run: Any) -> None:
    text = "é" * 1_000_000
    assert await run("output = input", {"input": [text], "vars": {}, "steps": {}}, Limits(memory_mb=256)) == [text]


async def test_too_many_values_are_refused() -> None:
    with pytest.raises(InvalidInput) as raised:
        await run_python("output = [0] * 600_000", SCOPE, Limits(memory_mb=256))
    assert raised.value.code == "OUTPUT_TOO_LARGE"


async def test_the_clock_is_the_real_one() -> None:
    made = await run_python("import datetime\noutput = datetime.datetime.now().year", SCOPE)
    assert made == datetime.datetime.now(datetime.UTC).year
    assert await run_javascript("output = new Date().getUTCFullYear()", SCOPE) == made


async def test_values_that_json_lacks_go_in_as_null() -> None:
    made = await run_python("output = input", {"input": [float("nan"), {"x": float("inf")}], "vars": {}, "steps": {}})
    assert made == [None, {"x": None}]


async def test_many_calls_at_once() -> None:
    made = await asyncio.gather(*(run_javascript(f"output = {n}", SCOPE) for n in range(60)))
    assert made == list(range(60))
