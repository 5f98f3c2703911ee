"""What the components write: escaped, readable without colour, and right at the edges."""

from datetime import UTC, datetime, timedelta

import pytest

from core.execution.domain import AttemptView, StepRunView
from pages.ui.badges import state_badge
from pages.ui.dag import BOX_HEIGHT, Graph, JumpEdge, Node, dag_svg, layers_of
from pages.ui.dialogs import file_name
from pages.ui.outputs import is_table, safe_markdown
from pages.ui.prompts import highlight, prompt_html
from pages.ui.waterfall import Bar, Spell, bars_of, waterfall_html
from pages.ui.words import ago, count, credits_range, duration, exact, joined, size, time_html, tokens, until

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
MARKUP = "<img src=x onerror=alert(1)>"


@pytest.mark.parametrize(
    ("milliseconds", "text"),
    [(None, ""), (4, "4 ms"), (900, "0.9 s"), (9_940, "9.9 s"), (12_300, "12 s"), (184_000, "3 min 4 s"),
     (180_000, "3 min"), (3_600_000, "1 h"), (5_400_000, "1 h 30 min")],
)  # fmt: skip
def test_durations_have_units(milliseconds: int | None, text: str) -> None:
    assert duration(milliseconds) == text


@pytest.mark.parametrize(
    ("before", "text"),
    [(timedelta(seconds=3), "just now"), (timedelta(minutes=2), "2 min ago"), (timedelta(hours=5), "5 h ago"),
     (timedelta(hours=26), "yesterday"), (timedelta(days=5), "5 days ago"), (timedelta(days=60), "24 Sep 2026")],
)  # fmt: skip
def test_times_read_relative(before: timedelta, text: str) -> None:
    assert ago(NOW - before, NOW) == text


@pytest.mark.parametrize(
    ("after", "text"),
    [(timedelta(seconds=-5), "now"), (timedelta(seconds=20), "in 1 min"), (timedelta(minutes=90), "in 2 h"),
     (timedelta(hours=72), "in 3 days")],
)  # fmt: skip
def test_what_is_to_come_reads_relative(after: timedelta, text: str) -> None:
    assert until(NOW + after, NOW) == text


def test_a_time_hovers_exact() -> None:
    shown = time_html(NOW - timedelta(minutes=2), NOW)
    assert 'title="2026-11-23 11:58:00 UTC"' in shown and ">2 min ago<" in shown
    assert exact(NOW) == "2026-11-23 12:00:00 UTC" and time_html(None, NOW) == ""


def test_numbers_carry_their_noun() -> None:
    assert count(1, "step") == "1 step" and count(1204, "row") == "1,204 rows"
    assert tokens(412) == "412 tok" and tokens(0) == ""
    assert credits_range(200_000, 1_400_000) == "0.20–1.40 cr" and credits_range(0, 0) == "0 cr"
    assert joined("a", "", None, "b") == "a · b"
    assert size(812) == "812 characters" and size(1_200_000) == "1.2 MB"


def test_a_prompt_is_escaped_and_its_references_marked() -> None:
    shown = highlight(f"{MARKUP} {{{{input.mail}}}}")
    assert "<img" not in shown and '<span class="sq-ref">{{input.mail}}</span>' in shown
    assert "<b>" not in highlight("{{<b>}}")


def test_a_long_prompt_is_cut_and_a_link_opens_its_cell() -> None:
    shown = prompt_html("x" * 50_000, href='/app/?cell="a"', label="Open a")
    assert len(shown) < 3_000 and "sq-long" in shown
    assert 'href="/app/?cell=&quot;a&quot;"' in shown and 'aria-label="Open a"' in shown


def test_markdown_of_a_model_cannot_use_the_pages_own_directives() -> None:
    assert safe_markdown("costs $5 and $6") == "costs \\$5 and \\$6"
    assert safe_markdown(":red[now] :material/delete: at 10:30") == "\\:red[now] \\:material/delete: at 10:30"
    assert safe_markdown("`$x` ```\n$y :red[z]\n``` $z") == "`$x` ```\n$y :red[z]\n``` \\$z"


def test_only_a_list_of_flat_objects_is_a_table() -> None:
    assert is_table([{"a": 1}, {"a": 2, "b": None}])
    for value in ([{"a": 1}], [{"a": [1]}, {"a": 2}], [1, 2], [{}, {}], {"a": 1}, []):
        assert not is_table(value)


def test_states_are_words_as_well_as_colours() -> None:
    assert "stale" in state_badge("stale") and "sq-amber" in state_badge("stale")
    assert "Completed" in state_badge("completed", run=True)
    assert MARKUP not in state_badge(MARKUP)


def test_layers_follow_the_longest_way() -> None:
    needs = {"b": ["a"], "c": ["a"], "d": ["b", "c"], "e": ["a", "d"]}
    assert layers_of(["a", "b", "c", "d", "e"], needs) == [["a"], ["b", "c"], ["d"], ["e"]]
    assert layers_of([], {}) == []


def test_layers_of_a_cycle_end() -> None:
    layers = layers_of(["a", "b", "c"], {"a": ["b"], "b": ["a"], "c": ["b"]})
    assert sorted(step for layer in layers for step in layer) == ["a", "b", "c"]


def test_the_graph_names_each_cell_and_its_state() -> None:
    nodes = (Node("a", MARKUP, "fresh", "/app/?cell=a"), Node("b", "llm", "failed", "#", True))
    svg = dag_svg(Graph(nodes, {"b": ["a"]}))
    assert "<img" not in svg and svg.count("<a ") == 2 and svg.count('class="edge"') == 1
    assert 'aria-current="true"' in svg and "b, llm, failed. Open this cell." in svg


def _after(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def test_a_long_edge_passes_beside_the_boxes_between() -> None:
    nodes = tuple(Node(name, "llm", "fresh", "#") for name in "abc")
    straight = dag_svg(Graph(nodes, {"b": ["a"], "c": ["b"]}))
    passing = dag_svg(Graph(nodes, {"b": ["a"], "c": ["b", "a"]}))
    assert passing.count('class="edge"') == 3 and f" v{BOX_HEIGHT}" in passing and f" v{BOX_HEIGHT}" not in straight
    empty = dag_svg(Graph((), {}))
    assert "undefined" not in empty and empty.count("<a ") == 0


def test_the_graph_shows_what_is_inside_a_box_where_control_may_jump_and_who_waits_for_all() -> None:
    rows = (
        Node("left", "llm", "failed", "#l"),
        Node("right", "template", "", "#r", rows=(Node("deep", "x", "", "#"),)),
    )
    nodes = (
        Node("both", "side by side", "failed", "#", rows=rows),
        Node("check", "condition", "fresh", "#", is_barrier=True),
        Node("tell", "web request", "skipped", "#", is_barrier=True),
    )
    jumps = (JumpEdge("check", None, "else"), JumpEdge("tell", "both", "goto, at most 2×"), JumpEdge("x", "y", "lost"))
    svg = dag_svg(Graph(nodes, {"check": ["both"], "tell": ["check"]}, jumps))
    assert svg.count("<a ") == 6 and 'aria-label="left, llm, failed. Open this cell."' in svg
    assert 'aria-label="right, template. Open this cell."' in svg, "a step of a map has no state of its own"
    assert svg.count('class="barrier"') == 2 and svg.count('class="jump"') == 2 and ">end</text>" in svg
    assert "check to the end: else" in svg and "tell to both: goto, at most 2×" in svg and "lost" not in svg


def test_the_waterfall_tells_waiting_from_running() -> None:
    spell = Spell(_after(1), _after(3), "completed")
    bar = Bar("a", "completed", NOW, (spell,), 380_000, "/app/run?step=a")
    shown = waterfall_html([bar, Bar("b", "pending", NOW, (), 0, "#")], created_at=NOW, now=_after(4))
    assert "waited 1.0 s, ran 2.0 s, completed, 0.38 cr" in shown
    assert 'class="sq-wait" style="left:0.00%;width:33.33%"' in shown
    assert "left:33.33%;width:66.67%" in shown and "queued" in shown


def test_a_bar_waits_only_for_what_it_needs_and_shows_each_attempt() -> None:
    def attempt(number: int, start: float, end: float, status: str) -> AttemptView:
        return AttemptView(number, status, None, None, _after(start), completed_at=_after(end))

    def step(name: str, *attempts: AttemptView) -> StepRunView:
        start, end = attempts[0].started_at, attempts[-1].completed_at
        status = attempts[-1].status
        return StepRunView(name, 0, "llm", None, None, status, started_at=start, completed_at=end, attempts=attempts)

    steps = [
        step("a", attempt(1, 0, 2, "completed")),
        step("b", attempt(1, 2, 3, "failed"), attempt(2, 5, 6, "completed")),
    ]
    bars = bars_of(steps, {"a": frozenset(), "b": frozenset({"a"})}, created_at=NOW, href=lambda name: f"#{name}")
    assert [bar.ready_at for bar in bars] == [NOW, _after(2)]
    assert [spell.state for spell in bars[1].spells] == ["failed", "completed"]
    shown = waterfall_html(bars, created_at=NOW, now=_after(9))
    assert "b: waited 2.0 s, ran 2.0 s" in shown and "2 attempts" in shown
    assert shown.count("sq-wait") == 1, "between its attempts, not while it waited for a"


def test_the_waterfall_shows_nested_steps_people_and_what_was_skipped() -> None:
    ran = AttemptView(1, "completed", None, None, _after(1), completed_at=_after(3))
    common = {"started_at": _after(1), "completed_at": _after(3), "attempts": (ran,)}
    steps = [
        StepRunView("both", 0, "parallel", None, None, "completed", **common),
        StepRunView("left", 1, "llm", None, None, "completed", depth=1, **common),
        StepRunView("ask", 2, "human_review", None, None, "completed", **common),
        StepRunView("over", 3, "llm", None, None, "skipped", reason=f"{MARKUP} went on elsewhere.", **common),
    ]
    bars = bars_of(steps, {}, created_at=NOW, href=lambda name: f"#{name}", notes={"both": "true → left"})
    assert [spell.state for bar in bars for spell in bar.spells] == ["completed", "completed", "waiting"]
    shown = waterfall_html(bars, created_at=NOW, now=_after(4))
    assert "padding-left:0.9rem" in shown and "sq-bar sq-violet" in shown and "true → left · 2.0 s" in shown
    assert "went on elsewhere." in shown and MARKUP not in shown and shown.count("sq-bar sq-green") == 2


def test_file_names_are_plain() -> None:
    assert file_name("Support mail / triage!") == "support-mail-triage.yaml"
    assert file_name("../") == "pipeline.yaml"
