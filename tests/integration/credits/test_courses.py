"""Any course of grants, months, purchases, holds, settlements, releases, refunds, changes of plan and crashes keeps
the ledger whole.

A model of plain numbers goes along: what the database says must be what the model says, after every step.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from fractions import Fraction

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from core.accounts.commands import create_account
from core.accounts.domain import Account
from core.credits import postings
from core.credits.commands import grant_month
from core.credits.domain import InsufficientCredits
from core.credits.models import CreditAccount
from core.credits.plan_changes import set_plan
from core.credits.queries import verify_ledger
from core.platform.runtime import Runtime
from core.shared.money import MICROS
from tests.conftest import PASSWORD
from tests.support.clock import FixedClock

AMOUNT = st.one_of(st.integers(1, 60), st.integers(1, 9_000 * MICROS))
CREDITS = {"free": 100, "starter": 2_000, "pro": 8_000, "enterprise": None}
JOINED = datetime(2027, 11, 1, 9, tzinfo=UTC)
SECOND = timedelta(seconds=1)


class Crash(Exception):
    """The process ends in the middle of a transaction."""


@dataclass
class Hold:
    micros: int
    monthly: int
    month: int


@dataclass
class Model:
    """The same rules in plain numbers."""

    available: int = 0
    monthly: int = 0
    month: int = 0
    spent: int = 0
    expired: int = 0
    granted: int = 0
    purchased: int = 0
    plan: str = "free"
    month_plan: str | None = None
    month_began: datetime | None = None
    month_ends: datetime | None = None
    holds: dict[str, Hold] = field(default_factory=dict)

    @property
    def held(self) -> int:
        return sum(hold.micros for hold in self.holds.values())

    def begin_month(self, micros: int) -> None:
        self.available += micros - self.monthly
        self.expired += self.monthly
        self.monthly, self.month = micros, self.month + 1
        self.granted += micros

    def raise_month(self, micros: int) -> None:
        self.available += micros
        self.monthly += micros
        self.granted += micros

    def begin_due(self, joined: datetime, now: datetime) -> None:
        """The month of the plan that the person has, where it is not begun."""
        credits = CREDITS[self.plan]
        if credits is None or (self.month_ends is not None and now < self.month_ends):
            return
        # Everybody joined on the first of a month here.
        self.month_began = max(joined.replace(hour=0), now.replace(day=1, hour=0))
        self.month_ends = (self.month_began.replace(day=1) + timedelta(days=32)).replace(day=1)
        self.month_plan = self.plan
        self.begin_month(credits * MICROS)

    def change(self, plan: str, joined: datetime, now: datetime) -> None:
        self.begin_due(joined, now)
        credits = CREDITS[plan]
        if credits is not None and self.month_plan and self.month_began and self.month_ends and now < self.month_ends:
            more = credits - (CREDITS[self.month_plan] or 0)
            if more > 0:
                share = Fraction((self.month_ends - now) // SECOND, (self.month_ends - self.month_began) // SECOND)
                self.raise_month(int(more * MICROS * share))
                self.month_plan = plan
        self.plan = plan
        self.begin_due(joined, now)

    def end(self, cause: str, cost: int) -> None:
        hold = self.holds.pop(cause)
        back = hold.monthly - min(hold.monthly, cost)
        self.spent += cost
        self.available += hold.micros - cost
        if hold.month == self.month:
            self.monthly += back
        else:
            self.available -= back
            self.expired += back


class Course(RuleBasedStateMachine):
    runtime: Runtime
    clock: FixedClock

    @initialize()
    def begin(self) -> None:
        self.clock.moment = JOINED
        email = f"p{self.runtime.ids.new()}@example.org"
        self.person: Account = create_account(self.runtime, email=email, password=PASSWORD, plan="free")
        self.model, self.count, self.ended = Model(), 0, ["run:none"]

    def cause(self) -> str:
        self.count += 1
        return f"{self.person.id}:{self.count}"

    @rule(micros=AMOUNT)
    def purchase(self, micros: int) -> None:
        cause = self.cause()
        for again in (False, True):
            with self.runtime.database.write() as session:
                booked = postings.purchase(self.runtime, session, self.person.id, micros=micros, cause=cause)
            assert booked is not again
        self.model.available += micros
        self.model.purchased += micros

    @rule(micros=AMOUNT)
    def begin_month(self, micros: int) -> None:
        cause = self.cause()
        for again in (False, True):
            with self.runtime.database.write() as session:
                booked = postings.begin_month(self.runtime, session, self.person.id, micros=micros, cause=cause)
            assert booked is not again
        self.model.begin_month(micros)

    @rule(micros=AMOUNT)
    def raise_month(self, micros: int) -> None:
        with self.runtime.database.write() as session:
            postings.raise_month(self.runtime, session, self.person.id, micros=micros, cause=self.cause())
        self.model.raise_month(micros)

    @rule(hours=st.integers(1, 24 * 40))
    def time_passes(self, hours: int) -> None:
        self.clock.advance(hours=hours)

    @rule(plan=st.sampled_from(sorted(CREDITS)), crash=st.booleans())
    def change_plan(self, plan: str, crash: bool) -> None:
        cause, model = self.cause(), self.model
        try:
            for again in (False, True):
                with self.runtime.database.write() as session:
                    changed = set_plan(self.runtime, session, self.person.id, plan, cause=cause)
                    if crash:
                        raise Crash
                assert changed is (plan != model.plan and not again)
        except Crash:
            return
        if plan != model.plan:
            model.change(plan, self.person.created_at, self.clock.now())

    @rule()
    def look_for_months(self) -> None:
        grant_month(self.runtime, replace(self.person, plan=self.model.plan))
        self.model.begin_due(self.person.created_at, self.clock.now())

    @rule(micros=AMOUNT, crash=st.booleans())
    def hold(self, micros: int, crash: bool) -> None:
        cause, model = self.cause(), self.model
        try:
            with self.runtime.database.write() as session:
                postings.hold(self.runtime, session, self.person.id, plan="free", micros=micros, cause=cause)
                if crash:
                    raise Crash
        except InsufficientCredits:
            assert micros > model.available
            return
        except Crash:
            return
        assert micros <= model.available
        from_month = min(micros, model.monthly)
        model.holds[cause] = Hold(micros, from_month, model.month)
        model.available -= micros
        model.monthly -= from_month

    @precondition(lambda self: self.model.holds)
    @rule(data=st.data(), crash=st.booleans())
    def settle(self, data: st.DataObject, crash: bool) -> None:
        cause = data.draw(st.sampled_from(sorted(self.model.holds)))
        held = self.model.holds[cause].micros
        cost = data.draw(st.integers(0, held))
        try:
            with self.runtime.database.write() as session:
                postings.settle(
                    self.runtime, session, self.person.id, plan="free", held=held, micros=cost, cause=cause,
                    price_version="test",
                )  # fmt: skip
                if crash:
                    raise Crash
        except Crash:
            return
        self.model.end(cause, cost)
        self.ended.append(cause)

    @precondition(lambda self: self.model.holds)
    @rule(data=st.data())
    def release(self, data: st.DataObject) -> None:
        cause = data.draw(st.sampled_from(sorted(self.model.holds)))
        with self.runtime.database.write() as session:
            postings.release(self.runtime, session, self.person.id, held=self.model.holds[cause].micros, cause=cause)
        self.model.end(cause, 0)
        self.ended.append(cause)

    @precondition(lambda self: len(self.ended) > 1)
    @rule(data=st.data(), kind=st.sampled_from(["settle", "release"]))
    def end_again(self, data: st.DataObject, kind: str) -> None:
        """A hold that ended is ended once more, as after a crash whose answer was lost: nothing changes."""
        cause = data.draw(st.sampled_from(self.ended[1:]))
        with self.runtime.database.write() as session:
            if kind == "release":
                postings.release(self.runtime, session, self.person.id, held=5, cause=cause)
            else:
                postings.settle(
                    self.runtime,
                    session,
                    self.person.id,
                    plan="free",
                    held=5,
                    micros=5,
                    cause=cause,
                    price_version=None,
                )

    @rule(at_most=AMOUNT)
    def refund(self, at_most: int) -> None:
        with self.runtime.database.write() as session:
            taken = postings.refund(self.runtime, session, self.person.id, at_most=at_most, cause=self.cause())
        assert taken == min(at_most, self.model.available - self.model.monthly)
        self.model.available -= taken
        self.model.purchased -= taken

    @invariant()
    def the_database_says_what_the_model_says(self) -> None:
        with self.runtime.database.read() as session:
            row = session.get(CreditAccount, self.person.id)
        model = self.model
        if row is None:
            assert model == Model()
            return
        assert (row.available_micros, row.monthly_micros, row.held_micros) == (
            model.available,
            model.monthly,
            model.held,
        )
        assert (row.spent_micros, row.expired_micros) == (model.spent, model.expired)
        assert (row.granted_micros, row.purchased_micros) == (model.granted, model.purchased)
        assert min(row.available_micros, row.monthly_micros, row.held_micros, row.spent_micros) >= 0

    def teardown(self) -> None:
        assert verify_ledger(self.runtime).problems == ()


@pytest.mark.parametrize("steps", [30])
def test_any_course_keeps_the_ledger_whole(
    runtime_with: Callable[..., Runtime], database_settings: dict[str, str], clock: FixedClock, steps: int
) -> None:
    class Here(Course):
        pass

    runtime = Here.runtime = runtime_with(clock=clock, **database_settings)
    Here.clock = clock
    examples = 25 if runtime.database.is_sqlite else 12
    health = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large]
    bounds = settings(
        max_examples=examples, stateful_step_count=steps, deadline=None, suppress_health_check=health, derandomize=True
    )
    run_state_machine_as_test(Here, settings=bounds)
