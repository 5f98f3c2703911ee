"""The columns of the lake, for DuckDB: one for each declared field, and nothing else.

A file that an older or a newer version wrote may lack a column or have one more: what it lacks is empty, and what is
not declared is not read.
"""

from core.analytics.catalogue import NUMBERS, WORDS

TYPES = {
    "event": "VARCHAR",
    "hour": "TIMESTAMP",
    "visitor": "VARCHAR",
    **dict.fromkeys(WORDS, "VARCHAR"),
    **dict.fromkeys(NUMBERS, "INTEGER"),
    "day": "DATE",
    "shown": "BOOLEAN",
}
"""Columns of a file of the lake. `visitor` is in files of open days only, `day` and `shown` in those of sealed days,
where a row may have lost its hour: `shown` says whether at least five people stand behind each row like it."""
OPEN = tuple(name for name in TYPES if name not in ("day", "shown"))
SEALED = tuple(name for name in TYPES if name != "visitor")
_PACKED = ", ".join(f'"{name}": "{"VARCHAR" if name == "hour" else TYPES[name]}"' for name in OPEN)
FROM_BATCHES = f"""
SELECT * REPLACE (CAST(strptime(hour, '%Y-%m-%dT%H') AS TIMESTAMP) AS hour)
FROM (SELECT unnest(each) FROM (SELECT unnest(from_json(events, '[{{{_PACKED}}}]')) AS each FROM waiting))
"""
"""Batches of events, as `waiting`, in the columns of an open day."""
NAMES_IN_BATCHES = """
SELECT DISTINCT unnest(json_keys(each)) FROM (SELECT unnest(from_json(events, '["JSON"]')) AS each FROM waiting)
"""
"""Whatever is said in them, declared or not."""


def schema_of(names: tuple[str, ...]) -> str:
    """An empty relation with these columns, which gives a reading its types whatever the files have."""
    return "SELECT " + ", ".join(f"CAST(NULL AS {TYPES[name]}) AS {name}" for name in names) + " WHERE false"
