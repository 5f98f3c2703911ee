"""What a step can name from where it stands, and what a new one begins with."""

import pytest

from core.pipelines.definition import Definition
from core.pipelines.parsing import parse
from pages.ui.scope import place_of, suggestions, tables, visible
from pages.ui.starters import STARTERS, Beginning, is_offered, new_step

INNER = [{"id": "one", "prompt": "p"}, {"id": "two", "prompt": "p"}]
DEFINITION = Definition.model_validate(
    {
        "name": "x",
        "variables": {"tone": "calm"},
        "input": {"schema": {"text": {"type": "string"}, "sheet": {"type": "string", "file": True}}},
        "steps": [
            {
                "id": "both",
                "type": "parallel",
                "steps": [{"id": "left", "prompt": "p"}, {"id": "right", "prompt": "p"}],
            },
            {"id": "ask", "type": "human_review", "message": "m"},
            {"id": "each", "type": "map", "foreach": "{{steps.both.output}}", "as": "row", "steps": INNER},
            {"id": "last", "prompt": "p"},
        ],
    }
)


def labels(step_id: str, language: str = "template") -> list[str]:
    return [one.label for one in suggestions(visible(DEFINITION, step_id), language)]  # type: ignore[arg-type]


def test_a_step_sees_what_stands_before_it_and_inside_parallel_steps() -> None:
    assert labels("ask") == [
        "input.text", "input.sheet", "vars.tone", "steps.both.output", "steps.left.output", "steps.right.output",
    ]  # fmt: skip
    assert {"steps.ask.output.decision", "steps.each.output"} <= set(labels("last"))
    assert "steps.one.output" not in labels("last"), "what stands in a map is not seen outside"


def test_a_step_of_a_map_sees_its_item_and_the_steps_before_it_there() -> None:
    found = labels("two")
    assert found[0] == "row" and "steps.one.output" in found and "steps.ask.output" in found
    assert "steps.each.output" not in found and "steps.two.output" not in found
    assert "row" not in labels("each")


def test_each_language_writes_names_its_own_way() -> None:
    assert 'steps["both"]["output"]' in labels("last", "python") and 'input["text"]' in labels("last", "python")
    assert "steps.both.output" in labels("last", "cel")
    assert tables(DEFINITION, "last") == ("both", "left", "right", "ask", "each", "sheet")


def test_the_place_of_a_step() -> None:
    inner = place_of(DEFINITION, "one")
    assert (inner.before, inner.after, inner.is_together) == ((), ("two",), False)
    assert place_of(DEFINITION, "left").is_together
    outer = place_of(DEFINITION, "ask")
    assert (outer.before, outer.after, outer.around) == (("both",), ("each", "last"), None)


@pytest.mark.parametrize("kind", list(STARTERS))
@pytest.mark.parametrize("start", [Beginning(), Beginning(inputs=("text",)), Beginning("draft", ("text",), ("draft",))])
def test_a_beginning_is_valid_wherever_it_stands(kind: str, start: Beginning) -> None:
    step = new_step(kind, Beginning(start.before, start.inputs, start.taken, ("Other",)))
    before = [{"id": "draft", "prompt": "p"}] if start.before else []
    schema = {name: {"type": "string"} for name in start.inputs}
    found = parse({"name": "x", "input": {"schema": schema}, "steps": [*before, step]})
    assert found.definition is not None, found.issues


def test_another_pipeline_is_offered_only_where_there_is_one() -> None:
    assert not is_offered("pipeline", ()) and is_offered("pipeline", ("Other",)) and is_offered("llm", ())
    first = new_step("parallel", Beginning(taken=("left", "together")))
    assert first["id"] == "together_2" and [inner["id"] for inner in first["steps"]] == ["left_2", "right"]
