"""The SQL console: a query over relations in which nobody is named, its answer as a table, a chart and a file."""

from __future__ import annotations

from html import escape

import streamlit as st

from admin.console_answer import draw_answer
from admin.console_examples import EXAMPLES
from core.accounts.domain import SessionView
from core.analytics.charts import CHARTS, plain_sql
from core.analytics.console.commands import ask
from core.analytics.console.domain import DAYS, DEFAULT_DAYS, KEPT_DAYS, LIMITS, Answer, Asked
from core.analytics.console.queries import my_queries
from core.analytics.relations import RELATIONS, Relation
from core.bootstrap import get_runtime
from pages.ui.badges import text_badge
from pages.ui.editor import Mark, Suggestion, code_editor
from pages.ui.memory import keep, recall, widget_text
from pages.ui.notices import attempt, draw_notices
from pages.ui.session import guarded, require_role
from pages.ui.words import count, duration, joined, time_html

TEXT, ANSWER, RANGE = "console-text", "console-answer", "console-days"
RANGES = {7: "7 days", 30: "30 days", 90: "90 days", 365: "1 year", 760: "All that is kept"}
ENDS = {
    "running": ("under way", "blue"),
    "answered": ("answered", "green"),
    "refused": ("refused", "amber"),
    "failed": ("failed", "red"),
    "stopped": ("stopped", "amber"),
    "lost": ("lost", "gray"),
}
LINES_SHOWN = 6


def console_page() -> None:
    """The editor, the answer, and beside them what can be asked, examples, and what was asked before."""
    session = require_role(get_runtime(), "admin")
    st.html(
        '<h1 class="sq-title">SQL console</h1><p class="sq-facts">Ask how the service is used, in DuckDB’s SQL. '
        "Nobody is named, and each row stands for five people at least. That you asked is in the audit log; the text "
        f"of your queries is kept {KEPT_DAYS} days, for you alone.</p>"
    )
    draw_notices()
    _take_chart()
    answer: Answer | None = recall(ANSWER)
    _draw_editor(answer)
    if answer is not None:
        draw_answer(answer)
    names = ["Examples", "Relations", "History"]
    examples, relations, history = st.tabs(names, default="Examples" if answer is None else "Relations")
    with examples:
        _draw_examples()
    with relations:
        for relation in RELATIONS:
            _draw_relation(relation)
    with history:
        _draw_history(session)


def _take_chart() -> None:
    """Whoever came from a chart (`?query=NAME`) finds its query in the editor; the address is plain again then."""
    name = st.query_params.get("query")
    if name is None:
        return
    del st.query_params["query"]
    if name in CHARTS:
        keep(TEXT, plain_sql(name))
        keep(ANSWER, None)


def _draw_editor(answer: Answer | None) -> None:
    text = recall(TEXT) or ""
    marks: tuple[Mark, ...] = ()
    if answer is not None and answer.query == text and answer.found.problem is not None:
        problem = answer.found.problem
        marks = (Mark(problem.line, problem.column, problem.message),)
    code_editor(
        text, key="console-editor", label="Query", language="sql", scope=_scope(), marks=marks,
        placeholder="SELECT day, count(*) AS views FROM events WHERE event = 'page.viewed' GROUP BY day ORDER BY day",
        on_text=_typed, on_command=lambda _name, typed: _run_text(typed),
    )  # fmt: skip
    with st.container(horizontal=True, vertical_alignment="center", key="console-run-row"):
        st.button(
            "Run",
            key="console-run",
            type="primary",
            icon=":material/play_arrow:",
            on_click=_run,
        )
        st.selectbox(
            "Days", DAYS, index=DAYS.index(DEFAULT_DAYS), key=RANGE, width=170, format_func=RANGES.__getitem__,
            label_visibility="collapsed",
        )  # fmt: skip
        st.html(
            '<span class="sq-facts sq-hide-narrow"><kbd>Ctrl</kbd> or <kbd>⌘</kbd> <kbd>Enter</kbd> runs it · at most '
            f"{LIMITS.seconds:g} s, {LIMITS.most_rows:,} rows</span>"
        )


def _scope() -> tuple[Suggestion, ...]:
    names = [Suggestion(relation.name, "relation") for relation in RELATIONS]
    columns = {column.name: column.says for relation in RELATIONS for column in relation.columns}
    return (*names, *(Suggestion(name, says[:60]) for name, says in columns.items()))


def _draw_examples() -> None:
    for at, (title, says, query) in enumerate(EXAMPLES):
        with st.container(border=True, key=f"console-example-{at}"):
            with st.container(horizontal=True, vertical_alignment="center"):
                st.html(
                    f'<h2 class="sq-id">{escape(title)}</h2><div class="sq-facts">{escape(says)}</div>', width="stretch"
                )
                st.button("Use", key=f"console-use-{at}", type="tertiary", on_click=_use, args=(query, None))
            st.code(query, language="sql", wrap_lines=True)


def _draw_relation(relation: Relation) -> None:
    rows = "".join(
        f'<tr><td class="sq-cell-name"><code>{escape(column.name)}</code></td><td>{escape(column.type.lower())}</td>'
        f"<td>{escape(column.says)}</td></tr>"
        for column in relation.columns
    )
    st.html(
        f'<h2 class="sq-id">{escape(relation.name)}</h2><p class="sq-facts">{escape(relation.says)}</p>'
        '<div class="sq-scroll"><table class="sq-table sq-top"><thead><tr><th scope="col">Column</th>'
        f'<th scope="col">Type</th><th scope="col">What it says</th></tr></thead><tbody>{rows}</tbody></table></div>'
    )


def _draw_history(session: SessionView) -> None:
    found = my_queries(get_runtime(), session)
    if not found:
        st.html('<div class="sq-empty">Nothing asked so far. What you run is listed here, for you alone.</div>')
    for each in found:
        _draw_asked(each)


def _draw_asked(each: Asked) -> None:
    facts = joined(
        time_html(each.created_at, get_runtime().clock.now()),
        RANGES.get(each.days, count(each.days, "day")),
        count(each.rows, "row") if each.outcome == "answered" and each.rows is not None else "",
        duration(each.milliseconds),
    )
    lines = each.query.strip().splitlines() or [""]
    shown = "\n".join(lines[:LINES_SHOWN]) + ("\n…" if len(lines) > LINES_SHOWN else "")
    with st.container(border=True, key=f"console-asked-{each.id}"):
        with st.container(horizontal=True, vertical_alignment="center"):
            st.html(
                f'<div class="sq-row">{text_badge(*ENDS[each.outcome])}<span class="sq-facts">{facts}</span></div>',
                width="stretch",
            )
            st.button(
                "Use again",
                key=f"console-again-{each.id}",
                type="tertiary",
                on_click=_use,
                args=(each.query, each.days),
            )
        st.code(shown, language="sql", wrap_lines=True)


def _typed(text: str) -> None:
    keep(TEXT, text)


@guarded
def _use(query: str, days: int | None) -> None:
    require_role(get_runtime(), "admin")
    keep(TEXT, query)
    keep(ANSWER, None)
    if days in DAYS:
        keep(RANGE, days)


def _run() -> None:
    _run_text(widget_text(TEXT))


@guarded
def _run_text(text: str) -> None:
    runtime = get_runtime()
    session = require_role(runtime, "admin")
    keep(TEXT, text)
    days = recall(RANGE) or DEFAULT_DAYS
    attempt(lambda: keep(ANSWER, ask(runtime, session, text, days=days)))


if __name__ == "__main__":
    console_page()
