"""Proof that the lake is what it is said to be: declared columns, declared values, no old salt."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from core.analytics.bucket import Bucket, speaking
from core.analytics.catalogue import EVENTS, FIELDS, PLAN, WORDS, check_event
from core.analytics.coarse import SIZES
from core.analytics.columns import FROM_BATCHES, NAMES_IN_BATCHES, TYPES
from core.analytics.engine import open_duckdb, parquet
from core.analytics.facts import FACTS
from core.analytics.facts import WORDS as FACT_WORDS
from core.analytics.facts_store import facts_of
from core.analytics.lake import lake_of, list_files
from core.analytics.salts import oldest_salt
from core.analytics.waiting import load_waiting, read_waiting
from core.platform.runtime import Runtime
from core.shared.errors import InvalidInput

if TYPE_CHECKING:
    import duckdb

FILES_LOOKED_AT = 40
CANARY = "Ada.Canary@planted.example"


@dataclass(frozen=True, slots=True)
class LakeProof:
    """What was found: names of columns and fields only, never a value.

    `undeclared`: columns that the catalogue does not have. `foreign`: fields with a value that they cannot be.
    `refuses`: whether an event with somebody's address in it is refused. `salt_age`: of the oldest one.
    """

    events: int
    files: int
    undeclared: tuple[str, ...]
    foreign: tuple[str, ...]
    refuses: bool
    salt_age: timedelta | None


def prove_lake(runtime: Runtime) -> LakeProof:
    """Look at what waits and at the newest files."""
    files = list_files(runtime)
    looked_at = sorted(files, key=lambda file: file.day, reverse=True)[:FILES_LOOKED_AT]
    with runtime.database.read() as session:
        waiting = read_waiting(session)
    undeclared, foreign = set[str](), set[str]()
    lake = lake_of(runtime)
    with open_duckdb() as connection, lake.reading():
        load_waiting(connection, waiting)
        connection.execute(f"CREATE TEMP TABLE rows AS {FROM_BATCHES}")
        foreign |= _foreign(connection, "rows", set(TYPES))
        undeclared |= {name for (name,) in connection.execute(NAMES_IN_BATCHES).fetchall()} - set(TYPES)
        waits = connection.execute("SELECT count(*) FROM rows").fetchall()[0][0]
        for file in looked_at:
            relation = lake.relation(connection, file)
            found = _columns(connection, relation)
            undeclared |= found - set(TYPES)
            foreign |= _foreign(connection, relation, found & set(TYPES))
        for fact in FACTS.values():
            for path in facts_of(runtime).newest(fact.name, FILES_LOOKED_AT):
                relation = parquet([path])
                found = _columns(connection, relation)
                undeclared |= found - set(fact.columns)
                foreign |= {name for name in fact.words if name in found and _has_foreign(connection, relation, name)}
    return LakeProof(
        sum(file.rows for file in files) + waits,
        len(looked_at),
        tuple(sorted(undeclared)),
        tuple(sorted(foreign)),
        _refuses(),
        oldest_salt(runtime),
    )


def lake_texts(runtime: Runtime) -> Iterator[tuple[str, Iterator[bytes]]]:
    """Every file of the lake by its place, with its values as text: what is packed in it is found in no other way.

    Of a bucket every object is looked through, listed or not, and also as it is stored: no folder has it.
    """
    bucket = runtime.settings.lake_bucket
    if bucket is not None:
        yield from _texts_of_bucket(Bucket(bucket))
        return
    lake = lake_of(runtime)
    for file in list_files(runtime):
        yield f"dt={file.day}/{file.name}.parquet", _texts(str(lake.find(file)))
    for place, path in facts_of(runtime).all_files():
        yield place, _texts(str(path))


def _texts_of_bucket(bucket: Bucket) -> Iterator[tuple[str, Iterator[bytes]]]:
    for found in bucket.list(""):
        yield f"bucket: {found.key}", _all_of(bucket, found.key)


def _all_of(bucket: Bucket, key: str) -> Iterator[bytes]:
    try:
        yield from bucket.pieces(key)
        if key.endswith(".parquet"):
            with speaking(), bucket.files.open_input_file(bucket.place(key)) as file:
                yield from _texts(file)
    except FileNotFoundError:  # it was replaced meanwhile
        return


def _texts(source: Any) -> Iterator[bytes]:
    from pyarrow.parquet import ParquetFile

    with ParquetFile(source) as file:
        for batch in file.iter_batches(50_000):
            for column in batch.columns:
                values = {str(value) for value in column.to_pylist() if value is not None}
                yield "\n".join(sorted(values)).encode() + b"\0"


def _foreign(connection: "duckdb.DuckDBPyConnection", relation: str, columns: set[str]) -> set[str]:
    """The fields with a value that the catalogue does not know."""
    found = set[str]()
    for name in sorted(columns & {"event", *WORDS, *FIELDS}):
        values = connection.execute(f"SELECT DISTINCT {name} FROM {relation} WHERE {name} IS NOT NULL").fetchall()
        if not all(_is_known(name, value) for (value,) in values):
            found.add(name)
    return found


def _has_foreign(connection: "duckdb.DuckDBPyConnection", relation: str, name: str) -> bool:
    """Whether a word of facts is one that the catalogue does not know."""
    values = connection.execute(f"SELECT DISTINCT {name} FROM {relation} WHERE {name} IS NOT NULL").fetchall()
    return not all(FACT_WORDS[name].holds(value) for (value,) in values)


def _is_known(name: str, value: object) -> bool:
    if name == "event":
        return value in EVENTS
    field = PLAN if name == PLAN.name else FIELDS[name]
    return value in SIZES if field.kind == "number" else field.holds(value)


def _columns(connection: "duckdb.DuckDBPyConnection", relation: str) -> set[str]:
    return {name for (name, *_) in connection.execute(f"DESCRIBE SELECT * FROM {relation}").fetchall()}


def _refuses() -> bool:
    """Whether no field of any event takes somebody's address."""
    for name, kind in EVENTS.items():
        for field in kind.fields:
            try:
                check_event(name, {field: CANARY})
            except InvalidInput:
                continue
            return False
    return True
