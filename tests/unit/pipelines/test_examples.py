"""The example pipelines are valid, run offline, and fit the served JSON Schema."""

from pathlib import Path

import jsonschema
import pytest

from core.pipelines.definition import STEP_TYPES, walk_steps
from core.pipelines.inputs import check_input
from core.pipelines.json_schema import json_schema
from core.pipelines.parsing import read_source
from tests.unit.pipelines.models import check

ROOT = Path(__file__).parents[3]
EXAMPLES = [*sorted((ROOT / "examples").rglob("*.yaml")), ROOT / "core" / "pipelines" / "example.yaml"]


def test_there_are_examples():
    assert len(EXAMPLES) >= 6
    kinds = {step.type for file in EXAMPLES for _, step in walk_steps(check(file.read_text()).definition.steps)}
    assert kinds == set(STEP_TYPES), "an example for every kind of step"


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda file: file.stem)
def test_an_example_is_valid_and_needs_no_key(file):
    checked = check(file.read_text(), plan="free")
    assert checked.errors == () and checked.warnings == ()
    assert checked.definition is not None
    models = {step.model for step in checked.definition.llm_steps}
    assert models <= {None, "demo"}
    required = {name: "some text" for name, field in checked.definition.input.fields.items() if field.required}
    assert check_input(checked.definition, required)


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda file: file.stem)
def test_an_example_names_only_data_that_exists(file):
    for word in file.read_text().split():
        if "examples/data/" in word:
            assert (ROOT / word[word.index("examples/") :]).read_text().strip()


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda file: file.stem)
def test_an_example_fits_the_json_schema(file):
    data, _, _ = read_source(file.read_text())
    jsonschema.Draft202012Validator(json_schema()).validate(data)


@pytest.mark.parametrize(
    "step",
    [
        {"id": "a"},
        {"id": "a", "promt": "x"},
        {"id": "A", "prompt": "x"},
        {"id": "a", "type": "transform"},
        {"id": "a", "type": "transform", "template": "x", "extract": "y"},
        {"id": "a", "template": "x"},
        {"id": "a", "prompt": "x", "timeout_seconds": 301},
    ],
)
def test_the_json_schema_refuses_what_parsing_refuses(step):
    data = {"name": "x", "steps": [step]}
    assert check(data).errors
    assert not jsonschema.Draft202012Validator(json_schema()).is_valid(data)
