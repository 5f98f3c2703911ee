"""Holds and settlements, against a bare transaction that inserts two rows, on both databases; and a quote of 20 steps.

A step is held before its call and settled after: the sum of both is held against two bare transactions on the same
connection pool. What the bare one lacks is what makes it a ledger: the lock, the guards, the chain and the entries.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from statistics import median
from typing import Any

from sqlalchemy import BigInteger, Column, MetaData, String, Table, insert

from benchmarks.ground import ground
from benchmarks.table import Row
from core.accounts.commands import create_account
from core.accounts.domain import Account
from core.credits import postings
from core.credits.commands import set_credits
from core.credits.domain import Metered
from core.credits.queries import verify_ledger
from core.execution.notebook import quote_pipeline
from core.pipelines.commands import create_pipeline
from core.platform.runtime import Runtime
from tests.support.postgres import new_database, new_migrated_database

ROUNDS, EACH = 12, 60
LIMIT, QUOTE_MS = 3.0, 50.0
BARE = Table(
    "bare_rows",
    MetaData(),
    Column("id", String(36), primary_key=True),
    Column("owner_id", String(36)),
    Column("account", String(12)),
    Column("amount_micros", BigInteger),
)


def rows() -> list[Row]:
    """The rows of the ledger, and that of the quote."""
    return [*_ledger("SQLite"), *_ledger("PostgreSQL"), _quote()]


def _ledger(name: str) -> Iterator[Row]:
    postgres = {} if name == "SQLite" else {"database_url": new_migrated_database(), "key_store_url": new_database()}
    with _person(**postgres) as (runtime, person):
        with runtime.database.engine.begin() as connection:
            BARE.create(connection)
        ours, bare = [], []
        for turn in range(ROUNDS):  # in turns, so that what else the machine does falls on both alike
            bare.append(_milliseconds(lambda number: _bare(runtime, person), EACH))
            ours.append(_milliseconds(lambda number, turn=turn: _hold_and_settle(runtime, person, turn, number), EACH))
        assert verify_ledger(runtime).problems == ()
    yield Row(
        f"a hold and its settlement, {name}", median(ours), "ms", "two bare transactions", 2 * median(bare), LIMIT
    )


def _bare(runtime: Runtime, person: Account) -> None:
    statement = insert(BARE)
    with runtime.database.write() as session:
        for account, amount in (("available", -5), ("held", 5)):
            row = {"id": runtime.ids.new(), "owner_id": person.id, "account": account, "amount_micros": amount}
            session.connection().execute(statement, row)


def _hold_and_settle(runtime: Runtime, person: Account, turn: int, number: int) -> None:
    cause = f"run-{turn}-{number}:step:1"
    metered = Metered("pipeline", person.plan, "anthropic/claude-haiku-4-5", 1000, 0, 0, 200)
    version = runtime.prices.current(runtime).version
    with runtime.database.write() as session:
        postings.hold(runtime, session, person.id, plan=person.plan, micros=5, cause=cause)
    with runtime.database.write() as session:
        postings.settle(
            runtime, session, person.id, plan=person.plan, held=5, micros=3, cause=cause, price_version=version,
            metered=metered,
        )  # fmt: skip


def _quote() -> Row:
    step = {"model": "claude-haiku-4-5", "max_tokens": 500}
    steps: list[dict[str, Any]] = [{"id": "s1", "prompt": "Begin with {{input.text}}. " * 40, **step}]
    steps += [
        {"id": f"s{n}", "prompt": f"Go on from {{{{steps.s{n - 1}.output}}}}. " * 40, **step} for n in range(2, 21)
    ]
    inputs = {"schema": {"text": {"type": "string", "required": True}}}
    with _person(anthropic_api_key="sk-ant-bench") as (runtime, person):
        pipeline = create_pipeline(runtime, person, {"name": "Twenty", "version": 1, "input": inputs, "steps": steps})
        given = {"text": "A paragraph that somebody wrote. " * 30}
        assert quote_pipeline(runtime, person, pipeline.id, given).max_micros > 0
        times = [_milliseconds(lambda _: quote_pipeline(runtime, person, pipeline.id, given), 1) for _ in range(40)]
    return Row("a quote of 20 steps, p50", median(times), "ms", "limit", QUOTE_MS, 1)


@contextmanager
def _person(**settings: Any) -> Iterator[tuple[Runtime, Account]]:
    """Somebody with a limit, and more credits than are used."""
    with ground(**settings) as (runtime, _):
        person = create_account(runtime, email="pro@example.org", password="a long benchmark password", plan="pro")
        set_credits(runtime, person, micros=10**12)
        yield runtime, person


def _milliseconds(act: Callable[[int], object], times: int) -> float:
    before = time.perf_counter()
    for number in range(times):
        act(number)
    return (time.perf_counter() - before) * 1000 / times
