"""Schedules: which pipelines run at times, when next, and what became of the last time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import datetime
from functools import partial
from html import escape
from typing import TYPE_CHECKING
from urllib.parse import urlencode
from zoneinfo import ZoneInfo, available_timezones

import streamlit as st

from core.accounts.automation import automation_paused_at
from core.accounts.domain import Account
from core.accounts.plans import check_automation
from core.bootstrap import get_runtime
from core.execution.caps import next_month, taken_this_month
from core.execution.domain import Missed, ScheduleView
from core.execution.schedules import (
    create_schedule,
    delete_schedule,
    list_schedules,
    upcoming_runs,
    update_schedule,
)
from core.pipelines.cron import check_cron, explain_cron, next_times
from core.pipelines.definition import Definition, InputField, read_definition
from core.pipelines.queries import get_pipeline, list_pipelines
from core.shared.clock import iso_z
from core.shared.errors import Forbidden, InvalidInput, NotFound
from pages.ui.automation import DIALOG, draw_title, pause_dialog
from pages.ui.badges import text_badge
from pages.ui.caps import cap_meter, draw_cap_change, draw_cap_field, typed_cap
from pages.ui.confirm import confirm_delete
from pages.ui.inputs import draw_input, read_input
from pages.ui.memory import ask_dialog, take_dialog, widget_text
from pages.ui.navigator import base_path
from pages.ui.notices import attempt, draw_notices, say
from pages.ui.session import current_session, guarded
from pages.ui.vendor_notice import draw_vendor_notice
from pages.ui.words import exact, joined, time_html, until
from pages.workspace.notebook_files import file_actions

if TYPE_CHECKING:
    from core.platform.runtime import Runtime

OFTEN = {
    "Every day at nine": "0 9 * * *",
    "Every Monday at nine": "0 9 * * 1",
    "Every hour": "0 * * * *",
    "Every quarter of an hour": "*/15 * * * *",
    "The first of each month": "0 9 1 * *",
    "Another time": "",
}
MISSED: dict[Missed, str] = {
    "skip": "Leave missed times out",
    "once": "Make up for the last one",
    "all": "Make up for all of them",
}
PAUSED = {
    "PIPELINE_NOT_FOUND": "Its pipeline is archived.",
    "INSUFFICIENT_CREDITS": "There were not enough credits for its run.",
    "MISSING_SECRET": "A secret that its pipeline needs does not exist.",
    "PLAN_LIMIT": "Your plan has no schedules any more.",
    "INVALID_INPUT": "Its inputs do not fit the pipeline any more.",
}
SHOWN, COMING = 5, 8
TROUBLE_ADVICE = "Schedules that use it may fail: give their steps a fallback model, or retry their runs later."


def schedules_page() -> None:
    """A form for one more, what comes next, and a row a schedule."""
    runtime = get_runtime()
    account = current_session(runtime).account
    title = (
        '<h1 class="sq-title">Schedules</h1><p class="sq-facts sq-intro">A schedule runs a pipeline at times, with '
        "inputs that are saved here. Each time is started once, also after a restart.</p>"
    )
    draw_title(runtime, account, title)
    draw_notices()
    try:
        check_automation(account.plan)
    except Forbidden as refusal:
        st.html(f'<div class="sq-empty">{escape(refusal.message)}</div>')
        return
    _draw_form(runtime, account)
    schedules = list_schedules(runtime, account.id)
    if not schedules:
        st.html('<div class="sq-empty">No schedules yet. Choose a pipeline above and when it is to run.</div>')
    else:
        draw_vendor_notice(runtime, _definitions(runtime, account.id, schedules), TROUBLE_ADVICE)
        taken = taken_this_month(runtime, account.id)
        rests = automation_paused_at(runtime, account.id) is not None
        for schedule in schedules:
            still = rests or schedule.pipeline_archived
            _draw_schedule(runtime, schedule, taken.get(schedule.id, 0), rests=still)
        _draw_coming(runtime, account)
    dialog, details = take_dialog()
    if dialog == "delete-schedule":
        _confirm_delete(**details)
    elif dialog == DIALOG:
        pause_dialog()


def _draw_form(runtime: Runtime, account: Account) -> None:
    names = {pipeline.id: pipeline.name for pipeline in list_pipelines(runtime, account.id, 100, None).items}
    if not names:
        st.html('<div class="sq-empty">Make a pipeline first: a schedule runs one.</div>')
        return
    with st.expander("New schedule", icon=":material/add:", expanded=False, key="schedule-new"):
        with st.container(horizontal=True, vertical_alignment="bottom"):
            chosen = st.selectbox(
                "Pipeline", list(names), key="schedule-pipeline", width=280, format_func=names.__getitem__
            )
            st.text_input("Name", key="schedule-name", width=240, placeholder="Weekly digest", autocomplete="off")
        with st.container(horizontal=True, vertical_alignment="bottom"):
            often = st.selectbox("When", list(OFTEN), key="schedule-often", width=240)
            if not OFTEN[often]:
                st.text_input(
                    "Cron expression", key="schedule-cron", width=200, placeholder="0 9 * * 1", autocomplete="off",
                    help="Minute, hour, day of the month, month, day of the week.",
                )  # fmt: skip
            zones = sorted(available_timezones())
            st.selectbox("Time zone", zones, index=zones.index("UTC"), key="schedule-zone", width=240)
            st.selectbox(
                "If we were down", list(MISSED), key="schedule-missed", width=240, format_func=MISSED.__getitem__
            )
            draw_cap_field("schedule-cap")
        _draw_times(runtime)
        _draw_inputs(runtime, account, chosen)
        st.button("Make schedule", type="primary", key="schedule-make", on_click=_make)


def _definitions(runtime: Runtime, owner_id: str, schedules: Sequence[ScheduleView]) -> Iterator[Definition]:
    """What the schedules run; archived pipelines are not run."""
    for pipeline_id in {schedule.pipeline_id for schedule in schedules if schedule.enabled}:
        with suppress(NotFound):
            yield read_definition(get_pipeline(runtime, owner_id, pipeline_id).definition)


def _draw_times(runtime: Runtime) -> None:
    """The next times of what is being entered, or what is wrong with it."""
    expression, zone = _expression(), str(st.session_state["schedule-zone"])
    if not expression:
        return
    try:
        check_cron(expression, zone)
    except InvalidInput as problem:
        st.html(f'<div class="sq-facts">{escape(problem.message)}</div>')
        return
    now = runtime.clock.now()
    times = next_times(expression, zone, now, SHOWN)
    said = " · ".join(f'<span title="{exact(time)}">{escape(until(time, now))}</span>' for time in times)
    st.html(f'<div class="sq-facts">{escape(explain_cron(expression))} ({escape(zone)}). Next: {said}.</div>')


def _draw_inputs(runtime: Runtime, account: Account, pipeline_id: str) -> None:
    draw_input(_form(pipeline_id), _input_fields(runtime, account.id, pipeline_id), file_actions(runtime, account))


def _input_fields(runtime: Runtime, owner_id: str, pipeline_id: str) -> dict[str, InputField]:
    """The inputs of the saved version: that is what a schedule runs."""
    return dict(read_definition(get_pipeline(runtime, owner_id, pipeline_id).definition).input.fields)


def _form(pipeline_id: str) -> str:
    """The name of the input form, which is another one than the notebook's."""
    return f"schedule-{pipeline_id}"


def _draw_schedule(runtime: Runtime, schedule: ScheduleView, taken: int, *, rests: bool) -> None:
    now = runtime.clock.now()
    badge, why = _state(schedule)
    due = f"next {until(schedule.next_at, now)}" if schedule.next_at and not rests else ""
    runs = "" if schedule.from_definition else schedule.pipeline_name
    last = f"last {time_html(schedule.last_at, now)}" if schedule.last_at else "not run yet"
    written, change = ("", "")
    if schedule.from_definition:
        written = text_badge("from the definition", title="Change `schedule` in the pipeline, and save a version.")
        address = escape(f"{base_path()}?{urlencode({'pipeline': schedule.pipeline_id})}")
        change = f' · <a class="sq-link" href="{address}" target="_self">Change in the pipeline</a>'
    with st.container(border=True, horizontal=True, vertical_alignment="center", key=f"schedule-row-{schedule.id}"):
        words = explain_cron(schedule.cron_expression)
        st.html(
            f'<div class="sq-row"><span class="sq-id">{escape(schedule.name)}</span>{badge}{written}'
            f'<span class="sq-facts">{joined(escape(runs), escape(due), last)}</span></div>'
            f'<div class="sq-facts">{escape(words)} ({escape(schedule.timezone)}){change}</div>'
            + (f'<div class="sq-facts">{escape(why)}</div>' if why else "")
            + _left_out(schedule, now)
            + cap_meter(taken, schedule.max_micros_per_month)
        )
        draw_cap_change(f"schedule-cap-{schedule.id}", schedule.max_micros_per_month, partial(_set_cap, schedule.id))
        # With its pipeline away it can be switched off, and nothing would come of switching it on.
        by_hand = not schedule.from_definition or schedule.paused_code is not None
        if by_hand and (schedule.enabled or not schedule.pipeline_archived):
            st.button(
                "Switch off" if schedule.enabled else "Switch on", key=f"schedule-switch-{schedule.id}",
                on_click=_switch, args=(schedule.id, not schedule.enabled),
            )  # fmt: skip
        if not schedule.from_definition:
            st.button(
                "Delete", key=f"schedule-delete-{schedule.id}", icon=":material/delete:", on_click=_ask_delete,
                args=(schedule.id, schedule.name),
            )  # fmt: skip


def _state(schedule: ScheduleView) -> tuple[str, str]:
    """A badge, and why it starts nothing where that is not what was asked for."""
    if schedule.pipeline_archived and schedule.enabled:
        return text_badge("rests"), "Its pipeline is archived. It goes on when that is restored."
    if schedule.paused_code is not None:
        why = PAUSED.get(schedule.paused_code, "It could not start its run.")
        return text_badge("paused", "amber"), f"{why} Put it right, then switch it on."
    return text_badge("on", "green") if schedule.enabled else text_badge("off"), ""


def _left_out(schedule: ScheduleView, now: datetime) -> str:
    """Why the last time was left out, where the schedule goes on by itself."""
    if not schedule.enabled or schedule.last_error_code is None:
        return ""
    if schedule.last_error_code == "CAP_REACHED":
        anew = next_month(now)
        why = f"its cap was used up. It begins anew on {anew.day} {anew:%B} (UTC), and the schedule goes on by itself"
    else:
        why = "the runs of that day were used up. They begin anew at midnight (UTC)"
    return f'<div class="sq-facts">The last time was left out: {escape(why)}.</div>'


def _draw_coming(runtime: Runtime, account: Account) -> None:
    coming = upcoming_runs(runtime, account.id, limit=COMING)
    if not coming:
        return
    now = runtime.clock.now()
    rows = "".join(
        f'<div class="sq-row sq-facts"><time datetime="{iso_z(time)}" title="{exact(time)}">'
        f"{_local(time, schedule.timezone)}</time><span>{escape(schedule.name)}</span>"
        f"<span>{escape(until(time, now))}</span></div>"
        for time, schedule in coming
    )
    st.html(f'<div class="sq-id">Coming up</div>{rows}')


def _local(time: datetime, timezone: str) -> str:
    """As the schedule's own clock shows it: `Mon 30 Nov, 08:00`."""
    there = time.astimezone(ZoneInfo(timezone))
    return f"{there:%a} {there.day} {there:%b, %H:%M}"


def _confirm_delete(schedule_id: str, label: str) -> None:
    confirm_delete(
        "Delete this schedule?",
        f"<p><b>{escape(label)}</b> starts no more runs. The runs it started stay.</p>",
        "Delete schedule", key="schedule-gone", keep="schedule-keep", delete=lambda: _delete(schedule_id, label),
    )  # fmt: skip


def _expression() -> str:
    return OFTEN[str(st.session_state["schedule-often"])] or widget_text("schedule-cron").strip()


@guarded
def _make() -> None:
    runtime = get_runtime()
    account = current_session(runtime).account
    pipeline_id = str(st.session_state["schedule-pipeline"])

    def make() -> None:
        create_schedule(
            runtime,
            account,
            pipeline_id,
            name=widget_text("schedule-name"),
            cron_expression=_expression(),
            timezone=str(st.session_state["schedule-zone"]),
            missed=st.session_state["schedule-missed"],
            max_micros_per_month=typed_cap("schedule-cap"),
            input_data=read_input(_form(pipeline_id), _input_fields(runtime, account.id, pipeline_id)),
        )

    if attempt(make):
        st.session_state["schedule-name"], st.session_state["schedule-cap"] = "", None
        say("Made the schedule.")


@guarded
def _switch(schedule_id: str, on: bool) -> None:
    runtime = get_runtime()
    account = current_session(runtime).account
    attempt(lambda: update_schedule(runtime, account, schedule_id, enabled=on))


@guarded
def _set_cap(schedule_id: str, field: str) -> None:
    runtime = get_runtime()
    account = current_session(runtime).account

    def save() -> None:
        update_schedule(runtime, account, schedule_id, max_micros_per_month=typed_cap(field))

    if attempt(save):
        say("Saved the cap.")


@guarded
def _ask_delete(schedule_id: str, label: str) -> None:
    ask_dialog("delete-schedule", schedule_id=schedule_id, label=label)


@guarded
def _delete(schedule_id: str, label: str) -> None:
    runtime = get_runtime()
    owner_id = current_session(runtime).account.id
    if attempt(lambda: delete_schedule(runtime, owner_id, schedule_id)):
        say(f"Deleted {label}.")
