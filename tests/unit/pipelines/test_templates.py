"""Templates: references, printing, blocks, typed values, and what is refused."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.pipelines.references import exact_reference, find_references, normalise, read_template, value_template
from core.pipelines.templates import render, resolve_value
from core.shared.errors import InvalidInput
from tests.support.cpu import plain_loop

SCOPE = {
    "input": {"text": "{{input.other}} <b>&", "none": None, "list": [1, "a", {"k": 2}], "empty": [], "yes": True},
    "vars": {"n": 3, "f": 1.0, "e": "é"},
    "steps": {
        "a": {"output": {"items": ["p", "q"], "deep": {"z": [[1]]}, "a key": 5, "0": 9}},
        "skipped": {"output": None},
        "rows": {"output": [{"name": "x", "tags": ["t1"]}, {"name": "y", "tags": []}]},
    },
}


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("{{vars.n}} {{ vars.f }} {{vars.e}} {{input.yes}}", "3 1.0 é true"),
        ("{{input.text}}", "{{input.other}} <b>&"),
        ("{{{input.text}}}", "{{input.other}} <b>&"),
        ("{{input.list}}", '[1, "a", {"k": 2}]'),
        ("{{json vars.e}} {{json input.none}} {{json input.list.2}}", '"é" null {"k": 2}'),
        ("{{input.list.1}}{{input.list.[1]}}{{input.list[2].k}}", "aa2"),
        ("{{steps.a.output.[a key]}}{{steps.a.output.0}}{{steps.a.output.deep.z.0.0}}", "591"),
        ("{{#if input.none}}a{{else}}b{{/if}}", "b"),
        ("{{#if steps.skipped.output}}1{{else if vars.n}}2{{else}}3{{/if}}", "2"),
        ("{{#if input.empty}}a{{/if}}{{#if input.list}}b{{/if}}", "b"),
        ("{{#each steps.a.output.items}}{{@index}}{{this}}{{#if @last}}.{{else}},{{/if}}{{/each}}", "0p,1q."),
        ("{{#each input.empty}}a{{else}}none{{/each}}", "none"),
        ("{{#each steps.skipped.output}}a{{else}}none{{/each}}", "none"),
        (
            "{{#each steps.rows.output}}{{name}}{{this.name}}{{vars.n}}{{#each tags}}({{this}}){{/each}} {{/each}}",
            "xx3(t1) yy3 ",
        ),
        ("{{#each steps.a.output.deep}}{{@key}}={{this}}{{/each}}", "z=[[1]]"),
        ("a\n{{#if vars.n}}\nb\n{{/if}}\nc", "a\nb\nc"),
        ("a {{~vars.n~}} b", "a3b"),
        ("\\{{vars.n}} \\\\{{vars.n}}", "{{vars.n}} \\3"),
        ("a{{! {{ }}b{{!-- {{vars.n}} --}}c", "abc"),
        ('{"a": {"b": {{vars.n}}}}', '{"a": {"b": 3}}'),
        ("}} { }", "}} { }"),
    ],
)
def test_rendering(template, expected):
    assert render(template, SCOPE) == expected


@pytest.mark.parametrize(
    ("template", "name"),
    [
        ("{{input.nope}}", "input.nope"),
        ("{{#if input.nope}}{{/if}}", "input.nope"),
        ("{{#each steps.a.output.nope}}{{/each}}", "steps.a.output.nope"),
        ("{{json steps.gone.output}}", "steps.gone.output"),
        ("{{input.text.length}}", "input.text.length"),
        ("{{input.list.3}}", "input.list.3"),
        ("{{input.none}}", "input.none"),
        ("{{steps.skipped.output}}", "steps.skipped.output"),
        ("{{steps.skipped.output.a}}", "steps.skipped.output.a"),
        ("{{#each steps.rows.output}}{{nope}}{{/each}}", "nope"),
        ("{{env.KEY}}", "env.KEY"),
    ],
)
def test_a_missing_or_null_reference_fails_with_its_name(template, name):
    with pytest.raises(InvalidInput) as caught:
        render(template, SCOPE)
    assert caught.value.code == "MISSING_REFERENCE"
    assert f"`{name}`" in caught.value.message
    assert caught.value.context["reference"] == name


def test_each_over_a_text_is_an_error():
    with pytest.raises(InvalidInput) as caught:
        render("{{#each input.text}}x{{/each}}", SCOPE)
    assert caught.value.code == "NOT_A_LIST"


@pytest.mark.parametrize(
    ("template", "start", "words"),
    [
        ("a {{#if input.x}} b", 2, "never closed"),
        ("a {{/if}}", 2, "closes nothing"),
        ("{{#each input.x}}{{/if}}", 17, "expected here"),
        ("{{else}}", 0, "outside"),
        ("text {{", 5, "never closed"),
        ("{{}}", 0, "reference is missing"),
        ("{{> partial}}", 0, "Partials"),
        ("{{lookup input x}}", 0, "only `json`"),
        ("{{#with input}}{{/with}}", 0, "no block `with`"),
        ("{{#each input.x as |y|}}{{/each}}", 0, "only `json`"),
        ("{{../x}}", 0, "`..`"),
        ("{{@root.x}}", 0, "no `@root.x`"),
        ("{{this}}", 0, "inside {{#each}}"),
        ("{{@index}}", 0, "inside {{#each}}"),
        ('{{"a": 1}}', 0, "\\{{"),
        ("{{{{raw}}}}", 0, "Four braces"),
        ("{{input.x | upper}}", 0, "only `json`"),
        ("{{#if input.x}}{{else if}}{{/if}}", 15, "Write {{else}}"),
        ("{{!-- open", 0, "never closed"),
    ],
)
def test_what_is_not_the_language_is_refused_at_its_place(template, start, words):
    problem = read_template(template).problems[0]
    assert problem.start == start
    assert words in problem.message
    with pytest.raises(InvalidInput):
        render(template, SCOPE)


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        ("{{input.list}}", [1, "a", {"k": 2}]),
        (" {{ input.yes }}\n", True),
        ("{{vars.n}}", 3),
        ("{{input.none}}", None),
        ("{{vars.n}}!", "3!"),
        ("{{json vars.n}}", "3"),
        ("{{vars.n}}{{vars.n}}", "33"),
        ({"a": ["{{vars.n}}", 7], "b": {"c": "{{steps.rows.output.0.name}}"}}, {"a": [3, 7], "b": {"c": "x"}}),
        ("{{input}}", SCOPE["input"]),
    ],
)
def test_a_field_that_is_one_reference_keeps_its_type(field, expected):
    assert resolve_value(field, SCOPE) == expected


def test_a_typed_value_is_never_rendered_again():
    assert resolve_value("{{input.text}}", SCOPE) == "{{input.other}} <b>&"


def test_references_know_their_place_and_step():
    template = "x {{ steps.a.output.t }} {{#each input.l}}{{this.k}}{{/each}}"
    found = find_references(template)
    assert [(one.root, one.path, one.use) for one in found] == [
        ("steps", ("a", "output", "t"), "print"),
        ("input", ("l",), "each"),
        ("this", ("k",), "print"),
    ]
    assert [template[one.start : one.end] for one in found] == ["steps.a.output.t", "input.l", "this.k"]
    assert [one.step for one in found] == ["a", None, None]


def test_step_numbers_count_from_one_and_ids_win():
    assert normalise("{{steps.1.output}} {{#if steps.2.output.3}}{{/if}} {{steps.9.output}}", ["aa", "bb"]) == (
        "{{steps.aa.output}} {{#if steps.bb.output.3}}{{/if}} {{steps.9.output}}"
    )
    assert normalise("{{steps.2.output}}", ["2", "b"]) == "{{steps.2.output}}"


def test_from_may_be_bare():
    assert value_template("draft") == "{{steps.draft.output}}"
    assert value_template("steps.draft.output.x") == "{{steps.draft.output.x}}"
    assert value_template("input.text") == "{{input.text}}"
    assert value_template("Some text.") is None
    assert exact_reference("{{json input.x}}") is None


def test_loops_cannot_run_away():
    scope = {"input": {"l": list(range(1000))}, "vars": {}, "steps": {}}
    started = time.thread_time()
    with pytest.raises(InvalidInput) as caught:
        render("{{#each input.l}}{{#each input.l}}{{#each input.l}}text{{/each}}{{/each}}{{/each}}", scope)
    assert caught.value.code == "RENDER_TOO_LARGE"
    assert time.thread_time() - started < 50 * plain_loop()


@pytest.mark.parametrize(
    "template", ["{{" * 120_000, "{{#if input.x}}" * 16_000, "{{!--" * 50_000, "{{input.x" * 28_000, "\\" * 250_000]
)
def test_hostile_templates_are_read_quickly(template):
    started = time.thread_time()
    read_template(template)
    assert time.thread_time() - started < 1


@given(st.text(max_size=200))
def test_a_value_prints_as_it_is(value):
    assert render("a{{input.v}}b", {"input": {"v": value}, "vars": {}, "steps": {}}) == f"a{value}b"


@given(st.text(alphabet="{}#/!~-\\ .@[]ifeachjson input.x", max_size=60))
def test_no_text_breaks_the_reader_and_what_it_accepts_renders_or_names_what_is_missing(template):
    scope = {"input": {"x": 1}, "vars": {}, "steps": {}}
    if read_template(template).problems:
        with pytest.raises(InvalidInput):
            render(template, scope)
        return
    try:
        render(template, scope)
    except InvalidInput as error:
        assert error.code in ("MISSING_REFERENCE", "NOT_A_LIST")
