"""What is tried in the console is refused or stopped: nothing is written, nothing read, and the server is as before."""

import os
from collections.abc import Iterator
from pathlib import Path
from resource import RUSAGE_CHILDREN, getrusage
from threading import Thread
from typing import Any

import duckdb
import pytest

from core.analytics.console.domain import LIMITS, NAME, Found, Limits
from core.analytics.console.exchange import run_query
from tests.integration.sandbox.conftest import processes_below, resident_mb

MOST_MB = 1_000
WRITTEN = Path("/tmp/written-by-console")
REFUSED = [
    "COPY events TO '/tmp/written-by-console'",
    "COPY (SELECT 1) TO '/tmp/written-by-console'",
    "EXPLAIN ANALYZE COPY (SELECT 1) TO '/tmp/written-by-console'",
    "EXPLAIN COPY (SELECT 1) TO '/tmp/written-by-console'",
    "EXPLAIN ANALYZE DELETE FROM events",
    "EXPLAIN ANALYZE INSERT INTO events SELECT * FROM events",
    "EXPLAIN (ANALYZE) DELETE FROM events",
    "EXPLAIN (FORMAT json) DELETE FROM events",
    "explain /* well */ analyze update events set page = 'x'",
    "EXPLAIN ANALYZE CREATE TABLE made AS SELECT 1",
    "WITH gone AS (DELETE FROM events RETURNING *) SELECT * FROM gone",
    "WITH new AS (INSERT INTO events (event) VALUES ('x') RETURNING *) SELECT * FROM new",
    "WITH other AS (UPDATE events SET page = 'x' RETURNING *) SELECT count(*) FROM other",
    "EXPLAIN ANALYZE WITH gone AS (DELETE FROM events RETURNING *) SELECT * FROM gone",
    "INSERT INTO events (event) VALUES ('x')",
    "DELETE FROM events",
    "UPDATE events SET page = 'x'",
    "TRUNCATE events",
    "MERGE INTO events USING events e ON true WHEN MATCHED THEN DELETE",
    "DROP TABLE events",
    "ALTER TABLE events ADD COLUMN name VARCHAR",
    "CREATE TABLE made AS SELECT 1",
    "CREATE TEMP TABLE made AS SELECT 1",
    "CREATE VIEW made AS SELECT 1",
    "CREATE MACRO made() AS 1",
    "CREATE SECRET s (TYPE s3)",
    "CREATE SEQUENCE s",
    "COMMENT ON TABLE events IS 'x'",
    "ATTACH '/tmp/written-by-console'",
    "ATTACH ':memory:' AS other",
    "DETACH analytics",
    "USE temp",
    "INSTALL httpfs",
    "FORCE INSTALL httpfs FROM community",
    "LOAD httpfs",
    "LOAD '/tmp/x.duckdb_extension'",
    "UPDATE EXTENSIONS",
    "SET memory_limit = '100GB'",
    "SET enable_external_access = true",
    "SET GLOBAL threads = 64",
    "SET VARIABLE x = 1",
    "RESET lock_configuration",
    "PRAGMA database_list",
    "PRAGMA memory_limit = '100GB'",
    "PRAGMA enable_profiling",
    "PRAGMA profiling_output = '/tmp/written-by-console'",
    "CALL pragma_version()",
    "CALL enable_logging()",
    "EXPORT DATABASE '/tmp/written-by-console'",
    "IMPORT DATABASE '/tmp/written-by-console'",
    "CHECKPOINT",
    "FORCE CHECKPOINT",
    "VACUUM",
    "BEGIN TRANSACTION",
    "PREPARE p AS SELECT 1",
    "EXECUTE p",
    "SELECT 1; SELECT 2",
    "SELECT 1; COPY (SELECT 1) TO '/tmp/written-by-console'",
    "SELECT * FROM read_csv('/etc/passwd')",
    "SELECT * FROM read_csv_auto(['/etc/passwd'])",
    "SELECT * FROM read_text('/proc/self/environ')",
    "SELECT * FROM read_blob('/etc/shadow')",
    "SELECT * FROM read_json('/etc/passwd')",
    "SELECT * FROM read_parquet('http://127.0.0.1/x.parquet')",
    "SELECT * FROM read_duckdb('/etc/passwd')",
    "SELECT * FROM parquet_metadata('/etc/passwd')",
    "SELECT * FROM glob('/etc/*')",
    "SELECT * FROM duckdb_extensions()",
    "SELECT * FROM sniff_csv('/etc/passwd')",
]
"""Each wants what nobody may: a write, a file, a setting, or more than one statement."""
FAILED = [
    "SELECT * FROM '/etc/passwd'",
    "FROM 'data.csv'",
    "SELECT getenv('HOME')",
    "SELECT * FROM query('DELETE FROM events')",
    "SELECT * FROM query('COPY (SELECT 1) TO ''/tmp/written-by-console''')",
    "SELECT * FROM json_execute_serialized_sql('{}')",
    "SELECT nextval('s')",
    "SELECT * FROM another.main.events",
    "SELEC 1",
    "EXPLAIN ANALYZE EXPLAIN ANALYZE DELETE FROM events",
    "SELECT bar(1, 0, 10, 2000000000)",
    "",
    "   ",
    "-- nothing",
    ";",
    "EXPLAIN",
    "SELECT " + "(" * 9_000 + "1" + ")" * 9_000,
    "SELECT " + "(" * 100_000 + "1" + ")" * 100_000,
    "SELECT " + "-" * 15_000 + "1",
    "SELECT " + "NOT " * 5_000 + "true",
    "SELECT " + "(SELECT " * 2_000 + "1" + ")" * 2_000,
    "SELECT " + "[" * 3_000 + "1" + "]" * 3_000,
    "SELECT \ud800",
]
"""Each is nothing that DuckDB knows, can reach or can read."""
ENDLESS = [
    "SELECT count(*) FROM range(1000000000000)",
    "SELECT sum(a.range * b.range) FROM range(1000000) a, range(1000000) b",
    "SELECT count(*) FROM events a, events b, events c, events d, events e WHERE hash(a.n, b.n, c.n, d.n, e.n) = 0",
    "WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t) SELECT max(n) FROM t",
    "WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n FROM t) SELECT * FROM t WHERE n = 2",
    "EXPLAIN ANALYZE SELECT count(*) FROM range(1000000000000)",
    "SELECT regexp_extract_all(repeat('a', 30000000), '(a?){40}a{40}')",
    "SELECT levenshtein(repeat('a', 200000), repeat('b', 200000))",
]
"""Each would take hours."""
GREEDY = [
    "SELECT jaccard(repeat('ab', 200000000), repeat('ba', 200000000))",
    "PIVOT (SELECT range AS a, range % 90000 AS b FROM range(5000000)) ON b USING count(*)",
    "SELECT lpad('x', 2000000000, 'y')",
    "WITH RECURSIVE t(s) AS (SELECT 'a' UNION ALL SELECT s || s FROM t) SELECT max(length(s)) FROM t",
    "SELECT list_sum(list_transform(range(100000000), lambda x: x * 2))",
    "SELECT list_aggregate(range(0, 2000000000), 'sum')",
    "SELECT repeat('a', 2000000000)",
    "SELECT repeat('a', 1900000000) || repeat('b', 1900000000)",
    "SELECT length(repeat(repeat('a', 2000000), 2000))",
    "SELECT list(range) FROM range(500000000)",
    "SELECT string_agg(repeat('a', 1000000), '') FROM range(100000)",
    "SELECT * FROM range(100000000) ORDER BY hash(range)",
    "SELECT count(DISTINCT hash(range)) FROM range(3000000000)",
    "SELECT regexp_replace(repeat('ab', 20000000), '(a|b)*?c', 'x', 'g')",
    "SELECT printf('%2000000000d', 1)",
    "SELECT array_agg(x ORDER BY x) FROM (SELECT hash(range) x FROM range(200000000))",
    "SELECT json_group_array(range) FROM range(200000000)",
]
"""Each would take gigabytes."""
HARMLESS = [
    "SELECT * FROM duckdb_settings()",
    "SELECT * FROM duckdb_databases()",
    "SELECT * FROM duckdb_secrets()",
    "SELECT * FROM duckdb_logs()",
    "SELECT * FROM duckdb_temporary_files()",
    "SELECT * FROM pragma_database_size()",
    "SELECT * FROM pragma_user_agent()",
    "SELECT current_setting('home_directory'), current_setting('extension_directory')",
    "SHOW ALL TABLES",
    "SHOW DATABASES",
]
"""Each may be asked, and tells nothing of the machine."""


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy as the console makes them, with something in it."""
    folder = tmp_path_factory.mktemp("secret-place")
    with duckdb.connect(str(folder / NAME)) as connection:
        connection.execute(
            "CREATE TABLE events AS SELECT 'page.viewed' AS event, 'runs' AS page, range AS n FROM range(500)"
        )
    return folder


@pytest.fixture(autouse=True)
def unharmed(data: Path) -> Iterator[None]:
    """After each try: no file more, no process more, no memory more, the same data."""
    before, memory, files = processes_below(os.getpid()), resident_mb(), sorted(Path("/tmp").iterdir())
    content = (data / NAME).read_bytes()
    yield
    assert resident_mb() - memory < 100
    assert processes_below(os.getpid()).keys() <= before.keys()
    assert not WRITTEN.exists() and [each.name for each in data.iterdir()] == [NAME]
    assert (data / NAME).read_bytes() == content
    assert {each for each in Path("/tmp").iterdir() if each not in files and "console" in each.name} == set()


def asked(data: Path, query: str, limits: Limits = LIMITS) -> Found:
    found, seconds = run_query(data, query, limits)
    assert seconds < limits.seconds + 2  # the machine is shared: what counts is that it was ended
    assert (found.problem is None) == (found.outcome == "answered")
    if found.problem is not None:
        assert found.problem.message.strip() and str(data) not in found.problem.message and not found.rows
    return found


@pytest.mark.parametrize("query", REFUSED)
def test_what_nobody_may_is_refused(data: Path, query: str) -> None:
    assert asked(data, query).outcome == "refused"


@pytest.mark.parametrize("query", FAILED, ids=lambda query: query[:30])
def test_what_is_no_query_fails_in_words(data: Path, query: str) -> None:
    assert asked(data, query).outcome in ("failed", "stopped")


@pytest.mark.parametrize("query", ENDLESS)
def test_what_has_no_end_is_stopped(data: Path, query: str) -> None:
    assert asked(data, query, Limits(seconds=1)).outcome == "stopped"
    assert getrusage(RUSAGE_CHILDREN).ru_maxrss / 1024 < MOST_MB, "no process that was ended had more"


@pytest.mark.parametrize("query", [ENDLESS[0], *GREEDY])
def test_what_takes_too_much_is_stopped_within_the_time_that_all_have(data: Path, query: str) -> None:
    assert asked(data, query).outcome == "stopped"
    assert getrusage(RUSAGE_CHILDREN).ru_maxrss / 1024 < MOST_MB, "no process that was ended had more"


@pytest.mark.parametrize("query", HARMLESS)
def test_what_may_be_asked_tells_nothing_of_the_machine(data: Path, query: str) -> None:
    found = asked(data, query, Limits(seconds=20))
    assert found.outcome == "answered"
    told = repr(found.rows)
    for secret in (str(data), data.name, str(Path.home()) + "/", str(Path.cwd()), os.environ.get("USER", "nobody-is")):
        assert secret not in told
    assert "/etc" not in told


def test_the_place_of_the_data_can_be_asked_for_and_not_opened(data: Path) -> None:
    assert not asked(data, f"SELECT * FROM read_blob('{data / NAME}')").rows
    for query in (f"SELECT * FROM read_csv('{data / NAME}')", f"ATTACH '{data / NAME}' AS again", f"FROM '{data}'"):
        assert asked(data, query).outcome in ("refused", "failed")


def test_a_process_that_does_not_end_by_itself_is_killed(data: Path) -> None:
    # One call of a function is not interrupted: only the kill from outside ends it.
    found, seconds = run_query(
        data, "SELECT levenshtein(repeat('a', 400000), repeat('b', 400000))", Limits(seconds=0.5)
    )
    assert found.outcome == "stopped" and 0.5 <= seconds < 4


def test_a_query_of_a_megabyte_is_read_and_answered_or_not(data: Path) -> None:
    found = asked(data, "SELECT '" + "a" * 1_000_000 + "'", Limits(seconds=20))
    assert found.outcome == "answered"
    many = asked(data, "SELECT " + ", ".join(f"{n}" for n in range(150_000)), LIMITS)
    assert many.outcome in ("failed", "stopped", "answered")


def test_an_answer_is_cut_by_its_rows_and_by_its_bytes_and_says_so(data: Path) -> None:
    limits = Limits(seconds=20)
    found = asked(data, "SELECT range FROM range(20000)", limits)
    assert (len(found.rows), found.cut) == (10_000, "rows")
    assert asked(data, "SELECT range FROM range(10000)", limits).cut == ""
    found = asked(data, "SELECT repeat('é', 1000) FROM range(9000)", limits)
    assert found.cut == "bytes" and 2_000 < len(found.rows) < 2_500
    found = asked(data, "SELECT repeat('a', 6000000)", limits)
    assert found.outcome == "stopped" and found.problem is not None and "larger than 5 MB" in found.problem.message


def test_ten_at_once_leave_the_server_as_it_was(data: Path) -> None:
    bombs = [*ENDLESS[:4], GREEDY[6], *GREEDY[9:14]]
    results: list[Any] = [None] * 10
    limits = Limits(seconds=2)

    def attack(at: int) -> None:
        results[at] = run_query(data, bombs[at], limits)[0].outcome

    threads = [Thread(target=attack, args=(at,)) for at in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == ["stopped"] * 10
    found, _ = run_query(data, "SELECT count(*) FROM events", Limits(seconds=20))
    assert found.outcome == "answered" and found.rows == ((500,),)
