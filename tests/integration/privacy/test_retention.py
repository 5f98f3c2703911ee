"""What is older than its owner's plan keeps it goes, and nothing else does."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session

from core.accounts.commands import create_account
from core.accounts.domain import Account
from core.accounts.models import AccountRow
from core.credits.models import CreditAccount, LedgerEntry, LedgerTransaction
from core.credits.plan_changes import set_plan
from core.credits.queries import verify_ledger
from core.execution.commands import start_run
from core.execution.engine import Engine, run_to_end
from core.execution.models import DeletedUsageRow, ScheduleRow
from core.execution.notebook import notebook
from core.execution.run_retention import CHOSEN, delete_runs
from core.execution.usage import run_usage
from core.pipelines.commands import create_pipeline
from core.pipelines.queries import get_pipeline
from core.platform.files.commands import store_file
from core.platform.files.models import FileRow
from core.platform.mail.models import MailRow
from core.platform.pace import Pace
from core.platform.runtime import Runtime
from core.privacy.inventory import find_table
from core.privacy.models import PrivacyRequestRow, RequestStepRow
from core.privacy.retention.oldest import oldest_logs
from core.privacy.retention.reports import list_reports
from core.privacy.retention.rules import aged_stores, without_rule
from core.privacy.retention.sweep import sweep
from tests.conftest import PASSWORD
from tests.integration.test_query_plans import plan_of, scanned, statements_of
from tests.support.clock import FixedClock
from tests.support.old_history import COST, add_runs

BOOKS = ("credit_accounts", "ledger_transactions", "ledger_entries")
LOGS = ("runs", "step_runs", "run_events", "reviews", "deliveries", "delivery_attempts")


@pytest.fixture
def runtime(runtime_with: Callable[..., Runtime], database_settings: dict[str, str], clock: FixedClock) -> Runtime:
    return runtime_with(clock=clock, **database_settings)


@pytest.fixture
def free(runtime: Runtime) -> Account:
    return create_account(runtime, email="free@example.org", password=PASSWORD, plan="free")


@pytest.fixture
def pro(runtime: Runtime) -> Account:
    return create_account(runtime, email="pro@example.org", password=PASSWORD, plan="pro")


def left(runtime: Runtime, table: str, owner_id: str | None = None) -> int:
    found = find_table(table)
    query = select(func.count()).select_from(found)
    if owner_id is not None:
        query = query.where(found.c.owner_id == owner_id)
    with runtime.database.read() as session:
        return session.scalar(query) or 0


def ago(runtime: Runtime, **delta: float) -> datetime:
    return runtime.clock.now() - timedelta(**delta)


def test_runs_go_whole_by_the_days_of_their_owners_plan(runtime: Runtime, free: Account, pro: Account) -> None:
    for person in (free, pro):
        for days in (1, 89, 91, 364, 366):
            add_runs(runtime, person.id, 3, at=ago(runtime, days=days), whole=True)
    assert sweep(runtime, runtime.clock.now()) > 0
    assert (left(runtime, "runs", free.id), left(runtime, "runs", pro.id)) == (6, 12)
    assert [left(runtime, name) for name in LOGS] == [18, 36, 54, 18, 18, 18]
    (report,) = list_reports(runtime)
    assert report.counts["runs"] == {"free": 9, "pro": 3} and report.counts["delivery_attempts"] == {
        "free": 9,
        "pro": 3,
    }
    assert report.finished_at is not None
    assert sweep(runtime, runtime.clock.now()) == 0, "nothing is left to do"
    assert not any(each.is_late for each in oldest_logs(runtime))


def test_what_has_not_ended_or_been_delivered_stays(runtime: Runtime, free: Account) -> None:
    old = ago(runtime, days=200)
    for status in ("pending", "running", "waiting"):
        add_runs(runtime, free.id, 1, at=old, status=status)
    (undelivered,) = add_runs(runtime, free.id, 1, at=old, whole=True)
    deliveries = find_table("deliveries")
    with runtime.database.write() as session:
        session.execute(update(deliveries).where(deliveries.c.run_id == undelivered).values(status="pending"))
    assert sweep(runtime, runtime.clock.now()) == 0 and left(runtime, "runs") == 4


def test_restricted_people_and_those_who_leave_are_left_alone(runtime: Runtime, free: Account, pro: Account) -> None:
    for person, column in ((free, "restricted_at"), (pro, "closing_at")):
        add_runs(runtime, person.id, 2, at=ago(runtime, days=400))
        with runtime.database.write() as session:
            session.execute(update(AccountRow).where(AccountRow.id == person.id).values({column: runtime.clock.now()}))
    assert sweep(runtime, runtime.clock.now()) == 0 and left(runtime, "runs") == 4
    assert sum(each.excepted for each in oldest_logs(runtime)) == 2, "and are no broken promise"


def test_who_restricts_in_the_middle_keeps_the_rest(runtime: Runtime, free: Account) -> None:
    add_runs(runtime, free.id, 60, at=ago(runtime, days=100), steps=5)
    asked: list[bool] = []

    def guard(_session: Session) -> bool:
        asked.append(True)
        return len(asked) < 3

    pace = Pace(runtime.database, target_seconds=1e-9, sleep=lambda _seconds: None)
    counts = delete_runs(runtime, free.id, before=runtime.clock.now(), guard=guard, pace=pace)
    assert 0 < counts["runs"] < 60 and left(runtime, "runs") == 60 - counts["runs"]
    assert left(runtime, "step_runs") == 5 * left(runtime, "runs"), "each run is whole, or gone"


def test_a_run_of_many_rows_is_taken_apart(runtime: Runtime, free: Account) -> None:
    add_runs(runtime, free.id, 2, at=ago(runtime, days=100), steps=900, events=700, whole=True)
    add_runs(runtime, free.id, 1, at=ago(runtime, days=1))
    took: list[float] = []
    pace = Pace(runtime.database, sleep=took.append)
    counts = delete_runs(runtime, free.id, before=ago(runtime, days=2), guard=lambda _session: True, pace=pace)
    assert (counts["runs"], counts["step_runs"], counts["run_events"], counts["reviews"]) == (2, 1800, 1400, 2)
    assert len(took) > 8, "in several transactions"
    assert [left(runtime, name) for name in LOGS] == [1, 2, 3, 0, 0, 0]


def test_a_run_whose_tokens_are_folded_away_is_as_small_as_it_is(runtime: Runtime, free: Account) -> None:
    add_runs(runtime, free.id, 60, at=ago(runtime, days=100), steps=1, events=1)
    runs = find_table("runs")
    with runtime.database.write() as session:
        session.execute(update(runs).values(last_seq=5_000))
    batches: list[float] = []
    pace = Pace(runtime.database, sleep=batches.append)
    counts = delete_runs(runtime, free.id, before=runtime.clock.now(), guard=lambda _session: True, pace=pace)
    assert counts == {"runs": 60, "step_runs": 60, "run_events": 60}
    assert len(batches) < 10, "none was taken apart"


def test_more_runs_than_are_looked_up_at_once_go_whatever_their_moments(runtime: Runtime, free: Account) -> None:
    at, number = ago(runtime, days=100), CHOSEN + 200
    made = add_runs(runtime, free.id, number, at=at, steps=1, events=0)
    made += add_runs(runtime, free.id, 3, at=at + timedelta(seconds=1), steps=1, events=0)
    kept = {made[0], made[number // 2], made[-1]}
    counts = delete_runs(
        runtime, free.id, before=runtime.clock.now(), guard=lambda _session: True, keep=kept,
        pace=Pace(runtime.database, sleep=lambda _seconds: None),
    )  # fmt: skip
    assert counts == {"runs": number, "step_runs": number}
    with runtime.database.read() as session:
        assert set(session.scalars(select(find_table("runs").c.id))) == kept
    assert run_usage(runtime, free.id).cost_micro_cents == len(made) * COST


def test_two_sweeps_at_once_delete_and_count_each_run_once(runtime: Runtime, free: Account) -> None:
    add_runs(runtime, free.id, 400, at=ago(runtime, days=100), whole=True)
    before = run_usage(runtime, free.id).cost_micro_cents

    def delete_all(_number: int) -> dict[str, int]:
        pace = Pace(runtime.database, target_seconds=1e-9, sleep=lambda _seconds: None)
        return delete_runs(runtime, free.id, before=runtime.clock.now(), guard=lambda _session: True, pace=pace)

    with ThreadPoolExecutor(2) as both:
        first, second = both.map(delete_all, range(2))
    assert [left(runtime, name) for name in LOGS] == [0] * len(LOGS)
    assert {name: first.get(name, 0) + second.get(name, 0) for name in LOGS} == {
        "runs": 400, "step_runs": 800, "run_events": 1200, "reviews": 400, "deliveries": 400, "delivery_attempts": 400,
    }  # fmt: skip
    with runtime.database.read() as session:
        carried = session.execute(select(DeletedUsageRow.runs, DeletedUsageRow.cost_micro_cents)).one()
    assert tuple(carried) == (400, 800 * COST)
    assert run_usage(runtime, free.id).cost_micro_cents == before


def test_costs_are_carried_on_and_links_to_what_is_gone_end(runtime: Runtime, free: Account) -> None:
    old, _ = add_runs(runtime, free.id, 2, at=ago(runtime, days=100))
    add_runs(runtime, free.id, 1, at=ago(runtime, days=1))
    pipeline = create_pipeline(
        runtime, free, {"name": "X", "steps": [{"id": "a", "type": "transform", "template": "x"}]}
    )
    schedule = ScheduleRow(
        id=runtime.ids.new(), owner_id=free.id, pipeline_id=pipeline.id, content=b"x", cron_expression="0 9 * * *",
        timezone="UTC", missed="skip", enabled=True, last_run_id=old, created_at=runtime.clock.now(),
        updated_at=runtime.clock.now(),
    )  # fmt: skip
    with runtime.database.write() as session:
        session.add(schedule)
    before = run_usage(runtime, free.id).cost_micro_cents
    sweep(runtime, runtime.clock.now())
    assert left(runtime, "runs") == 1
    assert run_usage(runtime, free.id).cost_micro_cents == before == 6 * COST
    with runtime.database.read() as session:
        assert session.get_one(ScheduleRow, schedule.id).last_run_id is None
    add_runs(runtime, free.id, 1, at=ago(runtime, days=95))
    sweep(runtime, runtime.clock.now())
    assert run_usage(runtime, free.id).cost_micro_cents == 8 * COST, "a second sweep adds to the first"
    assert verify_ledger(runtime).problems == ()


def test_after_a_plan_is_lowered_there_is_a_week(runtime: Runtime, pro: Account, clock: FixedClock) -> None:
    add_runs(runtime, pro.id, 4, at=ago(runtime, days=200))
    with runtime.database.write() as session:
        set_plan(runtime, session, pro.id, "free", cause="lowered")
    clock.advance(days=6.9)
    sweep(runtime, clock.now())
    assert left(runtime, "runs") == 4 and not any(each.is_late for each in oldest_logs(runtime))
    clock.advance(days=0.2)
    sweep(runtime, clock.now())
    assert left(runtime, "runs") == 0


def test_who_takes_a_larger_plan_in_the_week_loses_nothing(runtime: Runtime, pro: Account, clock: FixedClock) -> None:
    add_runs(runtime, pro.id, 4, at=ago(runtime, days=200))
    for plan in ("free", "starter"):
        with runtime.database.write() as session:
            set_plan(runtime, session, pro.id, plan, cause=plan)
        clock.advance(days=5)
    sweep(runtime, clock.now())
    assert left(runtime, "runs") == 4


def test_files_mails_and_requests_go_by_their_own_ages(runtime: Runtime, free: Account) -> None:
    now = runtime.clock.now()
    kept, old = (store_file(runtime, free.id, f"{name}.txt", b"some text") for name in ("kept", "old"))
    with runtime.database.write() as session:
        session.execute(update(FileRow).where(FileRow.id == old.id).values(last_used_at=ago(runtime, days=91)))
        for number, (account, days) in enumerate(((free.id, 89), (free.id, 91), (None, 89), (None, 91))):
            ended = ago(runtime, days=days)
            session.add(
                MailRow(
                    id=runtime.ids.new(),
                    account_id=account,
                    cause=bytes([number]),
                    kind="new_sign_in",
                    language="en",
                    state="sent",
                    attempts=1,
                    created_at=ended,
                    next_attempt_at=ended,
                    expires_at=ended,
                    ended_at=ended,
                )
            )
        for years, status in ((4.9, "closed"), (5.1, "closed"), (6, "executing")):
            at = ago(runtime, days=years * 365.25)
            request = PrivacyRequestRow(
                id=runtime.ids.new(), account_id=runtime.ids.new(), right="access", status=status, fence=0,
                received_at=at, due_at=at, closed_at=at if status == "closed" else None,
            )  # fmt: skip
            session.add(request)
            session.flush()
            session.add(
                RequestStepRow(
                    request_id=request.id, name="one", status="done", attempts=1, counts="{}", started_at=now
                )
            )
    mails = left(runtime, "mail_outbox")
    sweep(runtime, now)
    with runtime.database.read() as session:
        assert list(session.scalars(select(FileRow.id))) == [kept.id]
    assert left(runtime, "mail_outbox") == mails - 2
    assert (left(runtime, "privacy_requests"), left(runtime, "privacy_request_steps")) == (2, 2)


def test_every_retention_is_carried_out_by_somebody() -> None:
    assert without_rule() == ()
    stores = {store.name: {entry.name for entry in store.entries} for store in aged_stores("plan_logs")}
    assert stores["runs"] == {
        "runs", "step_runs", "run_events", "reviews", "deliveries", "delivery_attempts",
    }  # fmt: skip


async def test_an_output_past_its_time_is_gone_and_its_cell_stale(
    runtime: Runtime, free: Account, clock: FixedClock
) -> None:
    text = "name: Said\nsteps:\n  - {id: said, type: transform, template: Hello}\n"
    pipeline = create_pipeline(runtime, free, text)
    engine = Engine(runtime, "serve:test")
    run = start_run(runtime, free, pipeline.id, {})
    await run_to_end(engine, run.id)

    def state() -> tuple[str, object]:
        (cell,) = notebook(runtime, free, pipeline.id, text=text, input_data={}).cells
        return cell.state, cell.step_run.parsed_output if cell.step_run else None

    clock.advance(days=89)
    sweep(runtime, clock.now())
    assert state() == ("fresh", "Hello")
    clock.advance(days=2)
    sweep(runtime, clock.now())
    assert state() == ("never", None), "nothing of the output is left to show or to reuse"
    assert get_pipeline(runtime, free.id, pipeline.id).text == text, "the pipeline is the account's"
    again = start_run(runtime, free, pipeline.id, {})
    await run_to_end(engine, again.id)
    assert state() == ("fresh", "Hello")
    engine.close()
    await runtime.providers.aclose()


async def test_no_sweep_reads_a_table_from_end_to_end(runtime: Runtime, free: Account) -> None:
    add_runs(runtime, free.id, 3_000, at=ago(runtime, days=10), steps=2, events=1)
    with runtime.database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("ANALYZE")
    for statement, parameters in statements_of(runtime, lambda: sweep(runtime, runtime.clock.now())):
        found = scanned(runtime, plan_of(runtime, statement, parameters))
        assert not any("run" in line for line in found), (statement, found)


def test_books_of_who_left_go_whole_after_ten_years_and_nobody_elses(
    runtime: Runtime, pro: Account, clock: FixedClock
) -> None:
    def books(owner_id: str, *years: int) -> None:
        with runtime.database.write() as session:
            session.add(
                CreditAccount(
                    owner_id=owner_id,
                    available_micros=0,
                    held_micros=0,
                    spent_micros=0,
                    granted_micros=0,
                    month=0,
                    purchased_micros=0,
                    expired_micros=0,
                    monthly_micros=0,
                    movements=len(years),
                    head=b"h",
                )
            )
            for number, year in enumerate(years, 1):
                made = LedgerTransaction(
                    id=runtime.ids.new(), owner_id=owner_id, kind="grant", cause="c", monthly_micros=0, month=0,
                    idempotency_key=f"{owner_id}:{number}", number=number, hash=b"h", balance_micros=0,
                    spent_micros=0, created_at=datetime(year, 6, 1, tzinfo=UTC),
                )  # fmt: skip
                session.add(made)
                session.flush()
                session.add(
                    LedgerEntry(transaction_id=made.id, position=0, owner_id=owner_id, account="x", amount_micros=0)
                )

    books("gone-2016", 2012, 2016)
    books("gone-2017", 2012, 2017)
    with runtime.database.write() as session:
        session.execute(delete(CreditAccount).where(CreditAccount.owner_id == pro.id))
    books(pro.id, 2012)
    assert clock.now().year == 2027
    sweep(runtime, clock.now())
    assert {left(runtime, name, "gone-2016") for name in BOOKS} == {0}, "2016 was over ten years ago"
    assert [left(runtime, name, "gone-2017") for name in BOOKS] == [1, 2, 2], "and 2017 was not"
    assert [left(runtime, name, pro.id) for name in BOOKS] == [1, 1, 1], "whoever has an account has its books"
    (report,) = list_reports(runtime)
    assert report.counts["ledger_entries"] == {"": 2}
