"""Rows of operations without content, out of the database into DuckDB as Arrow, through the engine's own connections.

A row has whose it is only until DuckDB has it: there the account becomes a hash under a key that this process made for
itself and nobody else has, and with which nothing is ever written. Whoever objects, is restricted, leaves or left is
not read, nor is the operator, who is nobody.

Each statement goes through the accounts to an index of each: a day costs what is in it, however long the history.
"""

import secrets
from collections.abc import Mapping
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection

from core.analytics.coarse import SIZES
from core.analytics.facts import KINDS, UNDER_WAY, WORDS
from core.analytics.folding import K

if TYPE_CHECKING:
    import duckdb
    import pyarrow

AT_ONCE = 20_000
"""Rows that are Python's at one time; DuckDB has them as Arrow."""
_MOMENTS = ("asked_at", "started_at", "completed_at", "taken_at")
_NUMBERS = ("attempt", "input_tokens", "output_tokens", "credit_micros", "cost_micro_cents", "amount_micros")
_KEY = secrets.token_hex(32)
_COUNTED = (
    "NOT a.is_operator AND a.restricted_at IS NULL AND a.objected_at IS NULL AND a.closing_at IS NULL"
)  # fmt: skip
_RUNS = f"accounts a CROSS JOIN runs r WHERE r.owner_id = a.id AND {_COUNTED} AND {{within}}"
_LEDGER = (
    "SELECT t.id AS id, t.owner_id AS owner_id, t.created_at AS asked_at, t.plan AS plan, a.plan AS plan_now, "
    "e.account AS account, e.amount_micros AS amount_micros "
    "FROM {tables} WHERE t.owner_id = a.id AND e.transaction_id = t.id "
    f"AND {_COUNTED} AND {{within}} AND {{kinds}}"
)
GIVEN = "t.kind NOT IN ('hold', 'settle', 'release')"
STATEMENTS: Mapping[str, str] = {
    "read_runs": (
        "SELECT r.owner_id AS owner_id, r.created_at AS asked_at, r.started_at AS started_at, "
        "r.completed_at AS completed_at, r.plan AS plan, r.trigger_type AS trigger_type, "
        f"r.funding_mode AS funding_mode, r.status AS status, r.error_code AS error_code FROM {_RUNS}"
    ),
    "read_steps": (
        "SELECT r.owner_id AS owner_id, r.created_at AS asked_at, r.plan AS plan, r.funding_mode AS funding_mode, "
        "r.price_version AS price_version, s.started_at AS started_at, s.completed_at AS completed_at, "
        "s.type AS type, s.provider AS provider, s.model AS model, s.status AS status, s.error_code AS error_code, "
        "s.attempt AS attempt, s.input_tokens AS input_tokens, s.output_tokens AS output_tokens, "
        "s.credit_micros AS credit_micros, s.cost_micro_cents AS cost_micro_cents "
        "FROM accounts a CROSS JOIN runs r CROSS JOIN step_runs s "
        f"WHERE r.owner_id = a.id AND s.run_id = r.id AND {_COUNTED} AND {{within}}"
    ),
    "read_spent": _LEDGER.format(
        tables="accounts a CROSS JOIN ledger_transactions t CROSS JOIN ledger_entries e",
        within="{within}", kinds="t.kind = 'settle'",
    ),
    "read_given": _LEDGER.format(
        tables="ledger_transactions t CROSS JOIN accounts a CROSS JOIN ledger_entries e",
        within="{within}", kinds=GIVEN,
    ),
}  # fmt: skip
BOOKS = "SELECT version, CAST(content AS TEXT) AS content, taken_at FROM price_books"
_WHEN = {"read_runs": "r", "read_steps": "r", "read_spent": "t", "read_given": "t"}

_SIZES = f"[{', '.join(map(str, SIZES))}]"
_PERSON = "sha256(getvariable('person_key') || owner_id) AS person"


def _word(name: str, column: str) -> str:
    """A word where it is one that the catalogue knows; otherwise none."""
    field = WORDS[name]
    known = (
        f"{column} IN ({', '.join(repr(word) for word in sorted(field.words))})"
        if field.words
        else f"regexp_full_match({column}, '{field.form.pattern}')"
    )
    return f"CASE WHEN {known} THEN {column} END AS {name}"


def _size(first: str, last: str, name: str) -> str:
    """The time between two moments, as the next of the coarse sizes."""
    took = f"least(greatest(date_diff('millisecond', {first}, {last}), 0), {SIZES[-1]})"
    sized = f"list_filter({_SIZES}, lambda size: size >= {took})[1]"
    return f"CASE WHEN {first} IS NOT NULL AND {last} IS NOT NULL THEN {sized} END AS {name}"


_WHEN_ASKED = "CAST(asked_at AS DATE) AS day, date_trunc('hour', asked_at) AS hour"
_STATUS = f"CASE WHEN status IN ('pending', 'running', 'waiting') THEN '{UNDER_WAY}' ELSE status END"
_MARKUP = "coalesce(m.markup, (SELECT arg_max(markup, taken_at) FROM markups))"
_ACCOUNTS = {"granted": -1, "purchased": -1, "spent": 1, "expired": 1}
"""Which way an account of the ledger counts: what credits come from grows by what it gives away."""
ROWS: Mapping[str, str] = {
    "fact_runs": (
        f"SELECT {_PERSON}, {_WHEN_ASKED}, {_word('plan', 'plan')}, {_word('trigger', 'trigger_type')}, "
        f"{_word('funding', 'funding_mode')}, {_word('status', 'ended')}, {_word('error', 'error_code')}, 1 AS runs, "
        f"{_size('asked_at', 'started_at', 'wait_ms')}, {_size('asked_at', 'completed_at', 'duration_ms')} "
        f"FROM (SELECT *, {_STATUS} AS ended FROM read_runs)"
    ),
    "fact_steps": (
        f"SELECT {_PERSON}, {_WHEN_ASKED}, {_word('plan', 'plan')}, {_word('funding', 'funding_mode')}, "
        f"{_word('step_type', 'type')}, {_word('provider', 'provider')}, {_word('model', 'model')}, "
        f"{_word('status', 'ended')}, {_word('error', 'error_code')}, 1 AS steps, "
        "CAST(attempt > 1 AS INTEGER) AS retries, input_tokens, output_tokens, credit_micros, "
        "CASE WHEN funding_mode = 'platform' THEN cost_micro_cents ELSE 0 END AS price_micro_cents, "
        f"CASE WHEN funding_mode = 'platform' THEN CAST(round(cost_micro_cents / {_MARKUP}) AS BIGINT) ELSE 0 END "
        f"AS vendor_micro_cents, {_size('started_at', 'completed_at', 'duration_ms')} "
        f"FROM (SELECT *, {_STATUS} AS ended FROM read_steps) LEFT JOIN markups m ON m.version = price_version"
    ),
    "fact_credits": (
        f"SELECT {_PERSON}, CAST(asked_at AS DATE) AS day, CAST(NULL AS TIMESTAMP) AS hour, "
        f"{_word('plan', 'coalesce(plan, plan_now)')}, CASE account WHEN 'purchased' THEN 'bought' ELSE account END "
        f"AS kind, CASE account {' '.join(f'''WHEN '{name}' THEN {sign}''' for name, sign in _ACCOUNTS.items())} END "
        "* amount_micros AS credit_micros, 1 AS movements "
        "FROM (SELECT * FROM read_spent UNION ALL BY NAME SELECT * FROM read_given) "
        f"WHERE account IN ({', '.join(repr(name) for name in _ACCOUNTS)}) AND amount_micros <> 0"
    ),
    "fact_people": (
        f"SELECT DISTINCT {_PERSON}, CAST(asked_at AS DATE) AS day, CAST(NULL AS TIMESTAMP) AS hour, "
        f"{_word('plan', 'arg_max(plan, asked_at) OVER (PARTITION BY owner_id)')} FROM read_runs"
    ),
}
"""How the rows that were read become rows of each fact: words of the catalogue, coarse times, and a person's hash."""
assert set(KINDS) == {"bought" if name == "purchased" else name for name in _ACCOUNTS}


def has_enough(database: Connection, first: date, last: date) -> bool:
    """Whether so many people did anything on some days that a fact of them can be told at all."""
    people = " UNION ALL ".join(
        f"SELECT owner_id FROM ({statement}) AS {name}"
        for name, statement in _statements(database, first, last).items()
        if name != "read_steps"  # whose runs are read
    )
    asked = f"SELECT count(*) FROM (SELECT DISTINCT owner_id FROM ({people}) AS everybody LIMIT {K}) AS these"
    return database.exec_driver_sql(asked).scalar() == K


def read_days(database: Connection, connection: "duckdb.DuckDBPyConnection", first: date, last: date) -> None:
    """Make a table `rows_of_<fact>` of each fact's rows of some days."""
    for name, statement in _statements(database, first, last).items():
        connection.register(name, _read(database, statement))
    connection.register("books", _read(database, BOOKS))
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE markups AS "
        "SELECT version, taken_at, CAST(CAST(content AS JSON) ->> 'markup' AS DOUBLE) AS markup FROM books"
    )
    connection.execute("SET VARIABLE person_key = ?", [_KEY])
    for fact, rows in ROWS.items():
        connection.execute(f"CREATE OR REPLACE TEMP TABLE rows_of_{fact} AS {rows}")
    for name in (*STATEMENTS, "books"):  # whose each row was is forgotten with them
        connection.unregister(name)


def _read(database: Connection, statement: str) -> "pyarrow.Table":
    """What a statement answers, by name. Moments are in UTC and say so no more."""
    import pyarrow

    rows = database.execution_options(stream_results=True).exec_driver_sql(statement)
    names = tuple(rows.keys())
    schema = pyarrow.schema([(name, _type(name)) for name in names])
    batches = [
        pyarrow.record_batch(
            [_column(field, values) for field, values in zip(schema, zip(*some, strict=True), strict=True)],
            schema=schema,
        )
        for some in rows.partitions(AT_ONCE)
    ]
    return pyarrow.Table.from_batches(batches, schema=schema)


def _type(name: str) -> Any:
    import pyarrow

    return pyarrow.timestamp("us") if name in _MOMENTS else pyarrow.int64() if name in _NUMBERS else pyarrow.string()


def _column(field: Any, values: tuple[Any, ...]) -> Any:
    """A column as Arrow: SQLite tells a moment as text in UTC, PostgreSQL with its zone."""
    import pyarrow

    if field.name not in _MOMENTS:
        return pyarrow.array(values, field.type)
    if any(isinstance(value, str) for value in values):
        return pyarrow.array(values, pyarrow.string()).cast(field.type)
    return pyarrow.array(values, pyarrow.timestamp("us", tz="UTC")).cast(field.type)


def _statements(database: Connection, first: date, last: date) -> dict[str, str]:
    """The statements, of some days."""
    zone = "" if database.dialect.name == "sqlite" else "+00"
    return {
        name: statement.format(within=_within(_WHEN[name], first, last, zone=zone))
        for name, statement in STATEMENTS.items()
    }


def _within(table: str, first: date, last: date, *, zone: str) -> str:
    """The moments of days, as the database writes them."""
    begin, end = (f"'{each.isoformat()} 00:00:00.000000{zone}'" for each in (first, last + timedelta(days=1)))
    return f"{table}.created_at >= {begin} AND {table}.created_at < {end}"
