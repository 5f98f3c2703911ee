"""The forms of the kinds of step: each field shows what is stored, and saves what becomes of it."""

from typing import Any

from streamlit.testing.v1 import AppTest

from core.pipelines.commands import create_pipeline
from core.pipelines.parsing import parse
from core.pipelines.queries import get_pipeline
from pages.workspace.notebook_actions import Notebook
from tests.integration.pages.conftest import Person, open_shell, text_of

DRAFT = {"id": "draft", "type": "transform", "template": "t"}
LATER = {"id": "later", "type": "transform", "template": "{{steps.draft.output}}"}


class Opened:
    """A pipeline with one cell open."""

    def __init__(self, person: Person, cell: str, *steps: dict[str, Any], **top: Any) -> None:
        self.person = person
        source = {"name": "Forms", "version": 1, **top, "steps": [DRAFT, *steps, LATER]}
        self.id = create_pipeline(person.runtime, person.account, source).id
        self.app: AppTest = open_shell(pipeline=self.id, cell=cell)
        assert not self.app.exception, self.app.exception

    def step(self, step_id: str) -> dict[str, Any]:
        """The step as it is written now."""
        pipeline = get_pipeline(self.person.runtime, self.person.account.id, self.id)
        definition = parse(pipeline.draft.text if pipeline.draft else pipeline.text).definition
        assert definition is not None
        step = definition.step(step_id)
        assert step is not None
        return step.model_dump(mode="json", by_alias=True, exclude_unset=True)


def test_a_condition_leads_to_later_steps_or_the_end(person: Person) -> None:
    opened = Opened(person, "check", {"id": "check", "type": "condition", "if": "true", "else": "end"})
    target = opened.app.selectbox(key="set-check-then")
    assert target.options == ["The next step", "later", "The end"]
    target.select("later").run()
    opened.app.selectbox(key="set-check-else").select("").run()
    assert opened.step("check") == {"id": "check", "type": "condition", "if": "true", "then": "later"}
    assert not any(button.key == "rule-add-check" for button in opened.app.button), "it already says where to go"


def test_a_web_request_has_headers_in_lines_and_a_status(person: Person) -> None:
    step = {
        "id": "hook",
        "type": "webhook",
        "url": "https://example.org/",
        "headers": {"X-One": "1"},
        "expect_status": 200,
    }
    opened = Opened(person, "hook", step)
    app = opened.app
    app.text_input(key="set-hook-headers-new-1").set_value("X-Two").run()
    app.text_input(key="set-hook-headers-1-value").set_value("{{steps.draft.output}}").run()
    assert opened.step("hook")["headers"] == {"X-One": "1", "X-Two": "{{steps.draft.output}}"}
    app.text_input(key="set-hook-headers-0-name").set_value("X-Uno").run()
    app.button(key="pair-remove-hook-headers-1").click().run()
    assert opened.step("hook")["headers"] == {"X-Uno": "1"}
    app.text_input(key="set-hook-expect_status").set_value("200, 201").run()
    app.selectbox(key="set-hook-method").select("PUT").run()
    assert opened.step("hook")["expect_status"] == [200, 201] and opened.step("hook")["method"] == "PUT"
    app.button(key="pair-remove-hook-headers-0").click().run()
    assert "headers" not in opened.step("hook")


def test_a_review_has_its_hours_and_what_silence_means(person: Person) -> None:
    opened = Opened(person, "ask", {"id": "ask", "type": "human_review", "message": "m", "timeout_hours": 48})
    assert opened.app.number_input(key="set-ask-timeout_hours").value == 48
    opened.app.number_input(key="set-ask-timeout_hours").set_value(2.0).run()
    opened.app.selectbox(key="set-ask-on_timeout").select("approve").run()
    opened.app.toggle(key="set-ask-editable").set_value(True).run()
    found = opened.step("ask")
    assert (found["timeout_hours"], found["on_timeout"], found["editable"]) == (2, "approve", True)


def test_code_has_its_language_and_a_query_names_its_tables(person: Person) -> None:
    opened = Opened(person, "run", {"id": "run", "type": "code", "language": "python", "source": "output = 1"})
    opened.app.segmented_control(key="set-run-language").set_value("javascript").run()
    assert opened.step("run")["language"] == "javascript"
    query = Opened(person, "rows", {"id": "rows", "type": "sql", "query": "SELECT 1 AS one"})
    assert "<code>draft</code>" in text_of(query.app) and "<code>later</code>" not in text_of(query.app)


def test_the_steps_of_a_map_are_cells_inside_it(person: Person) -> None:
    inner = {"id": "one", "type": "transform", "template": "{{item}}"}
    step = {"id": "each", "type": "map", "foreach": "{{steps.draft.output}}", "steps": [inner]}
    opened = Opened(person, "each", step)
    assert 'data-cell="one"' in text_of(opened.app)
    opened.app.text_input(key="set-each-as").set_value("row").run()
    opened.app.number_input(key="set-each-concurrency").set_value(9).run()
    assert opened.step("each")["as"] == "row" and opened.step("each")["concurrency"] == 9
    app = open_shell(pipeline=opened.id, cell="one")
    app.text_input(key="set-one-id").set_value("first").run()
    assert not app.exception and opened.step("each")["steps"][0]["id"] == "first"
    assert app.query_params["cell"] == "first"


def test_a_called_pipeline_is_given_its_inputs(person: Person) -> None:
    fields = {"text": {"type": "string"}, "count": {"type": "integer"}}
    called = {"name": "Called", "version": 1, "input": {"schema": fields}, "steps": [DRAFT]}
    create_pipeline(person.runtime, person.account, called)
    opened = Opened(person, "call", {"id": "call", "type": "pipeline", "pipeline": "Called"})
    assert opened.app.selectbox(key="set-call-pipeline").options == ["Called"]
    opened.app.text_input(key="set-call-input-0-value").set_value("{{steps.draft.output}}").run()
    opened.app.text_input(key="set-call-input-1-value").set_value("3").run()
    assert opened.step("call")["input"] == {"text": "{{steps.draft.output}}", "count": 3}
    opened.app.text_input(key="set-call-input-0-value").set_value("").run()
    assert opened.step("call")["input"] == {"count": 3}


def test_a_model_call_becomes_an_agent_with_limits(person: Person) -> None:
    opened = Opened(person, "say", {"id": "say", "model": "demo", "prompt": "p"})
    app = opened.app
    app.toggle(key="set-say-agent").set_value(True).run()
    app.number_input(key="set-say-agent-max_turns").set_value(3).run()
    app.text_input(key="set-say-agent-hosts").set_value("api.example.org, example.com").run()
    agent = opened.step("say")["agent"]
    assert agent["max_turns"] == 3 and agent["network_allowlist"] == ["api.example.org", "example.com"]
    app.button_group(key="set-say-agent-tools").set_value(["extract_json"]).run()
    assert "network_allowlist" not in opened.step("say")["agent"], "a list that does nothing would be an error"
    app.multiselect(key="set-say-fallback").set_value(["demo"]).run()
    assert opened.step("say")["fallback"] == ["demo"]
    app.toggle(key="set-say-agent").set_value(False).run()
    assert "agent" not in opened.step("say")


def test_every_kind_waits_repeats_and_goes_elsewhere(person: Person) -> None:
    opened = Opened(person, "say", {"id": "say", "model": "demo", "prompt": "p"})
    app = opened.app
    app.multiselect(key="set-say-needs").set_value(["draft"]).run()
    app.number_input(key="set-say-retry-attempts").set_value(3).run()
    app.number_input(key="set-say-retry-wait").set_value(2.5).run()
    assert opened.step("say")["retry"] == {"max_attempts": 3, "backoff_ms": 2500}
    app.button(key="rule-add-say").click().run()
    assert opened.step("say")["on_condition"] == [{"if": "steps.say.output == ''", "goto": "end"}]
    app.selectbox(key="set-say-rule-0-goto").select("draft").run()
    assert opened.step("say")["on_condition"][0]["max_loops"] == 1, "a jump back says how often"
    app.number_input(key="set-say-rule-0-loops").set_value(4).run()
    assert opened.step("say")["on_condition"][0]["max_loops"] == 4
    app.button(key="rule-remove-say-0").click().run()
    app.multiselect(key="set-say-needs").set_value([]).run()
    app.number_input(key="set-say-retry-attempts").set_value(1).run()
    assert opened.step("say") == {"id": "say", "model": "demo", "prompt": "p"}


def test_a_step_that_is_added_inside_reads_nothing_that_runs_beside_it(person: Person) -> None:
    pair = [{"id": "left", "type": "transform", "template": "l"}]
    opened = Opened(person, "both", {"id": "both", "type": "parallel", "steps": pair})
    definition = parse(get_pipeline(person.runtime, person.account.id, opened.id).text).definition
    start = Notebook(person.runtime, person.account, opened.id, definition)._beginning(None, "both")
    assert start.before is None and "left" in start.taken, "what stands beside it is not read"


def test_the_graph_draws_nested_steps_and_jumps(person: Person) -> None:
    pair = [{"id": "left", "type": "transform", "template": "l"}]
    steps = [
        {"id": "check", "type": "condition", "if": "true", "else": "end"},
        {"id": "both", "type": "parallel", "steps": pair},
    ]
    opened = Opened(person, "", *steps)
    app = open_shell(pipeline=opened.id, view="graph")
    assert not app.exception and "may go on there" in text_of(app) and "waits for everything above it" in text_of(app)
