"""Steps inside steps, jumps and barriers: what can be named where, and where control may go."""

from typing import Any

import pytest

from core.pipelines.graph import dependencies
from core.pipelines.parsing import parse
from tests.unit.pipelines.models import check, only_error


def source(*steps: dict[str, Any], **top: Any) -> dict[str, Any]:
    return {"name": "x", "version": 1, **top, "steps": list(steps)}


def text(step_id: str, template: str = "x", **more: Any) -> dict[str, Any]:
    return {"id": step_id, "type": "transform", "template": template, **more}


def hook(step_id: str, **more: Any) -> dict[str, Any]:
    return {"id": step_id, "type": "webhook", "url": "https://example.org", **more}


READS_INSIDE = text("a", "{{steps.i.output}}")


def waits(*steps: dict[str, Any]) -> dict[str, set[str]]:
    definition = parse(source(*steps)).definition
    assert definition is not None
    return {step: set(needed) for step, needed in dependencies(definition).items()}


def test_a_barrier_waits_for_all_before_and_holds_back_all_after() -> None:
    assert waits(text("a"), text("b"), hook("act"), text("c"), text("d")) == {
        "a": set(), "b": set(), "act": {"a", "b"}, "c": {"act"}, "d": {"act"},
    }  # fmt: skip
    inside = {"id": "both", "type": "parallel", "steps": [hook("act"), text("e")]}
    assert waits(text("a"), inside, text("c"))["c"] == {"both"}, "a step with a barrier inside is one"


def test_names_inside_count_for_the_step_around_them() -> None:
    both = {"id": "both", "type": "parallel", "steps": [text("c", "{{steps.a.output}}"), text("d")]}
    after = text("e", "{{steps.d.output}}")
    assert waits(text("a"), both, after) == {"a": set(), "both": {"a"}, "e": {"both"}}
    code = {"id": "calc", "type": "code", "language": "python", "source": 'output = steps["a"]["output"]'}
    query = {"id": "rows", "type": "sql", "query": "select * from a join \"b\" using (x) where y = 'c'"}
    found = waits(text("a"), text("b"), text("c"), code, query)
    assert found["calc"] == {"a"} and found["rows"] == {"a", "b"}


def test_what_comes_later_in_a_loop_is_its_feedback() -> None:
    again = text("judge", "{{steps.draft.output}}", on_condition=[{"if": "true", "goto": "draft", "max_loops": 2}])
    assert waits(text("draft", "{{#if steps.judge.output}}y{{/if}}"), again)["draft"] == set()


@pytest.mark.parametrize(
    ("steps", "path", "code"),
    [
        ([text("a", on_condition=[{"if": "true", "goto": "nope"}])], "steps[0].on_condition[0].goto", "UNKNOWN_STEP"),
        ([text("a", on_condition=[{"if": "true", "goto": "a"}])], "steps[0].on_condition[0].goto", "LOOP_NOT_BOUNDED"),
        (
            [text("a", on_condition=[{"if": "true", "goto": "b", "max_loops": 2}]), text("b")],
            "steps[0].on_condition[0].max_loops",
            "NO_EFFECT",
        ),
        (
            [text("a"), {"id": "c", "type": "condition", "if": "true", "then": "a"}],
            "steps[1].then",
            "LOOP_NOT_BOUNDED",
        ),
        (
            [{"id": "c", "type": "condition", "if": "true", "then": "b", "else": "end"}, text("a"), text("b")],
            "steps[1].id",
            "UNREACHABLE_STEP",
        ),
        ([{"id": "c", "type": "condition", "if": "1 +"}], "steps[0].if", "INVALID_CONDITION"),
        ([{"id": "c", "type": "condition", "if": "steps.zz.output == 1"}], "steps[0].if", "UNKNOWN_STEP"),
        ([text("end")], "steps[0].id", "RESERVED_ID"),
        ([text("a", "{{env.KEY}}")], "steps[0].template", "SECRET_NOT_ALLOWED"),
        ([text("a", "{{row.x}}")], "steps[0].template", "UNKNOWN_REFERENCE"),
        (
            [{"id": "p", "type": "parallel", "steps": [{"id": "c", "type": "condition", "if": "true", "then": "c2"}]}],
            "steps[0].steps[0].then",
            "JUMP_NOT_ALLOWED",
        ),
        (
            [
                {"id": "m", "type": "map", "foreach": "{{vars.l}}", "steps": [text("i")]},
                text("a", "{{steps.i.output}}"),
            ],
            "steps[1].template",
            "UNKNOWN_STEP",
        ),
        (
            [{"id": "m", "type": "map", "foreach": "{{vars.l}}", "as": "input", "steps": [text("i")]}],
            "steps[0].as",
            "TAKEN",
        ),
        ([hook("h"), text("a", "{{steps.h.output.code}}")], "steps[1].template", "UNKNOWN_REFERENCE"),
        ([{"id": "h", "type": "webhook", "url": "gopher://x"}], "steps[0].url", "NO_SCHEME"),
        ([text("a", "{{steps.h.output.body}}"), hook("h")], "steps[0].id", "CYCLE"),
    ],
)
def test_what_cannot_be_is_said_at_its_place(steps: list[dict[str, Any]], path: str, code: str) -> None:
    issue = only_error(source(*steps, variables={"l": "[]"}))
    assert (issue.path, issue.code) == (path, code), issue.message


def test_the_item_of_a_map_is_seen_inside_it() -> None:
    inner = [text("i", "{{row.name}} {{#each row.tags}}{{this}}{{row.name}}{{/each}}"), text("j", "{{steps.i.output}}")]
    step = {"id": "m", "type": "map", "foreach": "{{input.rows}}", "as": "row", "steps": inner}
    checked = check(source(step, input={"schema": {"rows": {"type": "string"}}}))
    assert checked.valid, checked.errors


def test_steps_inside_count_towards_the_plan() -> None:
    def together(*ids: str) -> dict[str, Any]:
        return source({"id": "all", "type": "parallel", "steps": [text(step_id) for step_id in ids]})

    assert check(together(*"abcd"), "free").valid
    assert only_error(together(*"abcde"), "free").code == "STEP_LIMIT"
