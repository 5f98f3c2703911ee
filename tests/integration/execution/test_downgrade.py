"""A plan that gets smaller: announced by mail, and on its day nothing is deleted, while what it does not have rests."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from core.accounts.api_keys import create_api_key, list_api_keys
from core.accounts.commands import create_account
from core.accounts.domain import Account
from core.accounts.profile import update_profile
from core.accounts.queries import get_account
from core.credits.commands import grant_month
from core.credits.plan_changes import plan_at, set_plan
from core.credits.queries import balance, plan_standing
from core.execution.commands import start_run
from core.execution.schedules import create_schedule, list_schedules, update_schedule
from core.pipelines.commands import archive_pipeline, create_pipeline, unarchive_pipeline
from core.pipelines.queries import get_pipeline, list_pipelines
from core.platform.jobs.commands import run_job
from core.platform.jobs.queries import find_due
from core.platform.runtime import Runtime
from core.shared.errors import Forbidden, LimitExceeded
from core.shared.money import MICROS
from jobs.catalogue import JOBS
from tests.conftest import PASSWORD
from tests.support.clock import FixedClock
from tests.support.letters import last_letter, letters_to
from tests.support.old_history import add_runs

ADA = "ada@example.org"
START = datetime(2027, 5, 10, 12, tzinfo=UTC)
DAY = START + timedelta(days=20)
JOB = next(job for job in JOBS if job.name == "plan_changes")
STEPS = "".join(f"  - {{id: s{number}, type: transform, template: x}}\n" for number in range(7))


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(START)


@pytest.fixture
def runtime(runtime_with: Callable[..., Runtime], database_settings: dict[str, str], clock: FixedClock) -> Runtime:
    return runtime_with(clock=clock, **database_settings)


@pytest.fixture
def ada(runtime: Runtime) -> Account:
    ada = create_account(runtime, email=ADA, password=PASSWORD, plan="pro")
    grant_month(runtime, ada)
    return ada


def attend(runtime: Runtime) -> int:
    """What a scheduler does at a tick; how much the job did."""
    runs = [run_job(runtime, due.job, due.scheduled_for) for due in find_due(runtime, [JOB])]
    assert all(run is not None and run.error_code is None for run in runs)
    return sum(run.done for run in runs if run is not None)


def announce(runtime: Runtime, ada: Account, plan: str = "free") -> None:
    with runtime.database.write() as session:
        plan_at(runtime, session, ada.id, plan, at=DAY, cause="sub_1")


def test_it_is_announced_once_with_what_changes(runtime: Runtime, ada: Account) -> None:
    add_runs(runtime, ada.id, 12, at=datetime(2027, 1, 1, tzinfo=UTC), plan="pro")
    add_runs(runtime, ada.id, 1, at=datetime(2027, 4, 1, tzinfo=UTC), plan="pro")
    for _ in range(2):
        announce(runtime, ada)
    (letter,) = letters_to(runtime, ADA)
    assert letter.subject == "Your plan becomes Free on 2027-05-30"
    for line in (
        "Credits a month: 8,000 → 100", "Pipelines: unlimited → 3", "Schedules, webhooks, API keys: yes → no",
        "Runs from before 2027-03-08 are deleted on 2027-06-06, a week after the change.",
        "That is 12 of the runs you have now.", "/app/plan",
    ):  # fmt: skip
        assert line in letter.text
    update_profile(runtime, ada.id, language="fr")
    announce(runtime, ada, "starter")
    letter = last_letter(runtime, ADA)
    assert letter.subject == "Votre offre devient Starter le 2027-05-30"
    assert "Crédits par mois\u00a0: 8\u00a0000 → 2\u00a0000" in letter.text and "supprimées" not in letter.text


def test_on_its_day_nothing_is_deleted_and_what_the_plan_has_not_rests(
    runtime: Runtime, ada: Account, clock: FixedClock
) -> None:
    large = create_pipeline(runtime, ada, f"name: Large\nsteps:\n{STEPS}")
    small = [create_pipeline(runtime, ada, "name: Small\nsteps: [{id: a, template: x, type: transform}]") for _ in "ab"]
    put_away = create_pipeline(runtime, ada, "name: Away\nsteps: [{id: a, template: x, type: transform}]")
    archive_pipeline(runtime, ada.id, put_away.id)
    written = "name: Timed\nsteps: [{id: a, template: x, type: transform}]\nschedule: {cron: '0 9 * * *'}"
    create_pipeline(runtime, ada, written)
    create_schedule(runtime, ada, small[0].id, name="Each hour", cron_expression="0 * * * *")
    create_api_key(runtime, ada, "key", ["pipelines:execute"])
    announce(runtime, ada)
    assert attend(runtime) == 0
    clock.advance(days=20)
    assert attend(runtime) == 3, "the plan and two schedules"
    assert attend(runtime) == 0

    now = get_account(runtime, ada.id)
    standing = plan_standing(runtime, now)
    assert (standing.plan, standing.since, standing.planned) == ("free", DAY, None)
    assert balance(runtime, now).available_micros == 8_000 * MICROS, "until the month ends"
    assert len(list_pipelines(runtime, ada.id, 100, None).items) == 4
    assert "s6" in get_pipeline(runtime, ada.id, large.id).text
    with pytest.raises(LimitExceeded, match=r"Free plan allows 5 steps a pipeline, and this has 7.*Starter allows 10"):
        start_run(runtime, now, large.id, {})
    assert start_run(runtime, now, small[0].id, {}).status in ("pending", "running", "completed")
    with pytest.raises(LimitExceeded, match="allows 3 pipelines, and you have 4"):
        create_pipeline(runtime, now, "name: One more\nsteps: [{id: a, template: x, type: transform}]")
    with pytest.raises(LimitExceeded, match="allows 3 pipelines"):
        unarchive_pipeline(runtime, now, put_away.id)

    schedules = list_schedules(runtime, ada.id)
    assert {(each.enabled, each.paused_code, each.next_at) for each in schedules} == {(False, "PLAN_LIMIT", None)}
    paused, changed = (letters_to(runtime, ADA)[number] for number in (-1, -2))
    assert "Each hour" in paused.text and "Timed" in paused.text and "Free plan has no schedules" in paused.text
    assert changed.subject == "Your plan is now Free" and "Steps a pipeline: 20 → 5" in changed.text
    with pytest.raises(Forbidden, match="Starter"):
        update_schedule(runtime, now, schedules[0].id, enabled=True)
    assert len(list_api_keys(runtime, ada.id)) == 1

    clock.advance(days=11)
    grant_month(runtime, now)
    assert balance(runtime, now).available_micros == 100 * MICROS


def test_a_day_that_was_taken_back_changes_nothing(runtime: Runtime, ada: Account, clock: FixedClock) -> None:
    announce(runtime, ada)
    with runtime.database.write() as session:
        set_plan(runtime, session, ada.id, "starter", cause="chosen")
    clock.advance(days=21)
    assert attend(runtime) == 0
    assert get_account(runtime, ada.id).plan == "starter"
