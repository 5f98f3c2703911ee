"""Edits of a text: they mean what they say, and leave the rest as it was written."""

import difflib
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.pipelines import editing
from core.pipelines.definition import Definition
from core.pipelines.diff import diff_steps, diff_text
from core.pipelines.dump import to_dict, to_yaml
from core.pipelines.parsing import parse, read_source
from core.shared.errors import InvalidInput, NotFound

TEXT = """\
# my pipeline
name: x   # the name

steps:
  # first comment
  - id: a  # the id
    prompt: |
      Hello {{input.x}}

      bye

    model: demo  # cheap

  # about b
  - id: b
    needs: [a]
    prompt: "see {{ steps.a.output }} and {{steps.1.output.t}} but steps.a.output as text"

  - type: transform
    id: "c"
    extract: items
    from: a

# tail comment
output:
  from: steps.a.output  # out
"""


def changed(before: str, after: str) -> list[str]:
    """The lines that were removed and added."""
    lines = list(difflib.unified_diff(before.splitlines(), after.splitlines(), n=0, lineterm=""))[2:]
    return [line for line in lines if not line.startswith("@@")]


def data_of(text: str) -> dict:
    data, issues, _ = read_source(text)
    assert data is not None and not issues
    return data


def ids(text: str) -> list[str]:
    return [step["id"] for step in data_of(text)["steps"]]


def test_renaming_changes_every_reference_and_nothing_else():
    assert changed(TEXT, editing.rename_step(TEXT, "a", "draft")) == [
        "-  - id: a  # the id",
        "+  - id: draft  # the id",
        "-    needs: [a]",
        '-    prompt: "see {{ steps.a.output }} and {{steps.1.output.t}} but steps.a.output as text"',
        "+    needs: [draft]",
        '+    prompt: "see {{ steps.draft.output }} and {{steps.1.output.t}} but steps.a.output as text"',
        "-    from: a",
        "+    from: draft",
        "-  from: steps.a.output  # out",
        "+  from: steps.draft.output  # out",
    ]


def test_renaming_where_the_text_is_escaped_still_means_the_same():
    text = (
        'name: x\nsteps:\n- {id: a, prompt: p}\n- id: b\n  prompt: "\\u007b{steps.a.output}} {{st\\x65ps.a.output}}"\n'
    )
    assert data_of(editing.rename_step(text, "a", "z"))["steps"][1]["prompt"] == "{{steps.z.output}} {{steps.z.output}}"


def test_moving_takes_the_comments_along_and_keeps_numbered_references_right():
    moved = editing.move_step(TEXT, "b", -1)
    assert ids(moved) == ["b", "a", "c"]
    assert "{{steps.a.output.t}}" in moved
    assert moved.index("# about b") < moved.index("# first comment") < moved.index("# tail comment")
    assert editing.move_step(moved, "b", 1) == TEXT.replace("steps.1.output", "steps.a.output")
    assert editing.move_step(TEXT, "a", -1) == TEXT.replace("steps.1.output", "steps.a.output")
    assert ids(editing.move_step(TEXT, "a", 99)) == ["b", "c", "a"]


def test_deleting():
    text = TEXT.replace("{{steps.1.output.t}}", "")
    assert changed(text, editing.delete_step(text, "c")) == [
        "-  - type: transform",
        '-    id: "c"',
        "-    extract: items",
        "-    from: a",
        "-",
    ]
    assert ids(editing.delete_step(TEXT, "a")) == ["b", "c"]
    assert data_of(editing.delete_step("name: x\nsteps:\n- id: a\n  prompt: p\n", "a")) == {"name": "x", "steps": []}


def test_duplicating_copies_the_lines_under_a_free_id():
    copied = editing.duplicate_step(TEXT, "c")
    assert ids(copied) == ["a", "b", "c", "c_2"]
    assert ids(editing.duplicate_step(copied, "c_2")) == ["a", "b", "c", "c_2", "c_3"]
    assert editing.duplicate_step(TEXT, "a").count("# cheap") == 2
    assert data_of(copied)["steps"][3] == {"type": "transform", "id": "c_2", "extract": "items", "from": "a"}


def test_adding():
    step = {"id": "n", "prompt": "two\nlines\n", "output_schema": {"type": "object"}}
    added = editing.add_step(TEXT, step, after="a")
    assert ids(added) == ["a", "n", "b", "c"]
    assert data_of(added)["steps"][1] == step
    assert "    prompt: |\n      two\n      lines\n" in added
    assert ids(editing.add_step(TEXT, step)) == ["a", "b", "c", "n"]
    assert data_of(editing.add_step("name: x\nsteps: []\n", step))["steps"] == [step]
    assert data_of(editing.add_step("name: x\n", step))["steps"] == [step]


def test_setting_fields_touches_only_them():
    assert changed(TEXT, editing.set_step_fields(TEXT, "a", {"model": "other", "temperature": 0.5})) == [
        "-    model: demo  # cheap",
        "+    model: other  # cheap",
        "+    temperature: 0.5",
    ]
    assert changed(TEXT, editing.set_step_fields(TEXT, "b", {"needs": None})) == ["-    needs: [a]"]
    new = editing.set_step_fields(TEXT, "a", {"prompt": "one\n\n  two: {{input.x}} # no comment"})
    assert data_of(new)["steps"][0]["prompt"] == "one\n\n  two: {{input.x}} # no comment"
    assert "    model: demo  # cheap\n" in new


@pytest.mark.parametrize(
    "text",
    [
        json.dumps({"name": "x", "steps": [{"id": "a", "prompt": "p"}, {"id": "b", "prompt": "{{steps.a.output}}"}]}),
        "name: x\nsteps: [{id: a, prompt: p}, {id: b, prompt: '{{steps.a.output}}'}]\n",
        "name: x\nsteps:\n  - {id: a, prompt: p}\n  - {id: b, prompt: '{{steps.a.output}}'}",
        "name: x\nsteps:\n-\n  id: a\n  prompt: p\n-   id: b\n    prompt: '{{steps.a.output}}'",
        "name: x\r\nsteps:\r\n- id: a\r\n  prompt: p\r\n- id: b\r\n  prompt: '{{steps.a.output}}'\r\n",
        "\ufeffname: x\nsteps:\n- prompt: p\n  id: a\n- prompt: '{{steps.a.output}}'\n  id: b\n",
    ],
    ids=["json", "flow", "flow items", "wide", "crlf", "id last"],
)
def test_edits_mean_the_same_however_the_text_is_written(text):
    assert data_of(editing.rename_step(text, "a", "z"))["steps"][1]["prompt"] == "{{steps.z.output}}"
    assert ids(editing.rename_step(text, "a", "z")) == ["z", "b"]
    assert ids(editing.move_step(text, "b", -1)) == ["b", "a"]
    assert ids(editing.delete_step(text, "b")) == ["a"]
    assert ids(editing.duplicate_step(text, "a")) == ["a", "a_2", "b"]
    assert ids(editing.add_step(text, {"id": "n", "prompt": "p"}, after="a")) == ["a", "n", "b"]
    edited = data_of(editing.set_step_fields(text, "a", {"prompt": "new\ntext", "needs": ["b"]}))
    assert edited["steps"][0] == {"id": "a", "prompt": "new\ntext", "needs": ["b"]}


def test_what_cannot_be_edited_says_why():
    with pytest.raises(InvalidInput, match="Line 2"):
        editing.delete_step("name: [", "a")
    with pytest.raises(NotFound):
        editing.delete_step(TEXT, "nope")
    for new in ("B", "", "a-b", "a\n", "b", "x" * 101):
        with pytest.raises(InvalidInput):
            editing.rename_step(TEXT, "a", new)
    with pytest.raises(InvalidInput):
        editing.add_step(TEXT, {"id": "a", "prompt": "p"})


NESTED = """\
name: x
steps:
  - id: a
    prompt: p

  # both at once
  - id: both
    type: parallel
    steps:
      # the short one
      - id: short
        prompt: "{{steps.1.output}}" # first

      - id: long
        prompt: p

  - id: each
    type: map
    foreach: steps.long.output
    steps: [{id: one, type: transform, template: "{{item}} {{steps.short.output}}"}]
output:
  from: each
"""


def inner(text: str, place: int) -> list[str]:
    return [step["id"] for step in data_of(text)["steps"][place]["steps"]]


def test_steps_inside_a_step_are_edited_where_they_stand():
    assert changed(NESTED, editing.set_step_fields(NESTED, "long", {"prompt": "q"})) == [
        "-        prompt: p",
        "+        prompt: q",
    ]
    moved = editing.move_step(NESTED, "long", -1)
    assert inner(moved, 1) == ["long", "short"] and "# first" in moved and "# both at once" in moved
    assert editing.move_step(NESTED, "one", 1) == NESTED.replace("steps.1.output", "a.output").replace(
        "{{a.", "{{steps.a."
    )
    deleted = editing.delete_step(NESTED, "short")
    assert inner(deleted, 1) == ["long"] and "# both at once" in deleted and "steps:\n      - id: long" in deleted
    assert (
        changed(NESTED, editing.delete_step(NESTED, "one"))[-1].strip().startswith("+")
        and inner(editing.delete_step(NESTED, "one"), 2) == []
    )


def test_steps_are_added_inside_and_behind_nested_ones():
    step = {"id": "new", "type": "transform", "template": "t"}
    assert inner(editing.add_step(NESTED, step, after="short"), 1) == ["short", "new", "long"]
    added = editing.add_step(NESTED, step, inside="both")
    assert inner(added, 1) == ["short", "long", "new"] and "      - id: new\n        type: transform\n" in added
    flow = editing.add_step(NESTED, step, inside="each")
    assert inner(flow, 2) == ["one", "new"] and "# the short one" in flow, "only the lines of `each` are written anew"
    assert ids(editing.add_step(NESTED, {"id": "p", "type": "parallel", "steps": [step]})) == ["a", "both", "each", "p"]
    with pytest.raises(InvalidInput, match="`short` is taken"):
        editing.add_step(NESTED, {"id": "p", "type": "parallel", "steps": [{**step, "id": "short"}]})


def test_a_copy_has_ids_of_its_own_all_the_way_down():
    copied = editing.duplicate_step(NESTED, "both")
    assert inner(copied, 2) == ["short_2", "long_2"] and inner(copied, 1) == ["short", "long"]
    assert "# the short one" in copied
    loop = (
        "name: x\nsteps:\n- id: m\n  type: map\n  foreach: input.x\n  steps:\n  - id: one\n    prompt: p\n"
        "  - id: two\n    prompt: '{{steps.one.output}} {{steps.m.output}}'\n"
    )
    again = data_of(editing.duplicate_step(loop, "m"))["steps"][1]
    assert again["id"] == "m_2" and again["steps"][1]["prompt"] == "{{steps.one_2.output}} {{steps.m_2.output}}"


EVERYWHERE = """\
name: x
steps:
  - id: a
    prompt: p
  - id: ok
    type: condition
    if: steps.a.output == 'steps.a' # steps.a here
    then: hook
    else: end
  - id: hook
    type: webhook
    url: https://example.org/{{steps.a.output}}
    headers: {X-Of: "{{steps.a.output}}"}
    body: {text: "{{steps.a.output}}", list: ["{{ steps.a.output }}"]}
    on_condition: [{if: 'steps["a"].output == ""', goto: a, max_loops: 2}]
  - id: py
    type: code
    language: python
    source: |
      # steps.a is left
      text = "steps.a" + f"{steps['a']['output']}" + steps["a"]["output"]
      output = 7 // len(text) + len(a.steps.a)
  - id: js
    type: code
    language: javascript
    source: |
      // steps.a
      output = `it's ${steps.a.output}` + 'steps.a' + steps.a.output
  - id: rows
    type: sql
    query: |
      -- from a
      SELECT a.text, b, 'from a' FROM a, hook AS h JOIN "a" ON a.x = h.a
  - id: each
    type: map
    needs: [a]
    foreach: a
    steps:
      - {id: inner, type: human_review, message: "{{steps.a.output}}"}
      - {id: call, type: pipeline, pipeline: other, input: {text: "{{steps.a.output}}"}}
output:
  from: "{{steps.a.output}}"
  deliver:
    - {type: email, to: ada@example.org, subject: "{{steps.a.output}}"}
notifications:
  on_failure: [{type: file, path: "{{steps.a.output}}.txt"}]
"""


def test_renaming_reaches_every_place_that_names_a_step_and_no_other():
    renamed = editing.rename_step(EVERYWHERE, "a", "zz")
    steps = {step["id"]: step for step in data_of(renamed)["steps"]}
    assert list(steps) == ["zz", "ok", "hook", "py", "js", "rows", "each"]
    assert steps["ok"]["if"] == "steps.zz.output == 'steps.a'"
    hook = steps["hook"]
    assert hook["url"] == "https://example.org/{{steps.zz.output}}" and hook["headers"] == {
        "X-Of": "{{steps.zz.output}}"
    }
    assert hook["body"] == {"text": "{{steps.zz.output}}", "list": ["{{ steps.zz.output }}"]}
    assert hook["on_condition"] == [{"if": 'steps["zz"].output == ""', "goto": "zz", "max_loops": 2}]
    assert steps["py"]["source"] == EVERYWHERE_SOURCE
    assert steps["js"]["source"] == "// steps.a\noutput = `it's ${steps.zz.output}` + 'steps.a' + steps.zz.output\n"
    assert steps["rows"]["query"] == (
        "-- from a\nSELECT zz.text, b, 'from a' FROM zz, hook AS h JOIN \"zz\" ON zz.x = h.a\n"
    )
    assert steps["each"]["needs"] == ["zz"] and steps["each"]["foreach"] == "zz"
    message, call = steps["each"]["steps"]
    assert message["message"] == "{{steps.zz.output}}" and call["input"] == {"text": "{{steps.zz.output}}"}
    top = data_of(renamed)
    assert top["output"]["from"] == "{{steps.zz.output}}"
    assert top["output"]["deliver"][0]["subject"] == "{{steps.zz.output}}"
    assert top["notifications"]["on_failure"][0]["path"] == "{{steps.zz.output}}.txt"
    assert "# steps.a here" in renamed, "the layout stays"
    assert data_of(editing.rename_step(renamed, "zz", "a")) == data_of(EVERYWHERE)


EVERYWHERE_SOURCE = """\
# steps.a is left
text = "steps.a" + f"{steps['zz']['output']}" + steps["zz"]["output"]
output = 7 // len(text) + len(a.steps.a)
"""


def test_renaming_follows_jumps_and_leaves_what_a_query_calls_otherwise():
    renamed = data_of(editing.rename_step(EVERYWHERE, "hook", "send"))["steps"]
    assert renamed[1]["then"] == "send" and "send AS h" in renamed[5]["query"]
    text = EVERYWHERE.replace("FROM a, hook AS h", "FROM hook AS a, hook AS h")
    assert (
        "SELECT a.text, b, 'from a' FROM hook AS a"
        in data_of(editing.rename_step(text, "a", "zz"))["steps"][5]["query"]
    )


def test_a_step_with_a_mistake_in_it_still_follows():
    text = (
        "name: x\nsteps:\n- id: a\n  prompt: p\n- id: c\n  type: condition\n  then: a\n  name: '{{steps.a.output}}'\n"
    )
    assert data_of(editing.rename_step(text, "a", "z"))["steps"][1] == {
        "id": "c", "type": "condition", "then": "z", "name": "{{steps.z.output}}",
    }  # fmt: skip


SIGNS = st.sampled_from("\n\t\r :#-{}[]'\"|>&*!%@`~0123456789.,yn\u2028\u00e9\U0001f600")
TEXTS = st.text(st.characters(exclude_categories=("Cs", "Cc"), exclude_characters="\ufffe\uffff") | SIGNS, max_size=60)
SOME = TEXTS.filter(bool)
NAMES = st.from_regex(r"[A-Za-z_][A-Za-z0-9_-]{0,10}", fullmatch=True)
SCALARS = (
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False) | TEXTS
)
STEPS = st.lists(
    st.fixed_dictionaries(
        {"id": st.from_regex(r"[a-z0-9_]{1,8}", fullmatch=True), "prompt": SOME},
        optional={
            "name": SOME,
            "system_prompt": TEXTS,
            "temperature": st.floats(0, 2),
            "needs": st.lists(SOME, max_size=2),
            "output_schema": st.dictionaries(TEXTS, SCALARS | st.lists(SCALARS, max_size=3), max_size=3),
        },
    ),
    min_size=1,
    max_size=3,
    unique_by=lambda step: step["id"],
)
DEFINITIONS = st.fixed_dictionaries(
    {"name": SOME, "steps": STEPS},
    optional={
        "variables": st.dictionaries(NAMES, SCALARS, max_size=4),
        "tags": st.lists(SOME, max_size=2),
        "description": TEXTS,
    },
)


@given(DEFINITIONS)
@settings(max_examples=200, deadline=None)
def test_a_dumped_definition_reads_back_the_same(data):
    definition = Definition.model_validate(data)
    assert parse(to_yaml(definition)).definition == definition
    assert parse(json.dumps(to_dict(definition))).definition == definition
    assert to_yaml(definition) == to_yaml(definition.model_copy())


@given(DEFINITIONS, SOME, st.integers(-3, 3))
@settings(max_examples=100, deadline=None)
def test_edits_of_any_definition_do_what_they_say(data, prompt, by):
    text = to_yaml(Definition.model_validate(data))
    first = data["steps"][0]["id"]
    edited = data_of(editing.set_step_fields(text, first, {"prompt": prompt}))
    assert edited["steps"][0]["prompt"] == prompt
    assert edited["steps"][1:] == data_of(text)["steps"][1:]
    moved = ids(editing.move_step(text, first, by))
    assert sorted(moved) == sorted(ids(text))
    assert moved.index(first) == min(max(by, 0), len(moved) - 1)


def test_dumped_yaml_reads_like_written_by_hand():
    data = {
        "steps": [{"prompt": "Line one\n\nLine {{input.x}}\n", "id": "a", "needs": ["b"]}],
        "version": 1,
        "name": "yes",
    }
    assert to_yaml(Definition.model_validate(data)) == (
        'name: "yes"\nversion: 1\nsteps:\n  - id: a\n    needs:\n      - b\n    prompt: |\n'
        "      Line one\n\n      Line {{input.x}}\n"
    )


def definition(*steps: dict, **more: object) -> Definition:
    return Definition.model_validate({"name": "x", "steps": list(steps), **more})


def test_differences_step_by_step():
    a, b, c, d = ({"id": name, "prompt": "p"} for name in "abcd")
    before = definition(a, b, c, tags=["t"])
    after = definition(c, a, {**b, "prompt": "q", "model": "demo"}, d)
    found = {(change.step_id, change.kind): change.fields for change in diff_steps(before, after)}
    assert set(found) == {(None, "changed"), ("c", "moved"), ("b", "changed"), ("d", "added")}
    assert [(field.name, field.before, field.after) for field in found[("b", "changed")]] == [
        ("model", None, "demo"),
        ("prompt", "p", "q"),
    ]
    assert diff_steps(after, before)[-1].kind == "removed"
    assert diff_steps(before, before) == ()


def test_differences_as_text():
    assert (
        diff_text("a\nb\n", "a\nc\n", before_name="v1", after_name="v2")
        == "--- v1\n+++ v2\n@@ -1,2 +1,2 @@\n a\n-b\n+c"
    )
    assert diff_text("a", "a") == ""
