"""`code` and `sql` steps, and files as inputs of maps, queries and prompts."""

from io import BytesIO
from typing import Any

import pytest

from core.accounts.domain import Account
from core.execution.queries import run_as_dict
from core.platform.files.commands import store_file
from core.platform.runtime import Runtime
from tests.integration.execution.conftest import Execute

CSV = b"name,amount\nAda,3\nBo,4\nAda,5\n"
FILE = {"schema": {"rows": {"type": "string", "file": True, "required": True}}}


def stored(runtime: Runtime, owner: Account, name: str, content: bytes) -> str:
    return store_file(runtime, owner.id, name, BytesIO(content)).id


@pytest.mark.parametrize(
    ("language", "source"),
    [
        ("python", 'output = [n * 2 for n in steps["numbers"]["output"]] + [input["more"]]'),
        ("javascript", "output = steps.numbers.output.map(n => n * 2).concat([input.more])"),
    ],
)
async def test_code_sees_the_steps_it_names(execute: Execute, language: str, source: str) -> None:
    numbers = {"id": "numbers", "type": "transform", "template": "[1, 2]", "output_format": "json"}
    calc: dict[str, Any] = {"id": "calc", "type": "code", "language": language, "source": source}
    schema = {"schema": {"more": {"type": "integer"}}}
    run = await execute([calc, numbers], {"more": 9}, input=schema)
    assert run.status == "completed", run.error
    assert run.steps[0].parsed_output == [2, 4, 9], "it waits for what it names, wherever that is written"


async def test_code_fails_with_its_own_line(execute: Execute) -> None:
    run = await execute([{"id": "calc", "type": "code", "language": "python", "source": "a = 1\noutput = a / 0"}])
    assert run.status == "failed" and run.error is not None and run.error["code"] == "CODE_FAILED"
    assert "line 2" in str(run.error["message"])


async def test_a_query_joins_a_step_and_a_file(runtime: Runtime, owner: Account, execute: Execute) -> None:
    people = {
        "id": "people", "type": "transform", "output_format": "json",
        "template": '[{"name": "Ada", "city": "Angers"}, {"name": "Bo", "city": "Nantes"}]',
    }  # fmt: skip
    query = "SELECT city, sum(amount)::INT AS total FROM rows JOIN people USING (name) GROUP BY city ORDER BY city"
    file = stored(runtime, owner, "amounts.csv", CSV)
    run = await execute([people, {"id": "sums", "type": "sql", "query": query}], {"rows": file}, input=FILE)
    assert run.status == "completed", run.error
    assert run.output_data == [{"city": "Angers", "total": 8}, {"city": "Nantes", "total": 4}]


async def test_a_map_goes_over_the_rows_of_a_file(runtime: Runtime, owner: Account, execute: Execute) -> None:
    each = {
        "id": "each", "type": "map", "foreach": "{{input.rows}}", "as": "row",
        "steps": [{"id": "say", "type": "transform", "template": "{{row.name}}:{{row.amount}}"}],
    }  # fmt: skip
    run = await execute([each], {"rows": stored(runtime, owner, "amounts.csv", CSV)}, input=FILE)
    assert run.output_data == ["Ada:3", "Bo:4", "Ada:5"], run.error


async def test_a_prompt_prints_the_text_of_a_file(runtime: Runtime, owner: Account, execute: Execute) -> None:
    text = stored(runtime, owner, "notes.txt", b"Bees make honey. Bees live in hives.")
    step = {"id": "say", "model": "demo", "prompt": "Summarise: {{input.rows}}"}
    run = await execute([step], {"rows": text}, input=FILE)
    assert run.status == "completed" and "Bees make honey" in str(run.steps[0].prompt_sent), run.error
    assert run_as_dict(run)["input_data"] == {"rows": text}, "the run keeps the id, not the content"


async def test_conditions_and_code_inside_a_map_see_the_item(execute: Execute) -> None:
    rows = {"id": "rows", "type": "transform", "template": '[{"n": 1}, {"n": 5}]', "output_format": "json"}
    inside = [
        {"id": "big", "type": "condition", "if": "row.n > 3", "then": "yes", "else": "no"},
        {"id": "no", "type": "transform", "template": "small", "on_condition": [{"if": "true", "goto": "end"}]},
        {"id": "yes", "type": "code", "language": "python", "source": 'output = "big " + str(row["n"])'},
    ]
    each = {"id": "each", "type": "map", "foreach": "rows", "as": "row", "steps": inside}
    run = await execute([rows, each])
    assert run.status == "completed", run.error
    assert run.output_data == ["small", "big 5"]
