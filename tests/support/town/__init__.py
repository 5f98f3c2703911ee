"""A town: an installation with as many people and runs as asked for, so that every list of it is full and real.

What a page opens is sealed for its owner and opens; what no page opens is one sealed value, copied by SQL. Everything
is spread as a service that grew for two years has it: a few people do most, most runs go well, and some things wait.
"""

from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import text

from core.platform.runtime import Runtime
from tests.support.town.money import add_money
from tests.support.town.offices import add_offices
from tests.support.town.people import add_people
from tests.support.town.runs import add_runs


@dataclass(frozen=True, slots=True)
class Town:
    """How large it is, and who does most in it."""

    people: int
    runs: int
    busiest: str
    """Account id of who asked for one run in twenty."""
    early: str
    """Account id of one of the first: eighty people come after them in the list."""


def build_town(runtime: Runtime, people: int, runs: int, tell: Callable[[str], None] = print) -> Town:
    """Fill an installation that is prepared and in which nobody works."""
    ids = add_people(runtime, people)
    tell(f"{people:,} people")
    add_runs(runtime, ids[0], people, runs, tell)
    add_money(runtime, people)
    tell("money")
    add_offices(runtime, ids, people)
    tell("requests, mails, acts and jobs")
    settle(runtime)
    return Town(people, runs, busiest=ids[0], early=ids[80])


def settle(runtime: Runtime) -> None:
    """As the database would be by itself after so many rows: PostgreSQL's statistics made, SQLite's log folded back."""
    with runtime.database.write() as session:
        session.execute(text("DROP TABLE town"))
    runtime.database.fold_log()
    if not runtime.database.is_sqlite:
        with runtime.database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.exec_driver_sql("VACUUM ANALYZE")
