"""An answer of the console: what went wrong and where, or a table, a chart and two files."""

from __future__ import annotations

import re
from html import escape
from typing import TYPE_CHECKING

import streamlit as st

from core.analytics.console.domain import LIMITS, Answer, Part
from core.analytics.console.downloads import as_arrow, as_csv, as_parquet, is_number, is_time
from pages.ui.download import download_button
from pages.ui.words import count, duration, joined

if TYPE_CHECKING:
    import pyarrow

HEADS = {"refused": "Refused", "failed": "The query has a mistake", "stopped": "Stopped"}
COLOURS = ("#3d5afe", "#1f9d61", "#d98e04", "#8a5cd6", "#d63b3b")
"""The house's: accent, then the colours of states."""
MOST_POINTS = 2_000
MOST_SERIES = 12
KINDS = {"line": "Line", "bar": "Bar"}
CUTS = {
    "rows": f"Cut: the first {LIMITS.most_rows:,} rows are shown.",
    "bytes": f"Cut: the first {LIMITS.most_bytes / 1e6:g} MB are shown.",
}


def draw_answer(answer: Answer) -> None:
    """Draws what came of a query."""
    found = answer.found
    if found.problem is not None:
        _draw_problem(answer)
        return
    st.html(
        f'<div class="sq-facts" role="status"><b>{count(len(found.rows), "row")}</b> · '
        f"{duration(max(answer.milliseconds, 1))} · {' · '.join(map(_part_words, _asked_of(answer)))}</div>"
    )
    if found.cut:
        st.html(f'<div class="sq-facts"><b>{CUTS[found.cut]}</b> Add a filter, a group or a LIMIT.</div>')
    table = as_arrow(found)
    shown, chart = st.tabs(["Table", "Chart"])
    with shown:
        many = len(found.rows) > 10
        st.dataframe(table, hide_index=True, height=380 if many else "content", alt=count(len(found.rows), "row"))
        with st.container(horizontal=True, key="console-files"):
            download_button(
                "CSV", lambda: as_csv(found), file_name="stepiq-query.csv", mime="text/csv", key="console-csv"
            )
            download_button(
                "Parquet", lambda: as_parquet(found), file_name="stepiq-query.parquet",
                mime="application/vnd.apache.parquet", key="console-parquet",
            )  # fmt: skip
    with chart:
        _draw_chart(answer, table)


def _draw_problem(answer: Answer) -> None:
    problem = answer.found.problem
    assert problem is not None
    place = joined(
        f"line {problem.line}" if problem.line else "", f"column {problem.column}" if problem.column else ""
    ).replace(" · ", ", ")
    at = ""
    if problem.line and problem.line <= len(answer.query.splitlines()):
        line = answer.query.splitlines()[problem.line - 1]
        before, after = line[: (problem.column or 1) - 1][-60:], line[(problem.column or 1) - 1 :][:60]
        at = f"<p><code>{escape(before)}<u>{escape(after[:1])}</u>{escape(after[1:])}</code></p>"
    head = HEADS.get(answer.found.outcome, "No answer") + (f", {place}" if place else "")
    words = "<br>".join(escape(line) for line in problem.message.strip().splitlines()[:8])
    st.html(f'<div class="sq-error" role="alert"><b>{head}.</b> {words}{at}</div>')


def _asked_of(answer: Answer) -> list[Part]:
    """The relations that the query names; the first one where it names none."""
    query = answer.query.casefold()
    return [part for part in answer.parts if part.name in query] or list(answer.parts[:1])


def _part_words(part: Part) -> str:
    if not part.rows or part.first is None or part.last is None:
        return f"no {escape(part.name)} in these days"
    words = f"over {count(part.rows, 'row')} of {escape(part.name)}, {part.first} to {part.last}"
    return words + {"": "", "days": " (earlier days left out: too many rows)", "rows": " (a sample)"}[part.cut]


def _draw_chart(answer: Answer, table: pyarrow.Table) -> None:
    columns = answer.found.columns
    numbers = [column.name for column in columns if is_number(column)]
    if not numbers or len(columns) < 2 or not answer.found.rows:
        st.html('<div class="sq-empty">A chart needs rows, a column of numbers and one to put them beside.</div>')
        return
    times = [column.name for column in columns if is_time(column)]
    words = [column.name for column in columns if column.name not in numbers]
    names = [column.name for column in columns]
    first = (times or words or names)[0]
    with st.container(horizontal=True, vertical_alignment="bottom"):
        kind = st.segmented_control(
            "Kind", list(KINDS), default="line" if first in times else "bar", required=True,
            key=f"console-kind-{answer.id}", format_func=KINDS.__getitem__,
        )  # fmt: skip
        x = st.selectbox("Along", names, index=names.index(first), key=f"console-x-{answer.id}", width=200)
        rest = [name for name in numbers if name != x] or numbers
        y = st.multiselect(
            "Height", rest, default=rest[:1], key=f"console-y-{answer.id}-{x}", width=320, max_selections=len(COLOURS)
        )
        series = [name for name in names if name not in numbers and name != x]
        by = None
        if series and len(y) == 1:
            by = st.selectbox(
                "Colour", [None, *series], index=1 if _repeats(table, x, series[0]) else 0, width=200,
                key=f"console-by-{answer.id}-{x}", format_func=_or_none,
            )  # fmt: skip
    if not y:
        return
    _draw(table.slice(0, MOST_POINTS), str(kind), x, y, by)
    if table.num_rows > MOST_POINTS:
        st.html(f'<div class="sq-facts">The first {MOST_POINTS:,} rows.</div>')


def _draw(table: pyarrow.Table, kind: str, x: str, y: list[str], by: str | None) -> None:
    wanted = list(dict.fromkeys([x, *y, *([by] if by else [])]))
    plain = {name: _plain(name) for name in wanted}
    frame = table.select(wanted).rename_columns([plain[name] for name in wanted]).to_pandas()
    draw = st.line_chart if kind == "line" else st.bar_chart
    if by:
        draw(frame, x=plain[x], y=plain[y[0]], color=plain[by], height=340)
    else:
        draw(frame, x=plain[x], y=[plain[name] for name in y], color=list(COLOURS[: len(y)]), height=340)


def _repeats(table: pyarrow.Table, x: str, by: str) -> bool:
    """Whether a place along has several rows, that a column of a few words tells apart."""
    places = len(set(table.column(x).to_pylist()))
    return places < table.num_rows and 1 < len(set(table.column(by).to_pylist())) <= MOST_SERIES


def _plain(name: str) -> str:
    """A name in which nothing is read as a path into a value."""
    return re.sub(r"[^\w %()-]+", " ", name).strip() or "column"


def _or_none(name: str | None) -> str:
    return name or "none"
