"""Rows of operations without content, out of the database into DuckDB, by connectorx.

A row has whose it is only until DuckDB has it: there the account becomes a hash under a key that this process made for
itself and nobody else has, and with which nothing is ever written. Whoever objects, is restricted, leaves or left is
not read, nor is the operator, who is nobody.

Each statement goes through the accounts to an index of each: a day costs what is in it, however long the history.
"""

import json
import secrets
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path
from typing import IO, TYPE_CHECKING, cast
from urllib.parse import quote, urlencode

from sqlalchemy import make_url

from core.analytics.coarse import SIZES
from core.analytics.facts import KINDS, UNDER_WAY, WORDS
from core.platform.runtime import Runtime
from core.shared.errors import Conflict

if TYPE_CHECKING:
    import duckdb
    import pyarrow

_KEY = secrets.token_hex(32)
_SSL = ("sslmode", "sslrootcert", "application_name", "connect_timeout", "options")
"""What of a PostgreSQL address the reader knows."""
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
BOOKS = "SELECT version, content, taken_at FROM price_books"
_WHEN = {"read_runs": "r", "read_steps": "r", "read_spent": "t", "read_given": "t"}

_SIZES = f"[{', '.join(map(str, SIZES))}]"
_PERSON = "sha256(getvariable('person_key') || owner_id) AS person"


def _word(name: str, column: str) -> str:
    """A word where it is one that the catalogue knows; otherwise none."""
    field = WORDS[name]
    known = (
        f"{column} IN ({', '.join(repr(word) for word in sorted(field.words))})"
        if field.words
        else f"regexp_full_match({column}, '{field.form}')"
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


class RowReader:
    """Reads what statements answer, in a process of its own: see `rows_process` for why."""

    def __init__(self, runtime: Runtime, process: "subprocess.Popen[bytes]") -> None:
        self.is_sqlite = runtime.database.is_sqlite
        self._address = _address(runtime)
        self._asked, self._answered = cast(IO[bytes], process.stdin), cast(IO[bytes], process.stdout)

    def read(self, statement: str) -> "pyarrow.Table":
        """What a statement answers. Moments are in UTC and say so no more. Raises Conflict."""
        import pyarrow

        told = json.dumps({"address": self._address, "statement": statement})
        try:
            self._asked.write(told.encode() + b"\n")
            self._asked.flush()
        except BrokenPipeError:
            raise _unreadable("the reader ended") from None
        length = int.from_bytes(self._answered.read(8), "big")
        if not length:
            raise _unreadable(self._answered.readline().decode().strip() or "the reader ended")
        with pyarrow.ipc.open_stream(self._answered.read(length)) as stream:
            found = stream.read_all()
        moment = pyarrow.timestamp("us")
        for at, field in enumerate(found.schema):
            if pyarrow.types.is_timestamp(field.type):
                found = found.set_column(at, field.name, found.column(at).cast(moment))
        return found

    def read_days(self, connection: "duckdb.DuckDBPyConnection", first: date, last: date) -> None:
        """Make a table `rows_of_<fact>` of each fact's rows of some days. Raises Conflict."""
        for name, statement in STATEMENTS.items():
            within = _within(self.is_sqlite, _WHEN[name], first, last)
            connection.register(name, self.read(statement.format(within=within)))
        connection.register("books", self.read(BOOKS))
        connection.execute(
            "CREATE OR REPLACE TEMP TABLE markups AS "
            "SELECT version, taken_at, CAST(CAST(content AS JSON) ->> 'markup' AS DOUBLE) AS markup FROM books"
        )
        connection.execute("SET VARIABLE person_key = ?", [_KEY])
        for fact, rows in ROWS.items():
            connection.execute(f"CREATE OR REPLACE TEMP TABLE rows_of_{fact} AS {rows}")
        for name in (*STATEMENTS, "books"):  # whose each row was is forgotten with them
            connection.unregister(name)


@contextmanager
def row_reader(runtime: Runtime) -> Iterator[RowReader]:
    """A reader of the database's rows, whose process ends with the block."""
    process = subprocess.Popen(  # noqa: S603 - our own file
        [sys.executable, str(Path(__file__).with_name("rows_process.py"))],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,  # connectorx writes what it was told there
    )
    try:
        yield RowReader(runtime, process)
    finally:
        process.kill()
        process.communicate()


def _unreadable(why: str) -> Conflict:
    return Conflict(
        "FACTS_UNREADABLE", f"The database could not be read for the facts ({why}). Nothing changed; try again."
    )


def _within(is_sqlite: bool, table: str, first: date, last: date) -> str:
    """The moments of days, as the database writes them."""
    zone = "" if is_sqlite else "+00"
    begin, end = (f"'{each.isoformat()} 00:00:00.000000{zone}'" for each in (first, last + timedelta(days=1)))
    return f"{table}.created_at >= {begin} AND {table}.created_at < {end}"


def _address(runtime: Runtime) -> str:
    """The address of the database, as connectorx takes it: a socket's folder stands where a host does."""
    url = make_url(runtime.database.url)
    if runtime.database.is_sqlite:
        return f"sqlite://{quote(str(url.database))}"
    host = url.host or str(url.query.get("host", "localhost"))
    who = quote(url.username or "", safe="")
    if url.password is not None:
        who += f":{quote(str(url.password), safe='')}"
    port = f":{url.port}" if url.port else ""
    known = urlencode({name: url.query[name] for name in _SSL if name in url.query}, doseq=True)
    address = f"postgresql://{who}@{quote(host, safe='')}{port}/{quote(url.database or '', safe='')}"
    return f"{address}?{known}" if known else address
