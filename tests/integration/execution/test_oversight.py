"""What operators see of everybody's runs, what a suspension does to runs, and how content is opened for a reason."""

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import update

from core.accounts.audit import list_acts
from core.accounts.authentication import sign_in
from core.accounts.commands import create_account
from core.accounts.domain import ROLES, Account, SessionView
from core.accounts.looks import (
    LOOK_LIFE,
    current_look,
    end_look,
    looks_at,
    note_looks_read,
    open_look,
    unread_look,
)
from core.accounts.models import AccountRow
from core.accounts.queries import find_session
from core.accounts.suspension import end_suspension, suspend
from core.execution.commands import start_run
from core.execution.content_looks import look_at_pipeline, look_at_pipelines, look_at_run
from core.execution.engine import Engine, run_to_end
from core.execution.oversight import active_runs, list_all_runs, run_figures, stop_runs_of, stuck_runs
from core.execution.queries import run_status
from core.execution.schedules import create_schedule, has_due_schedules, start_due_schedules
from core.pipelines.commands import create_pipeline
from core.platform.mail.queries import list_mails
from core.platform.runtime import Runtime
from core.shared.errors import AppError, Conflict, Forbidden, InvalidInput, NotFound
from tests.conftest import PASSWORD
from tests.support.clock import FixedClock

REASON = "The person wrote that run 7 gave a wrong total."
STEPS: dict[str, Any] = {"name": "Secret plan", "steps": [{"id": "a", "type": "transform", "template": "Top secret"}]}


@pytest.fixture
def runtime(runtime_with: Callable[..., Runtime], database_settings: dict[str, str], clock: FixedClock) -> Runtime:
    return runtime_with(clock=clock, **database_settings)


@pytest.fixture
def admin(runtime: Runtime) -> SessionView:
    return session_of(runtime, "root@example.org", ROLES)


def session_of(runtime: Runtime, email: str, roles: tuple[str, ...] = ()) -> SessionView:
    create_account(runtime, email=email, password=PASSWORD, roles=roles)
    found = find_session(runtime, sign_in(runtime, email=email, password=PASSWORD).token)
    assert found is not None
    return found


async def finished(runtime: Runtime, owner: Account, **more: Any) -> tuple[str, str]:
    """A pipeline and a run of it that has ended."""
    pipeline = create_pipeline(runtime, owner, STEPS)
    run = start_run(runtime, owner, pipeline.id, {}, **{"trigger": "manual", **more})
    engine = Engine(runtime, "serve:test")
    await run_to_end(engine, run.id)
    engine.close()
    return pipeline.id, run.id


def code_of(call: Callable[..., object], *args: object) -> str:
    with pytest.raises(AppError) as refused:
        call(*args)
    return refused.value.code


async def test_a_list_of_everybodys_runs_tells_nothing_of_their_content(runtime: Runtime, owner: Account) -> None:
    _, first = await finished(runtime, owner)
    eve = session_of(runtime, "grace@example.org").account
    _, second = await finished(runtime, eve, trigger="api")
    page = list_all_runs(runtime)
    assert [each.id for each in page.items] == [second, first] and page.next_cursor is None
    assert "ecret" not in repr(page) and page.items[0].steps == 1
    assert [each.id for each in list_all_runs(runtime, owner_id=eve.id).items] == [second]
    assert [each.id for each in list_all_runs(runtime, trigger="api").items] == [second]
    assert list_all_runs(runtime, status="failed").items == () and len(list_all_runs(runtime, status="x").items) == 2
    assert list_all_runs(runtime, provider="anthropic").items == ()
    older = list_all_runs(runtime, limit=1)
    assert [each.id for each in list_all_runs(runtime, limit=1, cursor=older.next_cursor).items] == [first]
    figures = run_figures(runtime, runtime.clock.now(), owner_id=eve.id)
    assert (figures.completed, figures.active, active_runs(runtime)) == (1, 0, 0)


async def test_a_page_that_finds_little_says_where_it_came_to(
    runtime: Runtime, owner: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.execution.oversight.LOOKED_THROUGH", 2)
    ids = [(await finished(runtime, owner, trigger="api" if at == 0 else "manual"))[1] for at in range(4)]
    page = list_all_runs(runtime, trigger="api")
    assert page.items == () and page.next_cursor == ids[2] and page.looked_through == 2 and page.seen_back_to
    rest = list_all_runs(runtime, trigger="api", cursor=page.next_cursor)
    assert [each.id for each in rest.items] == [ids[0]]
    assert list_all_runs(runtime, trigger="api", cursor=rest.next_cursor).next_cursor is None


async def test_runs_that_nobody_is_at_are_found(runtime: Runtime, owner: Account, clock: FixedClock) -> None:
    pipeline = create_pipeline(runtime, owner, STEPS)
    run = start_run(runtime, owner, pipeline.id, {})
    assert stuck_runs(runtime) == ()
    clock.advance(minutes=11)
    (found,) = stuck_runs(runtime)
    assert (found.id, found.stuck) == (run.id, "pending_long")
    with runtime.database.write() as session:
        session.execute(update(AccountRow).where(AccountRow.id == owner.id).values(restricted_at=clock.now()))
    assert stuck_runs(runtime) == (), "who is restricted has runs that rest"


async def test_what_had_begun_goes_on_and_nothing_new_begins(
    runtime: Runtime, admin: SessionView, clock: FixedClock
) -> None:
    ada = session_of(runtime, "ada@example.org").account
    pipeline = create_pipeline(runtime, ada, STEPS)
    run = start_run(runtime, ada, pipeline.id, {})
    create_schedule(
        runtime, ada, pipeline.id, name="Hourly", cron_expression="0 * * * *", timezone="UTC", input_data={}
    )
    suspend(runtime, admin, ada.id, REASON)
    assert code_of(lambda: start_run(runtime, ada, pipeline.id, {})) == "ACCOUNT_SUSPENDED"
    engine = Engine(runtime, "serve:test")
    await run_to_end(engine, run.id)
    engine.close()
    assert run_status(runtime, ada.id, run.id) == "completed"
    clock.advance(hours=2)
    assert not has_due_schedules(runtime, clock.now()) and start_due_schedules(runtime, clock.now()) == 0
    clock.advance(minutes=-115)
    again = find_session(runtime, sign_in(runtime, email="root@example.org", password=PASSWORD).token)
    assert again is not None
    end_suspension(runtime, again, ada.id)
    clock.advance(minutes=115)
    assert start_due_schedules(runtime, clock.now()) == 1, "the times it missed are dealt with as the schedule says"


async def test_an_admin_stops_what_goes_on(runtime: Runtime, owner: Account, admin: SessionView) -> None:
    pipeline = create_pipeline(runtime, owner, STEPS)
    start_run(runtime, owner, pipeline.id, {})
    with pytest.raises(Forbidden):
        stop_runs_of(runtime, session_of(runtime, "grace@example.org"), owner.id)
    assert stop_runs_of(runtime, admin, owner.id) == 1
    (act,) = list_acts(runtime, 5, act="runs.stopped").items
    assert act.subject_id == owner.id and act.details == {"number": 1}


async def test_content_opens_for_a_reason_is_told_and_closes(
    runtime: Runtime, admin: SessionView, clock: FixedClock
) -> None:
    ada = session_of(runtime, "ada@example.org").account
    pipeline_id, run_id = await finished(runtime, ada)
    for closed in (
        lambda: look_at_run(runtime, admin, ada.id, run_id),
        lambda: look_at_pipeline(runtime, admin, ada.id, pipeline_id),
        lambda: look_at_pipelines(runtime, admin, ada.id),
    ):
        assert code_of(closed) == "LOOK_NEEDED"
    look = open_look(runtime, admin, ada.id, REASON)
    assert open_look(runtime, admin, ada.id, "A second reason, a moment later.").id == look.id, "it goes on"
    for _ in range(2):
        assert look_at_run(runtime, admin, ada.id, run_id).output_data == "Top secret"
    assert "Top secret" in look_at_pipeline(runtime, admin, ada.id, pipeline_id).text
    assert [each.name for each in look_at_pipelines(runtime, admin, ada.id).items] == ["Secret plan"]
    assert code_of(look_at_run, runtime, admin, ada.id, "nothing") == "RUN_NOT_FOUND"
    (told,) = looks_at(runtime, ada.id)
    assert told.reason == REASON and told.opened == {"run": 1, "pipeline": 1, "list": 1}
    assert [each.kind for each in list_mails(runtime).items if each.account_id == ada.id] == ["content_looked_at"]
    acts = [each.act for each in list_acts(runtime, 50, account_id=ada.id).items if each.act.startswith("content")]
    assert acts == ["content.looked_at"] * 3 + ["content.look_opened"]
    assert REASON not in repr(list_acts(runtime, 50).items)
    clock.advance(seconds=LOOK_LIFE.total_seconds())
    assert code_of(look_at_run, runtime, admin, ada.id, run_id) == "LOOK_NEEDED"
    assert current_look(runtime, admin, ada.id) is None


async def test_a_look_is_one_admins_at_one_person(runtime: Runtime, admin: SessionView) -> None:
    ada = session_of(runtime, "ada@example.org")
    eve = session_of(runtime, "grace@example.org").account
    other = session_of(runtime, "second@example.org", ("admin",))
    _, run_id = await finished(runtime, ada.account)
    _, of_eve = await finished(runtime, eve)
    assert code_of(open_look, runtime, ada, eve.id, REASON) == "NOT_ADMIN"
    dpo = session_of(runtime, "dpo@example.org", ("privacy_admin", "accounting"))
    assert code_of(open_look, runtime, dpo, eve.id, REASON) == "NOT_ADMIN"
    assert code_of(open_look, runtime, admin, admin.account.id, REASON) == "OWN_ACCOUNT"
    with pytest.raises(InvalidInput):
        open_look(runtime, admin, ada.account.id, "because")
    with pytest.raises(NotFound):
        open_look(runtime, admin, "nobody", REASON)
    open_look(runtime, admin, ada.account.id, REASON)
    assert code_of(look_at_run, runtime, admin, eve.id, of_eve) == "LOOK_NEEDED"
    assert code_of(look_at_run, runtime, admin, ada.account.id, of_eve) == "RUN_NOT_FOUND"
    assert code_of(look_at_run, runtime, other, ada.account.id, run_id) == "LOOK_NEEDED"
    assert code_of(look_at_run, runtime, ada, ada.account.id, run_id) == "NOT_ADMIN"
    end_look(runtime, admin, ada.account.id)
    assert code_of(look_at_run, runtime, admin, ada.account.id, run_id) == "LOOK_NEEDED"


async def test_restricted_content_is_opened_to_nobody(runtime: Runtime, admin: SessionView, clock: FixedClock) -> None:
    ada = session_of(runtime, "ada@example.org").account
    _, run_id = await finished(runtime, ada)
    open_look(runtime, admin, ada.id, REASON)
    with runtime.database.write() as session:
        session.execute(update(AccountRow).where(AccountRow.id == ada.id).values(restricted_at=clock.now()))
    assert code_of(look_at_run, runtime, admin, ada.id, run_id) == "LOOK_NEEDED"
    with pytest.raises(Conflict) as restricted:
        open_look(runtime, admin, ada.id, REASON)
    assert restricted.value.code == "ACCOUNT_RESTRICTED"


async def test_a_stale_password_opens_nothing_and_the_person_reads_of_it(
    runtime: Runtime, admin: SessionView, clock: FixedClock
) -> None:
    ada = session_of(runtime, "ada@example.org").account
    assert unread_look(runtime, ada.id) is None
    open_look(runtime, admin, ada.id, REASON)
    assert unread_look(runtime, ada.id) == clock.now()
    note_looks_read(runtime, ada.id)
    assert unread_look(runtime, ada.id) is None
    end_look(runtime, admin, ada.id)
    clock.advance(minutes=11)
    assert code_of(open_look, runtime, admin, ada.id, REASON) == "CONFIRM_PASSWORD"
