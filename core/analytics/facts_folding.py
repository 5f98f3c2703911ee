"""Folding of facts: groups of at least five people, whose sums are whole, and times that five people met.

It goes as the folding of events does: what is alike is a group, and a group of fewer than five people loses its hour,
then its words, step by step. What is left of fewer than five at the end takes the smallest group of its day along, so
that a day is told whole or not at all: no rest could be reckoned from a total that somebody knows. A day on which
fewer than five people did anything has no facts.
"""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from core.analytics.facts import Fact
from core.analytics.folding import K

if TYPE_CHECKING:
    import duckdb

TYPES = {"day": "DATE", "hour": "TIMESTAMP", "people": "BIGINT"}
TIMES_TYPE = "STRUCT(size INTEGER, number BIGINT)[]"


def type_of(fact: Fact, name: str) -> str:
    """The type of a column, for DuckDB."""
    if name in fact.times:
        return TIMES_TYPE
    return "BIGINT" if name in fact.sums else TYPES.get(name, "VARCHAR")


def empty(fact: Fact) -> str:
    """An empty relation with the columns of a fact."""
    return f"SELECT {', '.join(f'CAST(NULL AS {type_of(fact, name)}) AS {name}' for name in fact.columns)} WHERE false"


def fold_fact(connection: "duckdb.DuckDBPyConnection", fact: Fact, table: str) -> None:
    """Make the table `folded` out of a table of rows, each with its `person`. Days are folded apart."""
    run = connection.execute
    words = ("hour", *fact.words)
    measures = (*fact.sums, *fact.times)
    run(f"CREATE OR REPLACE TEMP TABLE left_over AS SELECT person, day, {', '.join((*words, *measures))} FROM {table}")
    run("CREATE OR REPLACE TEMP TABLE taken AS SELECT *, CAST(NULL AS UBIGINT) AS grp FROM left_over WHERE false")
    for number, level in enumerate(fact.levels):
        _take(connection, fact, number, level)
        if not connection.execute("SELECT EXISTS (FROM left_over)").fetchall()[0][0]:
            break
    else:
        _bring_along(connection, fact)
        _take(connection, fact, len(fact.levels), ())
    key = f"hash({', '.join(('day', *words))})"
    sums = "".join(f", CAST(sum({name}) AS BIGINT) AS {name}" for name in fact.sums)
    run(
        f"CREATE OR REPLACE TEMP TABLE summed AS SELECT {key} AS key, day, {', '.join(words)}, "
        f"count(DISTINCT person) AS people{sums} FROM taken GROUP BY ALL"
    )
    for name in fact.times:
        _measure(connection, name, key)
    joins = "".join(f" LEFT JOIN times_{name} USING (key)" for name in fact.times)
    run(f"CREATE OR REPLACE TEMP TABLE folded AS SELECT {', '.join(fact.columns)} FROM summed{joins}")


def _take(connection: "duckdb.DuckDBPyConnection", fact: Fact, number: int, level: Sequence[str]) -> None:
    """Move the groups of five people or more at a level out of what is left over; they lose what it does not keep."""
    run = connection.execute
    kept = (*fact.kept, *level)
    key = f"hash({', '.join((str(number), 'day', *kept))})"
    run(
        f"CREATE OR REPLACE TEMP TABLE enough AS SELECT {key} AS grp FROM left_over GROUP BY ALL "
        f"HAVING count(DISTINCT person) >= {K}"
    )
    words = [
        name if name in kept else f"CAST(NULL AS {type_of(fact, name)}) AS {name}" for name in ("hour", *fact.words)
    ]
    columns = ", ".join(("person", "day", *words, *fact.sums, *fact.times))
    run(f"INSERT INTO taken SELECT {columns}, {key} FROM left_over WHERE {key} IN (FROM enough)")
    run(f"DELETE FROM left_over WHERE {key} IN (FROM enough)")


def _bring_along(connection: "duckdb.DuckDBPyConnection", fact: Fact) -> None:
    """Put the smallest group beside those few who are left over, wherever some are."""
    run = connection.execute
    of_kind = f"hash({', '.join(('day', *fact.kept))})"
    run(
        f"CREATE OR REPLACE TEMP TABLE smallest AS SELECT grp FROM (SELECT grp, {of_kind} AS part, "
        f"count(DISTINCT person) AS people, count(*) AS number FROM taken GROUP BY ALL) "
        f"WHERE part IN (SELECT {of_kind} FROM left_over) "
        "QUALIFY row_number() OVER (PARTITION BY part ORDER BY people, number, grp) = 1"
    )
    run("INSERT INTO left_over SELECT * EXCLUDE (grp) FROM taken WHERE grp IN (FROM smallest)")
    run("DELETE FROM taken WHERE grp IN (FROM smallest)")


def _measure(connection: "duckdb.DuckDBPyConnection", name: str, key: str) -> None:
    """Make the table of histograms of a time, one a group."""
    import pyarrow

    rows = connection.execute(
        f"SELECT {key} AS key, {name}, count(*), list(DISTINCT person) FROM taken WHERE {name} IS NOT NULL "
        f"GROUP BY ALL ORDER BY key, {name}"
    ).fetchall()
    by_group: dict[int, list[tuple[int, int, list[str]]]] = {}
    for group, size, number, people in rows:
        by_group.setdefault(group, []).append((size, number, people))
    found = [(group, bands(sizes)) for group, sizes in by_group.items()]
    kind = pyarrow.list_(pyarrow.struct([("size", pyarrow.int32()), ("number", pyarrow.int64())]))
    table = pyarrow.table(
        {
            "key": pyarrow.array([group for group, _ in found], pyarrow.uint64()),
            name: pyarrow.array([[{"size": s, "number": n} for s, n in each] for _, each in found], kind),
        }
    )
    connection.register("measured", table)
    connection.execute(f"CREATE OR REPLACE TEMP TABLE times_{name} AS SELECT * FROM measured")
    connection.unregister("measured")


def bands(sizes: Iterable[tuple[int, int, Sequence[str]]]) -> list[tuple[int, int]]:
    """A histogram whose sizes were each met by at least five people, from (size, how many, who) in ascending order.

    A size that fewer met is counted with the next larger one. Of the largest ones, if fewer than five people met them,
    it is only told that they were not shorter than the last size shown: they count there.
    """
    found: list[tuple[int, int]] = []
    number, people = 0, set[str]()
    for size, times, who in sizes:
        number, people = number + times, people | set(who)
        if len(people) >= K:
            found.append((size, number))
            number, people = 0, set()
    if number and found:
        found[-1] = found[-1][0], found[-1][1] + number
    return found
