"""Dashboards as admins see them: empty and full, by days and filters, with words beside every colour."""

from collections.abc import Callable
from datetime import date, timedelta

import pytest

from benchmarks.events import make_events, make_facts, parquet_files
from core.analytics.charts import DASHBOARDS, Figure
from core.analytics.models import LakeFileRow
from core.analytics.queries import forget_results
from core.bootstrap import set_runtime
from core.platform.runtime import Runtime
from pages.ui.chart_words import compared, spoken
from tests.integration.pages.conftest import Person, page_test, sign_in_person, text_of


def open_board(**query: str) -> str:
    app = page_test("admin.analytics", "analytics_page", **query)
    assert not app.exception
    return text_of(app)


@pytest.mark.parametrize("board", DASHBOARDS)
def test_an_empty_lake_teaches(admin: Person, board: str) -> None:
    said = open_board(tab=board)
    assert said.count("Numbers appear once five people") == len(DASHBOARDS[board].charts)
    assert ">None<" not in said


def test_every_board_of_a_full_lake_is_drawn(admin: Person) -> None:
    make_events(admin.runtime, 6_000, days=60)
    make_facts(admin.runtime, 900, days=60, people=40)
    for board in DASHBOARDS.values():
        app = page_test("admin.analytics", "analytics_page", tab=board.name, days="28")
        said = text_of(app)
        assert not app.exception and "Numbers appear" not in said, board.name
        assert len(app.get("vega_lite_chart")) + len(app.get("arrow_vega_lite_chart")) >= len(board.charts)
        assert ">None<" not in said
    assert "28 days before" in open_board(tab="models")
    said = open_board(tab="models", days="7", provider="openai")
    assert "Anthropic" not in said and "7 days before" in said
    today = admin.runtime.clock.now().date()
    month = {"from": (today - timedelta(days=40)).isoformat(), "to": (today - timedelta(days=30)).isoformat()}
    assert "11 days before" in open_board(tab="runs", **month)
    assert "is not known here" in open_board(tab="activity", page="runs")
    forget_results(admin.runtime)


@pytest.mark.parametrize("broken", [b"", b"not what it was", None], ids=["empty", "altered", "gone"])
def test_a_file_that_cannot_be_read_spoils_its_days_only(admin: Person, broken: bytes | None) -> None:
    make_events(admin.runtime, 6_000, days=60)
    file = parquet_files(admin.runtime)[-5]
    file.unlink() if broken is None else file.write_bytes(broken)
    forget_results(admin.runtime)
    said = open_board(tab="speed", days="28")
    assert said.count("cannot be read") == 2 and "Nothing else is lost" in said and str(file) not in said
    assert "cannot be read" not in open_board(tab="credits"), "facts lie in files of their own"
    day = date.fromisoformat(file.parent.name.removeprefix("dt="))
    before = {"from": (day - timedelta(days=20)).isoformat(), "to": (day - timedelta(days=1)).isoformat()}
    said = open_board(tab="speed", **before)
    assert "cannot be read" not in said and "Numbers appear" not in said
    forget_results(admin.runtime)


def test_choices_go_into_the_address(admin: Person) -> None:
    app = page_test("admin.analytics", "analytics_page", tab="runs", plan="pro", **{"from": "x", "to": "2026-01-01"})
    assert app.selectbox(key="analytics-plan-pro").value == "pro"
    app.selectbox(key="analytics-plan-pro").set_value("free").run()
    assert app.query_params["plan"] == "free" and app.query_params["tab"] == "runs"
    app.selectbox(key="analytics-plan-free").set_value("").run()
    assert "plan" not in app.query_params


def test_refresh_makes_the_figures_anew(admin: Person) -> None:
    app = page_test("admin.analytics", "analytics_page", tab="credits")
    assert "None were made yet" in text_of(app)
    app.button(key="analytics-refresh").click().run()
    assert not app.exception and "as of" in text_of(app)


def test_what_became_of_a_number_is_told_in_words_and_with_a_sign() -> None:
    good, bad = Figure("Runs", "runs", better="more"), Figure("Failed", "failed", "share", "less", over="runs")
    assert compared(good, 112, 100, 28) == ("▲ 12 % more than the 28 days before", "green")
    assert compared(good, 50, 100, 1) == ("▼ 50 % less than the 1 day before", "red")
    assert compared(bad, 0.05, 0.02, 7) == ("▲ 3.0 points more than the 7 days before", "red")
    assert compared(good, 100, 100, 7) == ("= as in the 7 days before", "gray")
    assert compared(good, 3, None, 7)[0] == "nothing to compare in the 7 days before"


def test_numbers_have_their_unit() -> None:
    assert [spoken(2_500_000, unit) for unit in ("credits", "money", "number")] == ["2.50 cr", "$0.03", "2,500,000"]
    assert spoken(1_500, "ms") == "1.5 s" and spoken(0.125, "share") == "12.5 %"
    assert spoken(None, "word") == "Others, folded" and spoken(None, "ms") == "–"


@pytest.mark.parametrize("board", ["activity", "runs"])
def test_a_bucket_that_is_away_is_told_in_the_place_of_the_numbers(
    runtime_with: Callable[..., Runtime], monkeypatch: pytest.MonkeyPatch, board: str
) -> None:
    away = {"lake_url": "s3://events", "lake_s3_endpoint": "http://127.0.0.1:9", "lake_s3_region": "eu-west-3"}
    keys = {"lake_s3_access_key_id": "key", "lake_s3_secret_access_key": "secret"}
    admin = sign_in_person(runtime_with(**away, **keys), monkeypatch, roles=("admin",))
    with admin.runtime.database.write() as session:
        day = admin.runtime.clock.now()
        row = LakeFileRow(
            name="0" * 32, day=day.date().isoformat(), rows=9, size=9, sealed=True, gone=False, made_at=day
        )
        session.add(row)
    app = page_test("admin.analytics", "analytics_page", tab=board)
    said = text_of(app)
    assert not app.exception and "The bucket of the lake does not answer" in said and "nothing was lost" in said
    assert said.count("for the same reason") >= len(DASHBOARDS[board].charts) - 1
    told = text_of(page_test("admin.settings", "settings_page"))
    assert "s3://events" in told and "not well" in told and "LAKE_S3_ENDPOINT" in told
    set_runtime(None)
