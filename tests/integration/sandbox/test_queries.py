"""Queries over step outputs and files: what the tables are, and what the rows are."""

import json
from pathlib import Path
from typing import Any

import duckdb
import pytest

from core.execution.sandbox.calls import InputFile, run_sql
from core.execution.sandbox.limits import Limits
from core.shared.errors import InvalidInput

ORDERS = [
    {"id": 1, "customer": "ada", "total": 10.5, "lines": [{"sku": "a", "n": 2}], "day": "2026-01-02"},
    {"id": 2, "customer": "bob", "total": 7, "lines": [], "day": None},
    {"id": 3, "customer": "ada", "total": 2.25, "lines": None, "extra": {"gift": True}},
]
CUSTOMERS = [{"name": "ada", "city": "Angers"}, {"name": "bob", "city": "Zürich"}]

VALUES: list[tuple[str, dict[str, Any], Any]] = [
    (
        "SELECT city, sum(total) AS spent FROM orders JOIN customers ON customer = name GROUP BY ALL ORDER BY 1",
        {"orders": ORDERS, "customers": CUSTOMERS},
        [{"city": "Angers", "spent": 12.75}, {"city": "Zürich", "spent": 7.0}],
    ),
    (
        "SELECT typeof(id) a, typeof(total) b, typeof(day) c FROM orders LIMIT 1",
        {"orders": ORDERS},
        [{"a": "BIGINT", "b": "DOUBLE", "c": "VARCHAR"}],
    ),
    ("SELECT day::DATE + 1 AS next FROM orders WHERE day IS NOT NULL", {"orders": ORDERS}, [{"next": "2026-01-03"}]),
    (
        "SELECT lines, extra FROM orders ORDER BY id",
        {"orders": ORDERS},
        [
            {"lines": [{"sku": "a", "n": 2}], "extra": None},
            {"lines": [], "extra": None},
            {"lines": None, "extra": {"gift": True}},
        ],
    ),
    ("SELECT extra.gift FROM orders WHERE id = 3", {"orders": ORDERS}, [{"gift": True}]),
    ("FROM t", {"t": [1, 2, None]}, [{"value": 1}, {"value": 2}, {"value": None}]),
    ("FROM t", {"t": ["a", 1, {"x": [1]}]}, [{"value": "a"}, {"value": 1}, {"value": {"x": [1]}}]),
    ("FROM t", {"t": {"a": 1, "b": None}}, [{"a": 1, "b": None}]),
    ("FROM t", {"t": "only text"}, [{"value": "only text"}]),
    ("FROM t", {"t": 2.5}, [{"value": 2.5}]),
    ("FROM t", {"t": None}, []),
    ("FROM t", {"t": []}, []),
    ("SELECT count(*) AS n FROM t", {"t": [{}, {}]}, [{"n": 2}]),
    ("FROM t", {"t": [{"a": 1}, {"a": "x"}]}, [{"a": 1}, {"a": "x"}]),
    ("FROM t", {"t": [{"a": 2**62 * 4}, {"a": -(2**70)}]}, [{"a": 2**64}, {"a": -(2**70)}]),
    ("FROM t", {"t": [{'we"ird, col': 1, "a b": "é", "": 3}]}, [{'we"ird, col': 1, "a b": "é", "_": 3}]),
    ('SELECT "we""ird" FROM t', {"t": [{'we"ird': 1}]}, [{'we"ird': 1}]),
    ("FROM t", {"t": [{"a": 1, "A": 2}]}, [{"a": 1, "A_1": 2}]),
    ("FROM t", {"t": [{"x": {"a": 1, "A": 2}}]}, [{"x": {"a": 1, "A": 2}}]),
    (
        "FROM t",
        {"t": [{"at": "2026-01-02T03:04:05Z", "zip": "01234"}]},
        [{"at": "2026-01-02T03:04:05Z", "zip": "01234"}],
    ),
    ('FROM "1"', {"1": [{"a": 1}]}, [{"a": 1}]),
    ('SELECT * FROM "select"', {"select": [5]}, [{"value": 5}]),
    ("FROM T", {"t": [5]}, [{"value": 5}]),
    ("SELECT value FROM t -- a comment", {"t": [5]}, [{"value": 5}]),
    ("/* one; two */ SELECT ';' AS a;", {}, [{"a": ";"}]),
    ("SELECT 1 AS a, 2 AS a, 3 AS a", {}, [{"a": 1, "a_1": 2, "a_2": 3}]),
    (
        "SELECT 'nan'::DOUBLE AS a, 'infinity'::FLOAT AS b, [1, 'nan'::DOUBLE] AS c",
        {},
        [{"a": None, "b": None, "c": [1.0, None]}],
    ),
    (
        "SELECT DATE '2026-01-02' a, TIME '03:04:05' b, TIMESTAMP '2026-01-02 03:04:05.5' c",
        {},
        [{"a": "2026-01-02", "b": "03:04:05", "c": "2026-01-02T03:04:05.500000"}],
    ),
    (
        "SELECT TIMESTAMPTZ '2026-01-02 03:04:05+02' AS a, INTERVAL 90 MINUTE AS b",
        {},
        [{"a": "2026-01-02T01:04:05+00:00", "b": "PT1H30M0S"}],
    ),
    ("SELECT 1.50::DECIMAL(10, 2) AS a, sum(v) AS b FROM (VALUES (0.10), (0.20)) t(v)", {}, [{"a": 1.5, "b": 0.3}]),
    (
        "SELECT '\\x00\\xFF'::BLOB AS a, '00000000-0000-0000-0000-000000000001'::UUID AS b",
        {},
        [{"a": "AP8=", "b": "00000000-0000-0000-0000-000000000001"}],
    ),
    (
        "SELECT MAP {1: 'a'} AS a, {'x': DATE '2026-01-02'} AS b, '{\"k\": [1]}'::JSON AS c",
        {},
        [{"a": {"1": "a"}, "b": {"x": "2026-01-02"}, "c": {"k": [1]}}],
    ),
    ("SELECT 170141183460469231731687303715884105727 AS a", {}, [{"a": 2**127 - 1}]),
    ("PIVOT t ON k USING sum(v)", {"t": [{"k": "a", "v": 1}, {"k": "b", "v": 2}]}, [{"a": 1, "b": 2}]),
    ("SELECT 1 AS a WHERE false", {}, []),
]


@pytest.mark.parametrize(("query", "tables", "rows"), VALUES)
async def test_rows(query: str, tables: dict[str, Any], rows: list[dict[str, Any]]) -> None:
    made = await run_sql(query, tables)
    assert made == rows
    assert json.dumps(made) == json.dumps(rows)


def parquet(query: str, path: Path) -> bytes:
    duckdb.connect().execute(f"COPY ({query}) TO '{path}' (FORMAT parquet)")
    return path.read_bytes()


async def test_files_of_each_kind_are_tables(tmp_path: Path) -> None:
    made = await run_sql(
        "SELECT sales.day, sales.n * prices.price AS value, people.name FROM sales "
        "JOIN prices USING (sku) JOIN people ON people.id = sales.seller JOIN step ON step.value = sku ORDER BY ALL",
        {"step": ["a", "b"]},
        {
            "sales": InputFile(b"sku,day,n,seller\na,2026-01-02,2,1\nb,2026-01-03,3,2\nc,2026-01-04,1,1\n", "csv"),
            "prices": InputFile(
                parquet("SELECT 'a' AS sku, 1.5 AS price UNION ALL SELECT 'b', 2", tmp_path / "p"), "parquet"
            ),
            "people": InputFile('[{"id": 1, "name": "Zoë"}, {"id": 2, "name": "Bob"}]'.encode(), "json"),
        },
    )
    assert made == [
        {"day": "2026-01-02", "value": 3.0, "name": "Zoë"},
        {"day": "2026-01-03", "value": 6.0, "name": "Bob"},
    ]


async def test_a_file_may_lie_in_a_folder(tmp_path: Path) -> None:
    path = tmp_path / "a*b [1].csv"
    path.write_text('id;"a ""quoted"" name"\n1;x\n')
    made = await run_sql("FROM data", {}, {"data": InputFile(path, "csv")})
    assert made == [{"id": 1, 'a "quoted" name': "x"}]


async def test_json_lines_and_empty_files() -> None:
    lines = InputFile(b'{"a": 1}\n{"a": 2, "b": [true]}\n', "json")
    assert await run_sql("FROM f ORDER BY a", {}, {"f": lines}) == [{"a": 1, "b": None}, {"a": 2, "b": [True]}]
    only_names = InputFile(b"a,b\n", "csv")
    assert await run_sql("FROM f", {}, {"f": only_names}) == []


@pytest.mark.parametrize(("kind", "content"), [("parquet", b"not parquet"), ("json", b"{broken"), ("parquet", b"")])
async def test_a_broken_file_is_named(kind: Any, content: bytes) -> None:
    with pytest.raises(InvalidInput) as raised:
        await run_sql("FROM report", {}, {"report": InputFile(content, kind)})
    assert raised.value.code == "SQL_FAILED"
    assert "`report`" in raised.value.message and kind in raised.value.message


async def test_only_what_the_query_names_is_sent() -> None:
    broken = InputFile(Path("/nonexistent"), "csv")
    assert await run_sql("SELECT 1 AS a", {"big": [1]}, {"unused": broken}) == [{"a": 1}]


async def test_a_step_and_a_file_of_one_name_are_refused() -> None:
    with pytest.raises(InvalidInput, match="`t` is the name of a step and of a file"):
        await run_sql("FROM t", {"t": [1]}, {"T": InputFile(b"a\n1\n", "csv")})


@pytest.mark.parametrize(
    ("query", "line", "words"),
    [
        ("SELECT\n\n  nosuch\nFROM t", 3, 'column "nosuch" not found'),
        ("SELECT * FROM nosuch", 1, "nosuch does not exist"),
        ("SELEC 1", 1, "syntax error"),
        ("SELECT 'a'::INTEGER", 1, "Could not convert string 'a'"),
        ("SELECT 1; SELECT 2", None, "one statement"),
        ("INSERT INTO t VALUES (1)", None, "this is INSERT"),
    ],
)
async def test_a_failing_query_names_its_line(query: str, line: int | None, words: str) -> None:
    with pytest.raises(InvalidInput) as raised:
        await run_sql(query, {"t": [{"a": 1}]})
    assert raised.value.code == "SQL_FAILED"
    assert words in raised.value.message
    assert raised.value.context["line"] == line
    assert "LINE" not in raised.value.message


async def test_many_rows_in_and_out() -> None:
    rows = [{"n": n, "text": f"row {n}"} for n in range(20_000)]
    made = await run_sql("FROM t ORDER BY n", {"t": rows}, None, Limits(memory_mb=512))
    assert made == rows


async def test_a_query_that_deletes_changes_nothing_else() -> None:
    tables = {"t": [{"a": 1}]}
    await run_sql("WITH gone AS (DELETE FROM t RETURNING *) SELECT * FROM gone", tables)
    assert tables == {"t": [{"a": 1}]}
    assert await run_sql("FROM t", tables) == [{"a": 1}]
