"""Runs as a file: all that fit the filters, only one's own, a page in memory at a time, and no cell a formula."""

import csv
import gc
import json
import tracemalloc
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from io import StringIO
from itertools import islice
from typing import Any

import httpx
import pytest
from starlette.testclient import TestClient

from core.accounts.commands import create_account
from core.accounts.domain import Account, cookie_name
from core.accounts.sessions import sign_out
from core.execution.commands import start_run
from core.execution.engine import Engine, run_to_end
from core.execution.queries import list_runs
from core.pipelines.commands import create_pipeline
from core.platform.runtime import Runtime
from tests.conftest import PASSWORD
from tests.integration.web.test_api_basics import problem
from tests.support.many_runs import STATUSES, copy_run
from web.api import run_exports
from web.api.payloads import RunAnswer, RunItem

MANY = 5_000
TEXT = "name: '{name}'\nsteps:\n  - {{id: said, type: transform, template: Hello}}\n"


async def _one_run(runtime: Runtime, owner: Account, name: str) -> tuple[str, str]:
    pipeline = create_pipeline(runtime, owner, TEXT.format(name=name)).id
    run = start_run(runtime, owner, pipeline, {})
    engine = Engine(runtime, "serve:test")
    await run_to_end(engine, run.id)
    engine.close()
    return pipeline, run.id


@pytest.fixture
async def history(web_runtime: Runtime, person: Account) -> tuple[str, str]:
    """Five thousand runs of Ada's, and two of somebody else's; the id of her pipeline and of his run."""
    pipeline, run = await _one_run(web_runtime, person, "Mine")
    copy_run(web_runtime, run, MANY - 1)
    other = create_account(web_runtime, email="bo@example.org", password=PASSWORD)
    _, theirs = await _one_run(web_runtime, other, "Theirs")
    return pipeline, theirs


def table(answer: httpx.Response) -> list[dict[str, str]]:
    assert answer.status_code == 200, answer.text
    return list(csv.DictReader(StringIO(answer.text)))


def test_all_runs_of_one_person_and_of_nobody_else(
    api: TestClient, web_runtime: Runtime, person: Account, history: tuple[str, str]
) -> None:
    answer = api.get("/api/runs/export?format=csv")
    rows = table(answer)
    assert list(rows[0]) == list(RunItem.model_fields) and len(rows) == len({row["id"] for row in rows}) == MANY
    assert {row["pipeline_name"] for row in rows} == {"Mine"} and history[1] not in answer.text
    assert [row["id"] for row in rows] == sorted((row["id"] for row in rows), reverse=True)
    day = f"{datetime.now(UTC):%Y-%m-%d}"
    assert answer.headers["content-disposition"] == f'attachment; filename="stepiq-runs-{day}.csv"'
    assert answer.headers["content-type"].startswith("text/csv") and "content-length" not in answer.headers
    assert answer.headers["cache-control"] == "no-store"

    failed = table(api.get("/api/runs/export?format=csv&status=failed"))
    assert len(failed) == sum(STATUSES[number % 5] == "failed" for number in range(MANY - 1))
    assert {row["status"] for row in failed} == {"failed"}
    assert len(table(api.get(f"/api/runs/export?format=csv&pipeline_id={history[0]}&text=mIn"))) == MANY
    assert table(api.get("/api/runs/export?format=csv&text=Theirs")) == []
    assert table(api.get("/api/runs/export?format=csv&pipeline_id=none")) == []


def test_whole_runs_a_line(api: TestClient, history: tuple[str, str], web_runtime: Runtime, person: Account) -> None:
    answer = api.get("/api/runs/export?format=ndjson&status=cancelled")
    lines = answer.text.splitlines()
    assert len(lines) == sum(STATUSES[number % 5] == "cancelled" for number in range(MANY - 1))
    for line in (lines[0], lines[-1]):
        run = json.loads(line)
        RunAnswer.model_validate(run)
        assert run == api.get(f"/api/runs/{run['id']}").json() and run["steps"]
    assert answer.headers["content-type"].startswith("application/x-ndjson") and history[1] not in answer.text


@pytest.mark.parametrize("form", ["csv", pytest.param("ndjson", marks=pytest.mark.slow)])
def test_memory_stays_flat(web_runtime: Runtime, person: Account, history: tuple[str, str], form: str) -> None:
    def pages() -> Iterator[Any]:
        cursor: str | None = None
        while True:
            page = list_runs(web_runtime, person.id, limit=run_exports.PAGE, cursor=cursor)
            yield page.items
            cursor = page.next_cursor
            if cursor is None:
                return

    def lines(most: int | None = None) -> Iterator[str]:
        taken = islice(pages(), most)
        if form == "csv":
            return run_exports.csv_lines(taken)
        return run_exports.ndjson_lines(web_runtime, person.id, taken)

    def measured(taken: Iterator[str]) -> tuple[int, int, int]:
        """All that was made, its longest piece, and the most that was held at once."""
        often = gc.get_threshold()
        gc.set_threshold(700)  # what nobody holds any more is given back soon, and not counted
        tracemalloc.start()
        total, longest = 0, 0
        for line in taken:
            total, longest = total + len(line), max(longest, len(line))
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        gc.set_threshold(*often)
        return total, longest, peak

    measured(lines(5))  # what is loaded at first use
    _, _, of_few = measured(lines(5))
    total, longest, peak = measured(lines())
    assert total > 600_000 and longest < total / 30, "it comes in many pieces"
    assert peak < 1.3 * of_few, f"{peak:,} bytes at once for all, {of_few:,} for five pages of fifty"


def test_since_leaves_out_what_is_older(
    api: TestClient, history: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str | None] = []
    listed = run_exports.queries.list_runs

    def counted(*arguments: Any, **named: Any) -> Any:
        asked.append(named["cursor"])
        return listed(*arguments, **named)

    monkeypatch.setattr(run_exports.queries, "list_runs", counted)
    later = (datetime.now(UTC) + timedelta(days=1)).isoformat().replace("+00:00", "Z")
    assert table(api.get(f"/api/runs/export?format=csv&since={later}")) == []
    assert asked == [None], "what is older is not paged through"
    old = (datetime.now(UTC) - timedelta(hours=1)).isoformat().replace("+00:00", "Z")
    assert len(table(api.get(f"/api/runs/export?format=csv&since={old}"))) == MANY


@pytest.mark.parametrize("name", ["=1+1", "+1", "-2", "@SUM(A1)", '=HYPERLINK("x"),"y"'])
async def test_no_cell_is_a_formula(api: TestClient, web_runtime: Runtime, person: Account, name: str) -> None:
    await _one_run(web_runtime, person, name)
    (row,) = table(api.get("/api/runs/export?format=csv"))
    assert row["pipeline_name"] == f"'{name}"


async def test_who_may_and_how(client: TestClient, web_runtime: Runtime, person: Account, token: str) -> None:
    url = "/api/runs/export?format=csv"
    problem(client.get(url), 401, "UNAUTHENTICATED")
    client.cookies.set(cookie_name(https=False), token)
    assert client.get(url).status_code == 200, "a link in the app brings the cookie"
    for query in ("", "?format=xlsx", "?format=csv&status=odd", "?format=csv&since=yesterday",
                  "?format=csv&since=2026-01-01T00:00:00", "?format=csv&pipeline_id=a%20b"):  # fmt: skip
        problem(client.get(f"/api/runs/export{query}"), 422, "INVALID_REQUEST")
    documented = client.get("/api/openapi.json").json()["paths"]["/runs/export"]["get"]
    assert set(documented["responses"]["200"]["content"]) == {"text/csv", "application/x-ndjson"}
    assert {parameter["name"] for parameter in documented["parameters"]} >= {
        "format", "pipeline_id", "status", "since", "text",
    }  # fmt: skip


async def test_it_ends_with_the_session(
    client: TestClient, web_runtime: Runtime, person: Account, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, run = await _one_run(web_runtime, person, "Mine")
    copy_run(web_runtime, run, 9)
    monkeypatch.setattr(run_exports, "PAGE", 2)
    listed = run_exports.queries.list_runs

    def then_out(*arguments: Any, **named: Any) -> Any:
        page = listed(*arguments, **named)
        sign_out(web_runtime, token)
        return page

    monkeypatch.setattr(run_exports.queries, "list_runs", then_out)
    answer = client.get("/api/runs/export?format=csv", headers={"Authorization": f"Bearer {token}"})
    assert len(table(answer)) == 2
