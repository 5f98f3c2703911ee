"""Schedules: pipelines that are run at times, each time once however many schedulers look.

A time is started under an idempotency key made of the schedule and the time, and only then the schedule moves on:
whoever does either a second time changes nothing.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import Enum
from typing import Any, cast

from sqlalchemy import ColumnElement, func, or_, select, update
from sqlalchemy.engine import CursorResult
from sqlalchemy.orm import Session

from core.accounts.automation import automation_paused_at, paused_accounts
from core.accounts.domain import Account
from core.accounts.plans import check_automation
from core.accounts.postings import lock_person
from core.accounts.queries import address_of, get_account
from core.accounts.standing import owner_may_start
from core.execution import errors
from core.execution.caps import check_within, hand_over, lock_caller_cap, set_cap
from core.execution.commands import start_run
from core.execution.definition_schedules import PUT_AWAY
from core.execution.domain import Missed, ScheduleView, Starter
from core.execution.models import ScheduleRow
from core.pipelines.cron import check_cron, next_times, times_until
from core.pipelines.definition import read_definition
from core.pipelines.inputs import check_input
from core.pipelines.queries import archived_pipelines, pipeline_names, runnable_version
from core.platform.idempotency import Once, answer_once
from core.platform.logging import get_logger
from core.platform.mail.postings import enqueue_mail
from core.platform.runtime import Runtime
from core.shared.errors import AppError, InvalidInput, LimitExceeded
from core.shared.types import JsonValue

LONGEST_NAME = 100


class Unchanged(Enum):
    """What is not given where None has a meaning of its own."""

    TOKEN = 0


UNCHANGED = Unchanged.TOKEN
SCHEDULES_A_PERSON = 100
FARTHEST = timedelta(days=3650)  # further ahead nobody looks
LATE = timedelta(minutes=5)
"""A time found later than this was missed: the installation was down, or too busy."""
MOST_MISSED = 100
DUE_AT_ONCE = 200

log = get_logger("schedules")


def create_schedule(
    runtime: Runtime,
    owner: Account,
    pipeline_id: str,
    *,
    name: str,
    cron_expression: str,
    timezone: str = "UTC",
    input_data: dict[str, Any] | None = None,
    enabled: bool = True,
    missed: Missed = "skip",
    max_micros_per_month: int | None = None,
    key_id: str | None = None,
    once: Once | None = None,
) -> ScheduleView:
    """Run a pipeline at times; the same request sent `once` more answers the schedule that it made.

    Raises InvalidInput, NotFound, Forbidden PLAN_LIMIT and KEY_CAP, LimitExceeded.
    `key_id`: the API key that asks, where no person does. What it makes has its cap or a lower one, and counts for it.
    """
    check_automation(owner.plan)
    now, schedule_id = runtime.clock.now(), runtime.ids.new()
    content = _checked(runtime, owner, pipeline_id, name, cron_expression, timezone, input_data or {})
    row = ScheduleRow(
        id=schedule_id,
        owner_id=owner.id,
        pipeline_id=pipeline_id,
        content=_seal(runtime, owner.id, schedule_id, content),
        cron_expression=cron_expression.strip(),
        timezone=timezone,
        missed=missed,
        enabled=enabled,
        next_at=next_times(cron_expression.strip(), timezone, now, 1)[0] if enabled else None,
        created_at=now,
        updated_at=now,
    )
    with runtime.database.write() as session:
        answer_id = answer_once(runtime, session, owner.id, once, schedule_id)
        if answer_id != schedule_id:
            return get_schedule(runtime, owner.id, answer_id)
        lock_person(session, owner.id)  # two at once would both be the last
        by_hand = (ScheduleRow.owner_id == owner.id, ScheduleRow.id != ScheduleRow.pipeline_id)
        mine = select(func.count()).select_from(ScheduleRow).where(*by_hand)
        if (session.scalar(mine) or 0) >= SCHEDULES_A_PERSON:
            message = f"There are {SCHEDULES_A_PERSON} schedules already. Delete one you do not use."
            raise LimitExceeded("TOO_MANY_SCHEDULES", message)
        cap = lock_caller_cap(session, owner.id, key_id)
        set_cap(row, cap if max_micros_per_month is None else max_micros_per_month, key_id, cap)
        session.add(row)
    runtime.events.used("schedule.created", owner.id)
    return get_schedule(runtime, owner.id, schedule_id)


def update_schedule(
    runtime: Runtime,
    owner: Account,
    schedule_id: str,
    *,
    name: str | None = None,
    cron_expression: str | None = None,
    timezone: str | None = None,
    input_data: dict[str, Any] | None = None,
    enabled: bool | None = None,
    missed: Missed | None = None,
    max_micros_per_month: int | Unchanged | None = UNCHANGED,
    key_id: str | None = None,
) -> ScheduleView:
    """Change any of the fields; with other times, or switched on again, it is due at its next time from now.

    Raises what making it does. One that is written in a definition raises Conflict for what the definition says; what
    we paused can be resumed. A capped key may let any rest, and change those that may not spend more than itself.
    """
    known, now = get_schedule(runtime, owner.id, schedule_id), runtime.clock.now()
    written = (name, cron_expression, timezone, input_data)
    if known.from_definition:
        _check_kept(runtime, owner.id, known, written, enabled)
    use = known.enabled if enabled is None else enabled
    anything = any(given is not None for given in (*written, enabled))
    if anything and use:
        check_automation(owner.plan)
    if not known.from_definition and anything and (use or any(given is not None for given in written)):
        # To let one rest is always possible, also when its pipeline is gone.
        _checked(
            runtime,
            owner,
            known.pipeline_id,
            known.name if name is None else name,
            known.cron_expression if cron_expression is None else cron_expression,
            known.timezone if timezone is None else timezone,
            known.input_data if input_data is None else input_data,
        )
    with runtime.database.write() as session:
        row = _lock(session, owner.id, schedule_id)
        cap = lock_caller_cap(session, owner.id, key_id)
        only_rests = enabled is False and missed is None and max_micros_per_month is UNCHANGED
        if not only_rests or any(given is not None for given in written):
            check_within(row, cap)
        if not isinstance(max_micros_per_month, Unchanged):
            set_cap(row, max_micros_per_month, key_id, cap)
        if name is not None or input_data is not None:
            content = _open(runtime, row)
            content = {
                "name": content["name"] if name is None else name.strip(),
                "input": content["input"] if input_data is None else input_data,
            }
            row.content = _seal(runtime, owner.id, row.id, content)
        _set_times(row, cron_expression, timezone, enabled, now)
        row.missed, row.updated_at = missed or row.missed, now
    return get_schedule(runtime, owner.id, schedule_id)


def _lock(session: Session, owner_id: str, schedule_id: str) -> ScheduleRow:
    mine = (ScheduleRow.id == schedule_id, ScheduleRow.owner_id == owner_id, _shown())
    row = session.scalar(select(ScheduleRow).where(*mine).with_for_update())
    if row is None:
        raise errors.schedule_not_found()
    return row


def _set_times(
    row: ScheduleRow, cron_expression: str | None, timezone: str | None, enabled: bool | None, now: datetime
) -> None:
    """When it is due; what is due already stays so unless this changes."""
    before = (row.cron_expression, row.timezone, row.enabled)
    if cron_expression is not None:
        row.cron_expression = cron_expression.strip()
    if timezone is not None:
        row.timezone = timezone
    if enabled is not None:
        row.enabled, row.paused_code = enabled, None
    if before != (row.cron_expression, row.timezone, row.enabled):
        row.next_at = next_times(row.cron_expression, row.timezone, now, 1)[0] if row.enabled else None


def delete_schedule(runtime: Runtime, owner_id: str, schedule_id: str) -> None:
    """Forget a schedule; runs it started stay. Raises NotFound, Conflict for one that is written in a definition."""
    with runtime.database.write() as session:
        row = _lock(session, owner_id, schedule_id)
        if row.id == row.pipeline_id:
            raise errors.written_in_definition()
        hand_over(session, row, runtime.clock.now())
        session.delete(row)


def get_schedule(runtime: Runtime, owner_id: str, schedule_id: str) -> ScheduleView:
    """A schedule of this person's. Raises NotFound."""
    found = _find(runtime, owner_id, ScheduleRow.id == schedule_id)
    if not found:
        raise errors.schedule_not_found()
    return found[0]


def list_schedules(runtime: Runtime, owner_id: str, pipeline_id: str | None = None) -> tuple[ScheduleView, ...]:
    """A person's schedules, oldest first; of one pipeline, or of all."""
    return _find(runtime, owner_id, *([] if pipeline_id is None else [ScheduleRow.pipeline_id == pipeline_id]))


def upcoming_runs(
    runtime: Runtime, owner_id: str, *, limit: int, after: tuple[datetime, str] | None = None
) -> tuple[tuple[datetime, ScheduleView], ...]:
    """What a person's schedules will start next, soonest first; nothing while their automation is paused.

    `after`: only what comes behind this time and schedule.
    """
    now = runtime.clock.now()
    if automation_paused_at(runtime, owner_id) is not None or (after is not None and after[0] > now + FARTHEST):
        return ()
    # Others may be due at the very time that `after` names: its second is asked for again.
    since = now if after is None or after[0] <= now else after[0] - timedelta(seconds=1)
    found = [
        (time, schedule)
        for schedule in list_schedules(runtime, owner_id)
        if schedule.enabled and not schedule.pipeline_archived
        for time in next_times(schedule.cron_expression, schedule.timezone, since, limit + 1)
        if after is None or (time, schedule.id) > after
    ]
    return tuple(sorted(found, key=lambda each: (each[0], each[1].id))[:limit])


IN_THIS_MOMENT = (
    "AUTOMATION_PAUSED",
    "PIPELINE_NOT_FOUND",
    "ACCOUNT_RESTRICTED",
    "ACCOUNT_CLOSING",
    "ACCOUNT_SUSPENDED",
)


def has_due_schedules(runtime: Runtime, now: datetime) -> bool:
    """Whether some schedule's time has come."""
    with runtime.database.read() as session:
        return session.scalar(select(ScheduleRow.id).where(*_due(now)).limit(1)) is not None


def start_due_schedules(runtime: Runtime, now: datetime) -> int:
    """Start every run that is due; returns how many times were dealt with."""
    due = select(ScheduleRow).where(*_due(now)).order_by(ScheduleRow.next_at).limit(DUE_AT_ONCE)
    with runtime.database.read() as session:
        rows = session.scalars(due).all()
    count = 0
    for row in rows:
        try:
            count += _start_due(runtime, row, now)
        except Exception as error:  # one schedule that cannot be dealt with keeps no other waiting
            log.error("schedule.failed", schedule_id=row.id, exc_info=error)
    return count


def _due(now: datetime) -> tuple[ColumnElement[bool], ...]:
    # Those of people who paused, and of pipelines that are archived, wait where they are: resumed or restored they
    # find their times missed, and do as they say.
    awake = ScheduleRow.pipeline_id.not_in(archived_pipelines())
    may = owner_may_start(ScheduleRow.owner_id)
    return ScheduleRow.next_at <= now, ScheduleRow.owner_id.not_in(paused_accounts()), awake, may


def _start_due(runtime: Runtime, row: ScheduleRow, now: datetime) -> int:
    assert row.next_at is not None
    view = _view(runtime, row, "")
    times = times_until(row.cron_expression, row.timezone, row.next_at - timedelta(seconds=1), now, MOST_MISSED)
    chosen = due_times(times, cast(Missed, row.missed), now)
    moved: dict[str, Any] = {"next_at": next_times(row.cron_expression, row.timezone, now, 1)[0]}
    pause: AppError | None = None
    capped: AppError | None = None
    owner = get_account(runtime, row.owner_id)
    for time in chosen:
        moved |= {"last_at": time, "last_error_code": None}
        try:
            check_automation(owner.plan)
            key = f"schedule:{row.id}:{time.isoformat()}"
            run = start_run(
                runtime, owner, row.pipeline_id, view.input_data, trigger="cron", idempotency_key=key,
                starter=Starter("schedule", row.id),
            )  # fmt: skip
            moved["last_run_id"] = run.id
        except AppError as refusal:
            if refusal.code in IN_THIS_MOMENT:  # the time stays due
                return 0
            if lifts_by_itself(refusal):
                moved["last_error_code"] = refusal.code
                capped = refusal if refusal.code == "CAP_REACHED" else capped
                continue
            pause = refusal
            moved |= {"enabled": False, "next_at": None, "paused_code": refusal.code, "last_error_code": refusal.code}
            break
    with runtime.database.write() as session:
        mine = (ScheduleRow.id == row.id, ScheduleRow.next_at == row.next_at)
        done = cast(CursorResult[Any], session.execute(update(ScheduleRow).where(*mine).values(moved)))
        if done.rowcount == 1 and pause is not None:
            due = row.next_at.isoformat()
            _tell_owner(runtime, session, row, "schedule_paused", view.name, pause, occasion=due)
        if done.rowcount == 1 and capped is not None:
            _tell_owner(runtime, session, row, "schedule_capped", view.name, capped, occasion=f"{now:%Y-%m}")
    return len(chosen)


def lifts_by_itself(refusal: AppError) -> bool:
    """Whether a later time may start although this one could not: the day's runs, or the month's cap, are used up."""
    return isinstance(refusal, LimitExceeded) and refusal.code in ("PLAN_LIMIT", "CAP_REACHED")


def due_times(times: Sequence[datetime], missed: Missed, now: datetime) -> tuple[datetime, ...]:
    """Which of the times that have come are started: those on time, and of those that were missed none, one or all."""
    on_time = [time for time in times if now - time <= LATE]
    if missed == "all":
        return tuple(times)
    if missed == "once" and not on_time:
        return tuple(times[-1:])
    return tuple(on_time)


def _tell_owner(
    runtime: Runtime, session: Session, row: ScheduleRow, kind: str, name: str, why: AppError, *, occasion: str
) -> None:
    """Mail why a schedule starts nothing; of one occasion once."""
    address = address_of(runtime, session, row.owner_id)
    if address is None:
        return
    url = f"{runtime.settings.public_url}/app/schedules"
    enqueue_mail(
        runtime, session, kind=kind, to=address, account_id=row.owner_id, cause=f"{kind}:{row.id}:{occasion}",
        values={"schedule": name, "reason": why.message, "schedules_url": url},
    )  # fmt: skip


def _checked(
    runtime: Runtime,
    owner: Account,
    pipeline_id: str,
    name: str,
    expression: str,
    timezone: str,
    inputs: dict[str, Any],
) -> dict[str, JsonValue]:
    """The content of a schedule, once everything in it has been found right."""
    title = name.strip()
    if not title or len(title) > LONGEST_NAME or not title.isprintable():
        raise InvalidInput("INVALID_NAME", f"Give the schedule a name of 1 to {LONGEST_NAME} characters.", field="name")
    check_cron(expression.strip(), timezone)
    saved = runnable_version(runtime, owner.id, pipeline_id, None)
    check_input(read_definition(saved.definition), inputs)
    return {"name": title, "input": inputs}


def _check_kept(
    runtime: Runtime, owner_id: str, known: ScheduleView, written: tuple[Any, ...], enabled: bool | None
) -> None:
    """Refuse what would make a schedule differ from the definition it is written in."""
    if any(given is not None for given in written):
        raise errors.written_in_definition()
    if enabled is not None and enabled != known.enabled:
        definition = read_definition(runnable_version(runtime, owner_id, known.pipeline_id, None).definition)
        if definition.schedule is None or definition.schedule.enabled != enabled:
            raise errors.written_in_definition()


def _find(runtime: Runtime, owner_id: str, *more: Any) -> tuple[ScheduleView, ...]:
    mine = select(ScheduleRow, ScheduleRow.pipeline_id.in_(archived_pipelines()))
    mine = mine.where(ScheduleRow.owner_id == owner_id, _shown(), *more).order_by(ScheduleRow.id)
    with runtime.database.read() as session:
        rows = session.execute(mine).tuples().all()
    names = pipeline_names(runtime, owner_id, {row.pipeline_id for row, _ in rows})
    return tuple(_view(runtime, row, names.get(row.pipeline_id, ""), archived=archived) for row, archived in rows)


def _shown() -> ColumnElement[bool]:
    return or_(ScheduleRow.paused_code.is_(None), ScheduleRow.paused_code != PUT_AWAY)


def schedule_name(runtime: Runtime, row: ScheduleRow) -> str:
    """What its owner calls a schedule."""
    return str(_open(runtime, row)["name"])


def _seal(runtime: Runtime, owner_id: str, schedule_id: str, content: dict[str, JsonValue]) -> bytes:
    return runtime.vault.seal_json(owner_id, f"schedules.content:{schedule_id}", content)


def _open(runtime: Runtime, row: ScheduleRow) -> dict[str, Any]:
    where = f"schedules.content:{row.id}"
    return cast(dict[str, Any], runtime.vault.open_json(row.owner_id, where, row.content))


def _view(runtime: Runtime, row: ScheduleRow, pipeline_name: str, *, archived: bool = False) -> ScheduleView:
    content = _open(runtime, row)
    return ScheduleView(
        id=row.id,
        pipeline_id=row.pipeline_id,
        pipeline_name=pipeline_name,
        name=content["name"],
        cron_expression=row.cron_expression,
        timezone=row.timezone,
        input_data=content["input"],
        missed=cast(Missed, row.missed),
        enabled=row.enabled,
        paused_code=row.paused_code,
        next_at=row.next_at,
        last_at=row.last_at,
        last_run_id=row.last_run_id,
        last_error_code=row.last_error_code,
        created_at=row.created_at,
        updated_at=row.updated_at,
        max_micros_per_month=row.max_micros_per_month,
        pipeline_archived=bool(archived),
    )
