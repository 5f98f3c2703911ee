"""The operators' SQL console."""

from streamlit.testing.v1 import AppTest

from core.accounts.commands import create_account
from core.accounts.queries import find_session
from core.analytics.charts import CHARTS, plain_sql
from core.analytics.console.commands import ask
from core.analytics.console.domain import Answer, Column, Found, Part, Problem
from core.analytics.console.queries import my_queries
from tests.conftest import PASSWORD
from tests.integration.pages.conftest import Person, page_test, text_of


def open_page() -> AppTest:
    app = page_test("admin.console", "console_page")
    assert not app.exception
    return app


def answered(query: str, found: Found) -> Answer:
    return Answer("a", query, found, (Part("events", 0, None, None),), 12)


def test_an_example_is_used_run_shown_and_used_again(admin: Person) -> None:
    runtime = admin.runtime
    people = [create_account(runtime, email=f"p{n}@example.org", password=PASSWORD) for n in range(6)]
    for person in people:
        runtime.events.emit("page.viewed", person.id, page="runs", duration_ms=33)
    runtime.events.write_now()
    app = open_page()
    assert "Nothing asked so far" in text_of(app) and not app.dataframe
    assert "hour, in UTC; empty where it would have told too much" in text_of(app)
    app.button(key="console-use-0").click().run()
    app.button(key="console-run").click().run()
    assert not app.exception and "1 row" in text_of(app) and "of events" in text_of(app)
    assert app.dataframe[0].value["views"].tolist() == [6]
    session = find_session(runtime, admin.token)
    assert session is not None
    (asked,) = my_queries(runtime, session)
    assert asked.outcome == "answered" and asked.query in [code.value for code in app.code]
    app.button(key=f"console-again-{asked.id}").click().run()
    assert app.session_state["console-text"] == asked.query and not app.exception


def test_a_mistake_is_told_at_its_place_and_the_text_stays(admin: Person) -> None:
    app = open_page()
    app.session_state["console-text"] = "SELECT day\nFROM events\nWHERE pag = '<b>'"
    app.button(key="console-run").click().run()
    said = text_of(app)
    assert "The query has a mistake, line 3, column 7" in said and "pag" in said and "&lt;b&gt;" in said
    assert app.session_state["console-text"].endswith("WHERE pag = '<b>'") and not app.exception


def test_what_is_stopped_refused_or_cut_is_said(admin: Person) -> None:
    app = open_page()
    app.session_state["console-answer"] = answered("x", Found("stopped", problem=Problem("Stopped after 3 s.")))
    assert "<b>Stopped.</b>" in text_of(app.run())
    app.session_state["console-answer"] = answered("x", Found("refused", problem=Problem("It only reads.")))
    assert "<b>Refused.</b> It only reads." in text_of(app.run())
    rows = tuple((f"w{n}", n) for n in range(20))
    found = Found("answered", (Column("word", "VARCHAR"), Column("n", "BIGINT")), rows, "rows")
    app.session_state["console-answer"] = answered("x", found)
    said = text_of(app.run())
    assert "Cut: the first 10,000 rows" in said and "no events in these days" in said and not app.exception


def test_names_and_values_of_any_kind_can_be_drawn(admin: Person) -> None:
    app = open_page()
    columns = (Column("count_star()", "HUGEINT"), Column("a.b[c]:d", "DECIMAL(4,2)"), Column("at", "DATE"))
    rows = ((2**100, 1.5, "2027-01-31"), (None, None, None), (1, 2.5, "0012-01-01 (BC)"))
    app.session_state["console-answer"] = answered("x", Found("answered", columns, rows))
    assert not app.run().exception
    app.session_state["console-answer"] = answered("x", Found("answered", (Column("l", "INTEGER[]"),), (([1],),)))
    app.run()
    assert not app.exception and "A chart needs rows" in text_of(app)


def test_the_page_is_closed_to_others(person: Person) -> None:
    app = page_test("admin.console", "console_page")
    assert "no such page" in app.error[0].value and not app.button and not app.code


def test_who_comes_from_a_chart_finds_its_query_and_every_one_can_be_asked(admin: Person) -> None:
    app = page_test("admin.console", "console_page", query="funnel")
    assert not app.exception and app.session_state["console-text"] == plain_sql("funnel")
    assert "query" not in app.query_params
    session = find_session(admin.runtime, admin.token)
    assert session is not None
    asked = {name: ask(admin.runtime, session, plain_sql(name)).found for name in CHARTS}
    assert {name for name, found in asked.items() if found.outcome != "answered"} == set()


def test_an_address_with_another_word_changes_nothing(admin: Person) -> None:
    app = page_test("admin.console", "console_page", query="SELECT 1")
    assert not app.exception and "console-text" not in app.session_state
