"""Many ids as one parameter, and many rows as one answer, on both databases."""

from datetime import timedelta

import pytest
from sqlalchemy import select

from core.accounts.commands import create_account
from core.platform.many_ids import among, fetch_rows, in_one, not_among
from core.platform.runtime import Runtime
from core.privacy.inventory import find_table
from tests.conftest import PASSWORD
from tests.support.old_history import add_runs

RUNS = find_table("runs")


@pytest.fixture
def runs(runtime: Runtime) -> list[str]:
    person = create_account(runtime, email="ada@example.org", password=PASSWORD)
    return add_runs(runtime, person.id, 12, at=runtime.clock.now() - timedelta(days=1))


def test_ids_are_sent_as_one_parameter(runtime: Runtime, runs: list[str]) -> None:
    is_sqlite = runtime.database.is_sqlite
    for ids in (runs[:5], [*runs, "nobody's"], ['it\'s "said" {so}, \\ and null'], []):
        with runtime.database.connect() as connection:
            named = {"b_ids": in_one(ids, is_sqlite=is_sqlite)}
            for values, given in ((named, "b_ids"), ({}, ids)):
                found = connection.scalars(
                    select(RUNS.c.id).where(among(RUNS.c.id, given, is_sqlite=is_sqlite)), values
                )
                assert set(found) == set(runs) & set(ids)
                rest = select(RUNS.c.id).where(not_among(RUNS.c.id, given, is_sqlite=is_sqlite))
                assert set(connection.scalars(rest, values)) == set(runs) - set(ids)


def test_rows_come_in_their_order(runtime: Runtime, runs: list[str]) -> None:
    query = select(RUNS.c.id, RUNS.c.last_seq, RUNS.c.pipeline_id).order_by(RUNS.c.id.desc()).limit(5)
    with runtime.database.connect() as connection:
        assert [tuple(row) for row in fetch_rows(connection, query)] == [
            (run, 3, None) for run in sorted(runs, reverse=True)[:5]
        ]
        assert list(fetch_rows(connection, query.where(RUNS.c.id == "nobody's"))) == []
