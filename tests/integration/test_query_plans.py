"""What the lists ask of the database goes through indexes, on both databases, at ten thousand runs."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import pytest
from sqlalchemy import event, text

from core.accounts.audit import list_acts
from core.accounts.domain import Account
from core.accounts.looks import unread_look
from core.accounts.people import list_people
from core.accounts.queries import installation_overview
from core.credits.payments.queries import list_subscriptions, subscription_figures
from core.credits.statements import find_stretch, list_lines, spent_in
from core.credits.statements import statement as statement_of
from core.execution.commands import start_run
from core.execution.egress_kept import totals_of
from core.execution.engine import Engine, run_to_end
from core.execution.notebook import notebook
from core.execution.oversight import active_runs, list_all_runs, run_figures, stuck_runs
from core.execution.queries import active_run_id, events_after, get_run, list_runs
from core.execution.usage import runs_under_way
from core.execution.usage_days import runs_by_day, slowest_steps
from core.execution.usual import usual_tokens
from core.pipelines.commands import create_pipeline
from core.pipelines.queries import list_pipelines, list_versions
from core.platform.mail.queries import list_mails, outbox_figures
from core.platform.runtime import Runtime
from tests.support.many_runs import copy_run

TEXT = """
name: Two steps
steps:
  - {id: first, type: transform, template: Hello}
  - {id: second, type: transform, template: "{{steps.first.output}} again"}
"""
RUNS = 10_000
FILLED = ("runs", "step_runs")


@pytest.fixture
async def history(runtime: Runtime, owner: Account) -> tuple[str, str]:
    """A pipeline with ten thousand runs; its id and the newest run's."""
    pipeline = create_pipeline(runtime, owner, TEXT)
    run = start_run(runtime, owner, pipeline.id, {})
    engine = Engine(runtime, "serve:test")
    await run_to_end(engine, run.id)
    engine.close()
    copy_run(runtime, run.id, RUNS)
    with runtime.database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("ANALYZE")
    return pipeline.id, run.id


def statements_of(runtime: Runtime, ask: Callable[[], object]) -> list[tuple[str, Any]]:
    """The reading statements that a query sends, with their parameters."""
    seen: list[tuple[str, Any]] = []

    def note(_conn: Any, _cursor: Any, statement: str, parameters: Any, _context: Any, _many: bool) -> None:
        if statement.lstrip().upper().startswith("SELECT"):
            seen.append((statement, parameters))

    event.listen(runtime.database.engine, "before_cursor_execute", note)
    try:
        ask()
    finally:
        event.remove(runtime.database.engine, "before_cursor_execute", note)
    assert seen, "the query reads"
    return seen


def plan_of(runtime: Runtime, statement: str, parameters: Any) -> list[str]:
    word = "EXPLAIN QUERY PLAN " if runtime.database.is_sqlite else "EXPLAIN "
    with runtime.database.engine.connect() as connection:
        rows = connection.exec_driver_sql(word + statement, parameters).all()
    return [str(row[-1]).strip() for row in rows]


def scanned(runtime: Runtime, plan: list[str]) -> list[str]:
    """The tables that a plan reads from end to end. PostgreSQL does so with empty ones: there the filled ones count."""
    if runtime.database.is_sqlite:
        # "SCAN (subquery)" walks a result, as "SCAN t" does where t is a co-routine, and "SCAN t USING INDEX" an index.
        results = {line.removeprefix("CO-ROUTINE ") for line in plan if line.startswith("CO-ROUTINE ")}
        whole = [line for line in plan if re.match(r"SCAN \w+$", line) and "CONSTANT" not in line]
        return [line for line in whole if line.removeprefix("SCAN ") not in results]
    found = [match[1] for line in plan if (match := re.search(r"Seq Scan on (\w+)", line))]
    return [table for table in found if table in FILLED]


def lately(runtime: Runtime) -> tuple[date, date]:
    """A week beside that of all the runs: of a time that is all there is, reading all is right."""
    today = runtime.clock.now().date()
    return today + timedelta(days=1), today + timedelta(days=7)


def asks(runtime: Runtime, owner: Account, pipeline_id: str, run_id: str) -> dict[str, Callable[[], object]]:
    middle = list_runs(runtime, owner.id, limit=50).next_cursor
    return {
        "newest": lambda: list_runs(runtime, owner.id),
        "older": lambda: list_runs(runtime, owner.id, cursor=middle),
        "by pipeline": lambda: list_runs(runtime, owner.id, pipeline_id=pipeline_id, cursor=middle),
        "by status": lambda: list_runs(runtime, owner.id, status="failed", cursor=middle),
        "none of a status": lambda: list_runs(runtime, owner.id, status="waiting"),
        "by name": lambda: list_runs(runtime, owner.id, text="two"),
        "by no name": lambda: list_runs(runtime, owner.id, text="nothing is called so"),
        "active": lambda: active_run_id(runtime, owner.id, pipeline_id),
        "a run": lambda: get_run(runtime, owner.id, run_id),
        "its events": lambda: events_after(runtime, run_id, 0),
        "what its steps used": lambda: usual_tokens(runtime, owner.id, pipeline_id, ["first", "second"]),
        "movements": lambda: list_lines(runtime, find_stretch(runtime, owner.id, None), limit=50, before=5),
        "a statement": lambda: statement_of(runtime, owner, None, None),
        "what credits went to": lambda: spent_in(runtime, find_stretch(runtime, owner.id, None)),
        "runs of some days": lambda: runs_by_day(runtime, owner.id, *lately(runtime)),
        "slowest steps": lambda: slowest_steps(runtime, owner.id, *lately(runtime)),
        "under way": lambda: runs_under_way(runtime),
        "the notebook": lambda: notebook(runtime, owner, pipeline_id, text=TEXT, input_data={}),
        "pipelines": lambda: list_pipelines(runtime, owner.id),
        "versions": lambda: list_versions(runtime, owner.id, pipeline_id),
        "runs of everybody": lambda: list_all_runs(runtime, cursor=middle),
        "runs of everybody by status": lambda: list_all_runs(runtime, status="failed", cursor=middle),
        "runs of everybody of no status": lambda: list_all_runs(runtime, status="waiting"),
        "runs of everybody by trigger": lambda: list_all_runs(runtime, trigger="webhook"),
        "runs of everybody by provider": lambda: list_all_runs(runtime, provider="openai"),
        "runs of a person": lambda: list_all_runs(runtime, owner_id=owner.id, status="failed", cursor=middle),
        "stuck runs": lambda: stuck_runs(runtime),
        "runs under way": lambda: active_runs(runtime),
        "figures of a person's runs": lambda: run_figures(runtime, runtime.clock.now(), owner_id=owner.id),
        "people": lambda: list_people(runtime),
        "people by address": lambda: list_people(runtime, text="ada@example.org"),
        "people by id": lambda: list_people(runtime, text=owner.id[:8]),
        "people by plan": lambda: list_people(runtime, plan="pro", cursor=owner.id),
        "people by role": lambda: list_people(runtime, role="accounting"),
        "people who are suspended": lambda: list_people(runtime, standing="suspended"),
        "mails": lambda: list_mails(runtime),
        "mails that wait": lambda: list_mails(runtime, states=("queued",)),
        "mails that ended": lambda: list_mails(runtime, states=("failed", "dropped", "sent"), cursor=owner.id),
        "figures of mails": lambda: outbox_figures(runtime),
        "subscriptions": lambda: list_subscriptions(runtime, cursor="sub_none"),
        "subscriptions not paid": lambda: list_subscriptions(runtime, overdue=True),
        "figures of subscriptions": lambda: subscription_figures(runtime),
        "acts of a kind": lambda: list_acts(runtime, 50, "9", act="plan.changed"),
        "what left": lambda: totals_of(runtime, 30),
        "counts of people": lambda: installation_overview(runtime),
        "looks": lambda: unread_look(runtime, owner.id),
    }


def test_no_query_of_the_lists_reads_a_whole_table(runtime: Runtime, owner: Account, history: tuple[str, str]) -> None:
    for name, ask in asks(runtime, owner, *history).items():
        for statement, parameters in statements_of(runtime, ask):
            plan = plan_of(runtime, statement, parameters)
            assert scanned(runtime, plan) == [], (name, statement, plan)


def test_a_page_of_runs_is_not_sorted_and_loads_no_content(
    runtime: Runtime, owner: Account, history: tuple[str, str]
) -> None:
    kept = asks(runtime, owner, *history)
    for name in ("newest", "older", "by pipeline", "by status"):
        (statement, parameters), *_ = statements_of(runtime, kept[name])
        plan = plan_of(runtime, statement, parameters)
        assert not any("Sort" in line or "ORDER BY" in line for line in plan), (name, plan)
        assert "runs.request" not in statement and "runs.result" not in statement, "a list opens no content"


def test_a_query_without_an_index_is_found(runtime: Runtime, owner: Account, history: tuple[str, str]) -> None:
    """The check above can fail."""

    def ask() -> None:
        with runtime.database.read() as session:
            session.execute(text("SELECT id FROM runs WHERE trigger_type = 'nobody'")).all()

    ((statement, parameters),) = statements_of(runtime, ask)
    assert scanned(runtime, plan_of(runtime, statement, parameters))
