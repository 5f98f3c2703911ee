"""Months of credits on both databases: each is granted once, whoever looks, through leap years and from day 31."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from alembic import command
from alembic.config import Config
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from core.accounts.commands import create_account
from core.accounts.domain import Account
from core.accounts.queries import get_account
from core.bootstrap import MIGRATIONS
from core.credits.commands import grant_due_months, grant_month
from core.credits.domain import month_number, month_start
from core.credits.models import LedgerTransaction
from core.credits.plan_changes import set_plan
from core.credits.queries import balance, has_due_months, plan_standing, verify_ledger
from core.platform.jobs.commands import run_job
from core.platform.jobs.queries import find_due
from core.platform.runtime import Runtime
from core.shared.money import MICROS
from jobs.catalogue import JOBS
from tests.conftest import PASSWORD
from tests.support.clock import FixedClock

JOINED = datetime(2027, 12, 31, 18, 30, tzinfo=UTC)
BEGINNINGS = [
    "2027-12-31", "2028-01-31", "2028-02-29", "2028-03-31", "2028-04-30", "2028-05-31", "2028-06-30", "2028-07-31",
    "2028-08-31", "2028-09-30", "2028-10-31", "2028-11-30", "2028-12-31", "2029-01-31", "2029-02-28", "2029-03-31",
]  # fmt: skip


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(JOINED)


@pytest.fixture
def runtime(runtime_with: Callable[..., Runtime], database_settings: dict[str, str], clock: FixedClock) -> Runtime:
    return runtime_with(clock=clock, **database_settings)


def _person(runtime: Runtime, plan: str, name: str = "") -> Account:
    return create_account(runtime, email=f"{name or plan}@example.org", password=PASSWORD, plan=plan)


def _grants(runtime: Runtime, person: Account) -> list[str]:
    grants = select(LedgerTransaction.created_at).where(
        LedgerTransaction.owner_id == person.id, LedgerTransaction.kind == "grant"
    )
    with runtime.database.read() as session:
        return [f"{at:%Y-%m-%d}" for at in session.scalars(grants.order_by(LedgerTransaction.number))]


def test_yearly_pro_and_free_get_every_month_on_its_day(runtime: Runtime, clock: FixedClock) -> None:
    """Day by day through a leap year, from the last day of a long month. A year of Pro is paid once, and renewed."""
    free, pro = _person(runtime, "free"), _person(runtime, "free", "pro")
    with runtime.database.write() as session:
        set_plan(runtime, session, pro.id, "pro", cause="invoice:first")
    while clock.moment < datetime(2029, 4, 15, tzinfo=UTC):
        if has_due_months(runtime, clock.moment):
            grant_due_months(runtime)
            assert not has_due_months(runtime, clock.moment)
        if clock.moment.date() == (JOINED + timedelta(days=365)).date():
            with runtime.database.write() as session:
                assert not set_plan(runtime, session, pro.id, "pro", cause="invoice:second"), "it went on"
        clock.advance(days=1)
    assert _grants(runtime, free) == BEGINNINGS
    assert balance(runtime, free).available_micros == 100 * MICROS, "nothing rolls over"
    assert balance(runtime, free).granted_micros == len(BEGINNINGS) * 100 * MICROS
    assert _grants(runtime, pro) == [BEGINNINGS[0], *BEGINNINGS], "the raise, and then every month"
    assert balance(runtime, replace(pro, plan="pro")).available_micros == 8_000 * MICROS
    assert verify_ledger(runtime).problems == ()


def test_after_an_outage_only_the_month_that_goes_on_is_granted(runtime: Runtime, clock: FixedClock) -> None:
    person = _person(runtime, "starter")
    grant_due_months(runtime)
    clock.advance(days=200)
    assert grant_due_months(runtime) == 1
    assert balance(runtime, person).granted_micros == 2 * 2_000 * MICROS
    assert balance(runtime, person).available_micros == 2_000 * MICROS
    clock.advance(days=-150)  # a clock that was put right grants nothing again
    assert grant_due_months(runtime) == 0


def test_many_who_look_at_once_grant_once(runtime: Runtime, clock: FixedClock) -> None:
    person = _person(runtime, "free")
    with ThreadPoolExecutor(4) as pool:
        looks = [pool.submit(grant_due_months, runtime) for _ in range(3)]
        looks += [pool.submit(grant_month, runtime, person) for _ in range(3)]
        [look.result() for look in looks]
    assert _grants(runtime, person) == [BEGINNINGS[0]]
    grant_month(runtime, _person(runtime, "enterprise"))
    assert not has_due_months(runtime, clock.moment), "those who count nothing are never due"


def test_the_job_is_due_where_a_month_is(runtime: Runtime, clock: FixedClock) -> None:
    (job,) = (job for job in JOBS if job.name == "monthly_grants")
    assert find_due(runtime, [job]) == ()
    person = _person(runtime, "free")
    (due,) = find_due(runtime, [job])
    done = run_job(runtime, due.job, due.scheduled_for)
    assert done is not None and (done.done, done.error_code) == (1, None)
    clock.advance(hours=1)
    assert find_due(runtime, [job]) == ()
    assert balance(runtime, get_account(runtime, person.id)).available_micros == 100 * MICROS


def test_months_granted_before_they_were_noted_are_not_granted_again(runtime: Runtime, clock: FixedClock) -> None:
    """As an installation that goes from the version before to this one."""
    person, other = _person(runtime, "free"), _person(runtime, "pro")
    grant_month(runtime, person)
    clock.advance(days=31)
    grant_month(runtime, person)
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["engine"] = runtime.database.engine
    command.downgrade(config, "0023_ledger_chain")
    command.upgrade(config, "head")
    assert grant_due_months(runtime) == 1, "the other's"
    assert _grants(runtime, person) == BEGINNINGS[:2] and len(_grants(runtime, other)) == 1
    assert plan_standing(runtime, person).renews_at == datetime(2028, 2, 29, tzinfo=UTC)
    clock.advance(days=35)
    assert grant_due_months(runtime) == 2
    assert verify_ledger(runtime).problems == ()


@given(
    st.datetimes(datetime.fromisoformat("2024-01-01"), datetime.fromisoformat("2032-12-31")),
    st.timedeltas(timedelta(0), timedelta(days=3000)),
)
def test_every_moment_is_in_one_month(anchor: datetime, after: timedelta) -> None:
    anchor = anchor.replace(tzinfo=UTC)
    now = anchor + after
    number = month_number(anchor, now)
    assert month_start(anchor, number) <= now < month_start(anchor, number + 1)
    assert month_start(anchor, number).day == min(anchor.day, _days_of(month_start(anchor, number)))


def _days_of(moment: datetime) -> int:
    return ((moment.replace(day=28) + timedelta(days=4)).replace(day=1) - timedelta(days=1)).day
