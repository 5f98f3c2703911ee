"""Whatever is sent, validation answers with places and sentences, never with an exception."""

from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from core.pipelines.parsing import read_source
from tests.unit.pipelines.models import check

ROOT = Path(__file__).parents[3]
TEXTS = [file.read_text() for file in sorted((ROOT / "examples").glob("*.yaml"))]
PIECES = [
    "{{",
    "}}",
    "\t",
    "\n",
    ": ",
    "- ",
    '"',
    "'",
    "|",
    "&a ",
    "*a",
    "!t ",
    "[",
    "{",
    "}",
    "#",
    "0x1",
    "\\",
    "{{#if ",
]


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_damaged_texts(data):
    text = data.draw(st.sampled_from(TEXTS))
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(text)))
        end = data.draw(st.integers(start, min(len(text), start + 12)))
        text = text[:start] + data.draw(st.sampled_from(["", *PIECES]) | st.text(max_size=3)) + text[end:]
    checked = check(text)
    for issue in checked.errors + checked.warnings:
        assert issue.line is not None and issue.column is not None
        assert 1 <= issue.line <= text.count("\n") + 2 and issue.column >= 1
        assert issue.code.isupper() and issue.message
    assert checked.valid == (checked.definition is not None)


KEYS = [
    "name",
    "steps",
    "id",
    "type",
    "prompt",
    "input",
    "schema",
    "needs",
    "from",
    "output",
    "extract",
    "regex",
    "llm",
]
KEYS += [
    "pattern",
    "group",
    "retry",
    "variables",
    "agent_defaults",
    "output_schema",
    "default",
    "enum",
    "transform",
    "x",
]
LEAVES = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from([*KEYS, "{{steps.a.output}}", "a", "("])
)
VALUES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=6)
)


@given(st.dictionaries(st.sampled_from(KEYS), VALUES, max_size=8))
@settings(max_examples=300, deadline=None)
def test_any_parsed_json(data):
    checked = check(data)
    assert checked.valid == (checked.definition is not None)


@given(st.data())
@settings(max_examples=300, deadline=None)
def test_valid_definitions_with_parts_replaced(data):
    definition, _, _ = read_source(data.draw(st.sampled_from(TEXTS)))
    assert definition is not None
    for _ in range(data.draw(st.integers(1, 3))):
        parent = definition
        while isinstance(parent, dict | list) and parent:
            keys = list(parent) if isinstance(parent, dict) else list(range(len(parent)))
            key = data.draw(st.sampled_from(keys))
            child = parent[key]
            if not isinstance(child, dict | list) or not child or data.draw(st.booleans()):
                parent[key] = data.draw(VALUES)
                break
            parent = child
    checked = check(definition)
    assert checked.valid == (checked.definition is not None)


@given(st.binary(max_size=200) | st.text(max_size=200))
@settings(max_examples=300, deadline=None)
def test_noise(source):
    assert not check(source).valid
