"""Outputs of every kind, and a megabyte that stays quick."""

import json
from time import perf_counter

import pytest
from streamlit.testing.v1 import AppTest

from pages.ui.outputs import PREVIEW_CHARACTERS, PREVIEW_ROWS
from tests.integration.pages.conftest import text_of


def _draw(value: object, *, markdown: bool = False) -> AppTest:
    script = (
        "import json\nimport streamlit as st\nfrom pages.ui.outputs import draw_output\n"
        f"draw_output(json.loads(st.session_state['value']), markdown={markdown}, key='a', file_name='a')\n"
    )
    app = AppTest.from_string(script, default_timeout=20)
    app.session_state["value"] = json.dumps(value)
    return app.run()


def test_markdown_is_rendered_and_text_is_not() -> None:
    assert _draw("**bold** costs $5", markdown=True).markdown[0].value == "**bold** costs \\$5"
    plain = _draw("**bold** <b>x</b>")
    assert not plain.markdown and "**bold** &lt;b&gt;x&lt;/b&gt;" in text_of(plain)


def test_a_list_of_objects_is_a_table_and_nested_json_a_tree() -> None:
    table = _draw([{"name": "a", "n": 1}, {"name": "b", "n": "many"}])
    assert not table.exception and list(table.dataframe[0].value["n"]) == ["1", "many"]
    tree = _draw({"a": {"b": [1, 2]}})
    assert json.loads(tree.json[0].value) == {"a": {"b": [1, 2]}}


@pytest.mark.parametrize(("value", "text"), [(None, "null"), (3, "3"), (True, "true"), ([], "[]"), ({}, "{}")])
def test_small_values_are_shown(value: object, text: str) -> None:
    app = _draw(value)
    shown = text_of(app) + "".join(element.value for element in app.json)
    assert not app.exception and text in shown


@pytest.mark.parametrize("value", ["word " * 200_000, {"a": ["x" * 1000] * 1000}, [{"n": i} for i in range(100_000)]])
def test_a_megabyte_shows_its_beginning(value: object) -> None:
    start = perf_counter()
    app = _draw(value, markdown=True)
    assert not app.exception
    assert perf_counter() - start < 5
    assert len(text_of(app)) < PREVIEW_CHARACTERS + 2_000
    assert "The first" in text_of(app)
    assert all(len(frame.value) <= PREVIEW_ROWS for frame in app.dataframe)
