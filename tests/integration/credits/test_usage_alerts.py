"""Mails at 50, 80 and 100 % of a month's credits, on both databases: once each, and never for plans without a limit."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from threading import Barrier
from typing import Any

import pytest
from sqlalchemy import event, select

from core.accounts.commands import create_account
from core.accounts.domain import Account
from core.accounts.profile import update_profile
from core.accounts.queries import get_operator
from core.credits import postings
from core.credits.commands import grant_month, set_credits
from core.credits.domain import crossed_percent, month_number, month_start
from core.credits.plan_changes import set_plan
from core.credits.queries import verify_ledger
from core.execution.commands import start_run
from core.execution.engine import Engine, run_to_end
from core.execution.queries import get_run
from core.pipelines.commands import create_pipeline
from core.platform.mail.models import MailRow
from core.platform.runtime import Runtime
from core.shared.money import MICROS
from tests.conftest import PASSWORD
from tests.support.clock import FixedClock
from tests.support.letters import last_letter, letters_to
from tests.support.vendor_stub import StubServer

ADA = "ada@example.org"


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(datetime(2027, 3, 10, 12, 0, tzinfo=UTC))


@pytest.fixture
def runtime(runtime_with: Callable[..., Runtime], database_settings: dict[str, str], clock: FixedClock) -> Runtime:
    """One whose clock is the test's."""
    return runtime_with(clock=clock, **database_settings)


@pytest.fixture
def person(runtime: Runtime) -> Account:
    """Somebody with a hundred credits a month."""
    made = create_account(runtime, email=ADA, password=PASSWORD, plan="free")
    grant_month(runtime, made)
    return made


def _hold(runtime: Runtime, person: Account, credits: int, cause: str) -> None:
    with runtime.database.write() as session:
        postings.hold(runtime, session, person.id, plan=person.plan, micros=credits * MICROS, cause=cause)


def _settle(runtime: Runtime, person: Account, credits: int, cause: str, plan: str | None = None) -> None:
    micros = credits * MICROS
    with runtime.database.write() as session:
        postings.settle(
            runtime, session, person.id, plan=plan or person.plan, held=micros, micros=micros, cause=cause,
            price_version=None,
        )  # fmt: skip


def _spend(runtime: Runtime, person: Account, credits: int, cause: str) -> None:
    _hold(runtime, person, credits, cause)
    _settle(runtime, person, credits, cause)


def _alerts(runtime: Runtime) -> list[str]:
    return [mail.subject for mail in letters_to(runtime, ADA) if "credits are used" in mail.subject]


def test_each_threshold_is_mailed_once(runtime: Runtime, person: Account) -> None:
    _spend(runtime, person, 49, "a")
    assert _alerts(runtime) == []
    _spend(runtime, person, 1, "b")
    _spend(runtime, person, 29, "c")
    assert _alerts(runtime) == ["50 % of your credits are used"]
    _spend(runtime, person, 2, "d")
    _settle(runtime, person, 2, "d")  # a repetition, as after a crash
    _spend(runtime, person, 19, "e")
    assert [subject[:4] for subject in _alerts(runtime)] == ["50 %", "80 %", "100 "]
    text = last_letter(runtime, ADA).text
    assert "Used: 100 cr" in text and "Granted: 100 cr" in text and "New credits: 2027-04-10" in text
    assert f"{runtime.settings.public_url}/app/usage" in text
    assert verify_ledger(runtime).problems == ()


def test_of_several_crossed_at_once_the_highest_is_mailed(runtime: Runtime, person: Account) -> None:
    _spend(runtime, person, 85, "a")
    assert _alerts(runtime) == ["80 % of your credits are used"]
    _spend(runtime, person, 5, "b")
    assert len(_alerts(runtime)) == 1, "the lower one is not told afterwards"


def test_a_new_month_counts_anew(runtime: Runtime, person: Account, clock: FixedClock) -> None:
    _spend(runtime, person, 60, "a")
    assert len(_alerts(runtime)) == 1
    clock.advance(days=31)
    _spend(runtime, person, 25, "over the end of the month")
    assert len(_alerts(runtime)) == 1, "credits of a month that is over are nothing to look after"
    grant_month(runtime, person)
    _spend(runtime, person, 49, "b")
    assert len(_alerts(runtime)) == 1
    _spend(runtime, person, 1, "c")
    assert _alerts(runtime) == ["50 % of your credits are used"] * 2
    assert "New credits: 2027-05-10" in last_letter(runtime, ADA).text


def test_settlements_that_cross_together_mail_once(runtime: Runtime, person: Account) -> None:
    for number in range(8):
        _hold(runtime, person, 9, f"run:{number}")
    together = Barrier(8, timeout=30)

    def settle(number: int) -> None:
        together.wait()
        _settle(runtime, person, 9, f"run:{number}")

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(settle, range(8)))
    assert _alerts(runtime) == ["50 % of your credits are used"]
    assert verify_ledger(runtime).problems == ()


def test_it_is_written_in_the_persons_language(runtime: Runtime, person: Account) -> None:
    update_profile(runtime, person.id, language="fr")
    _spend(runtime, person, 50, "a")
    assert "de vos crédits sont utilisés" in last_letter(runtime, ADA).subject


def test_plans_without_a_limit_are_not_asked_about(runtime: Runtime) -> None:
    """Not one statement more than the movement itself; nobody is mailed, and the operator has no limit either."""
    unlimited = create_account(runtime, email=ADA, password=PASSWORD)
    asked: list[str] = []
    for person in (unlimited, get_operator(runtime)):
        _hold(runtime, person, 500, f"run:{person.id}")
        micros = 500 * MICROS
        with runtime.database.write() as session:
            event.listen(session.connection(), "before_cursor_execute", lambda *told: asked.append(told[2]))
            postings.settle(
                runtime, session, person.id, plan=person.plan, held=micros, micros=micros, cause=f"run:{person.id}",
                price_version=None,
            )  # fmt: skip
    # The account, its hold, the change, the movement and its entries: five for each of the two.
    assert len(asked) == 10 and not any("accounts.language" in each for each in asked), asked
    with runtime.database.read() as session:
        assert session.scalars(select(MailRow.kind)).all() == []


def test_who_counts_nothing_any_more_is_told_nothing(runtime: Runtime, person: Account) -> None:
    _hold(runtime, person, 60, "a")
    with runtime.database.write() as session:
        set_plan(runtime, session, person.id, "enterprise", cause="agreed")
    _settle(runtime, person, 60, "a", plan="free")
    assert _alerts(runtime) == []


def test_the_share_is_of_what_a_raised_month_was_granted(runtime: Runtime, person: Account, clock: FixedClock) -> None:
    clock.moment = datetime(2027, 3, 25, 12, 0, tzinfo=UTC)  # 15.5 of 31 days are left
    _spend(runtime, person, 60, "a")
    with runtime.database.write() as session:
        set_plan(runtime, session, person.id, "starter", cause="bought")
    _spend(runtime, person, 40, "b")
    assert _alerts(runtime) == ["50 % of your credits are used"]
    _hold(runtime, person, 440, "c")
    _settle(runtime, person, 440, "c", plan="free")  # a run that began before the raise
    assert _alerts(runtime) == ["50 % of your credits are used"] * 2
    assert "Used: 540 cr" in last_letter(runtime, ADA).text and "Granted: 1,050 cr" in last_letter(runtime, ADA).text


async def test_a_run_tells_when_it_took_the_credits(
    runtime_with: Callable[..., Runtime], database_settings: dict[str, str]
) -> None:
    with StubServer() as vendor:
        runtime = runtime_with(anthropic_api_key="sk-ant-test", anthropic_base_url=vendor.url, **database_settings)
        ada = create_account(runtime, email=ADA, password=PASSWORD, plan="starter")
        grant_month(runtime, ada)
        step: dict[str, Any] = {"id": "a", "model": "claude-sonnet-5-5", "prompt": "go", "max_tokens": 64}
        pipeline = create_pipeline(runtime, ada, {"name": "Paid", "version": 1, "steps": [step]}).id
        set_credits(runtime, ada, micros=3_000 * MICROS)
        _spend(runtime, ada, 1_000, "a")
        # Half of the month is used: four fifths are 600 credits away, less what a run takes.
        engine = Engine(runtime, "serve:test")
        before = start_run(runtime, ada, pipeline, {})
        await run_to_end(engine, before.id)
        taken = get_run(runtime, ada.id, before.id).credit_micros
        assert taken > 0
        rest = 600 * MICROS - taken - 1
        with runtime.database.write() as session:
            postings.hold(runtime, session, ada.id, plan=ada.plan, micros=rest, cause="b")
            postings.settle(
                runtime, session, ada.id, plan=ada.plan, held=rest, micros=rest, cause="b", price_version=None
            )
        assert [subject[:4] for subject in _alerts(runtime)] == ["50 %"]
        await run_to_end(engine, start_run(runtime, ada, pipeline, {}).id)
        assert [subject[:4] for subject in _alerts(runtime)] == ["50 %", "80 %"]
        engine.close()
        await runtime.providers.aclose()


def test_thresholds_and_months() -> None:
    assert crossed_percent(49, 50, 100) == 50 and crossed_percent(50, 79, 100) is None
    assert crossed_percent(0, 250, 100) == 100 and crossed_percent(100, 250, 100) is None
    for anchor, number, day in (
        (datetime(2027, 1, 15, tzinfo=UTC), 12, "2028-01-15"),
        (datetime(2027, 1, 31, tzinfo=UTC), 1, "2027-02-28"),
        (datetime(2027, 1, 31, tzinfo=UTC), 13, "2028-02-29"),
        (datetime(2028, 2, 29, tzinfo=UTC), 12, "2029-02-28"),
        (datetime(2027, 8, 31, 23, 59, tzinfo=UTC), 1, "2027-09-30"),
        (datetime(2027, 1, 31, tzinfo=UTC), 2, "2027-03-31"),
    ):
        start = month_start(anchor, number)
        assert f"{start:%Y-%m-%d}" == day and month_number(anchor, start) == number
        assert month_number(anchor, start.replace(hour=0)) == number
