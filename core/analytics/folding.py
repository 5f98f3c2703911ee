"""Folding: makes events that say nothing about fewer than five people.

Events that are alike in everything form a group. A group of five people or more is shown as it is. The others lose
what sets them apart, step by step: the hour, then the sizes, then the words, each time joined with those that became
like them; what is still of fewer than five people at the end is kept in the file and never shown. So each row that can
be asked for stands for five people at least, whichever way questions are put and put together: l-diversity is not
claimed, k-anonymity is (Sweeney 2002; Opinion 05/2014 of the Article 29 Working Party, 3.2.1).
"""

from typing import TYPE_CHECKING

from core.analytics.catalogue import NUMBERS, WORDS
from core.analytics.columns import SEALED, TYPES

if TYPE_CHECKING:
    import duckdb

K = 5
"""People that stand behind anything that is shown."""
_COARSE = ("event", "feature", "stage", "page", "status")
"""What is left in the last step but one."""
LEVELS: tuple[tuple[str, ...], ...] = (
    ("event", "hour", *WORDS, *NUMBERS),
    ("event", *WORDS, *NUMBERS),
    ("event", *WORDS),
    _COARSE,
    ("event",),
)
"""What a row keeps at each step, beside its day."""


def fold(connection: "duckdb.DuckDBPyConnection", table: str) -> None:
    """Make the table `folded` out of `table`, whose rows are of one day or more and have visitors.

    `folded` has the columns of a sealed day. No row is lost: those that may not be shown have `shown` false.
    """
    run = connection.execute
    run(f"CREATE OR REPLACE TEMP TABLE left_over AS SELECT *, CAST(hour AS DATE) AS day FROM {table}")
    columns = ", ".join(f"{name} {TYPES[name]}" for name in SEALED)
    run(f"CREATE OR REPLACE TEMP TABLE folded ({columns})")
    for kept in LEVELS:
        key = f"hash(day, {', '.join(kept)})"
        run(
            f"CREATE OR REPLACE TEMP TABLE enough AS SELECT {key} AS key FROM left_over "
            f"GROUP BY ALL HAVING count(DISTINCT visitor) >= {K}"
        )
        run(f"INSERT INTO folded SELECT {_as(kept, True)} FROM left_over WHERE {key} IN (FROM enough)")
        run(f"DELETE FROM left_over WHERE {key} IN (FROM enough)")
    run(f"INSERT INTO folded SELECT {_as(('event',), False)} FROM left_over")
    run("DROP TABLE left_over")
    run("DROP TABLE enough")


def _as(kept: tuple[str, ...], shown: bool) -> str:
    """The columns of a sealed day, of which only some keep their value."""
    held = (*kept, "day")
    named = [name if name in held else f"CAST(NULL AS {TYPES[name]}) AS {name}" for name in SEALED if name != "shown"]
    return ", ".join([*named, f"{str(shown).lower()} AS shown"])
