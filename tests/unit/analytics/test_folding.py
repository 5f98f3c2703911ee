"""Folding: nothing that is shown is of fewer than five people, and no event is lost."""

from collections import Counter

import duckdb
from hypothesis import given, settings
from hypothesis import strategies as st

from core.analytics.catalogue import NUMBERS, WORDS
from core.analytics.columns import OPEN, SEALED, TYPES, schema_of
from core.analytics.folding import K, fold

Row = dict[str, object]


def folded(rows: list[Row]) -> list[Row]:
    connection = duckdb.connect()
    connection.execute(f"CREATE TABLE raw AS {schema_of(OPEN)}")
    marks = ", ".join("?" for _ in OPEN)
    for row in rows:
        connection.execute(f"INSERT INTO raw ({', '.join(OPEN)}) VALUES ({marks})", [row.get(name) for name in OPEN])
    fold(connection, "raw")
    found = connection.execute(f"SELECT {', '.join(SEALED)} FROM folded").fetchall()
    return [dict(zip(SEALED, each, strict=True)) for each in found]


def row(visitor: str | None, hour: int = 9, event: str = "page.viewed", **fields: object) -> Row:
    return {"event": event, "hour": f"2026-11-24 {hour:02}:00:00", "visitor": visitor, **fields}


def test_five_people_alike_are_shown_as_they_are() -> None:
    found = folded([row(f"v{n}", page="runs", duration_ms=50) for n in range(5)])
    assert all(each["shown"] and each["page"] == "runs" and each["duration_ms"] == 50 for each in found)
    assert all(each["hour"] is not None for each in found)


def test_four_people_are_not_however_often_they_come() -> None:
    found = folded([row(f"v{n % 4}", page="runs") for n in range(100)])
    assert len(found) == 100
    assert not any(each["shown"] for each in found)
    assert all(each["page"] is None and each["hour"] is None for each in found), "nor are their words kept"


def test_what_sets_apart_is_lost_step_by_step() -> None:
    hours_apart = folded([row(f"v{n}", hour=n, page="runs") for n in range(5)])
    assert all(each["shown"] and each["page"] == "runs" and each["hour"] is None for each in hours_apart)
    sizes_apart = folded([row(f"v{n}", page="runs", duration_ms=(10, 15, 20, 30, 50)[n]) for n in range(5)])
    assert all(each["shown"] and each["page"] == "runs" and each["duration_ms"] is None for each in sizes_apart)
    words_apart = folded([row(f"v{n}", page=f"page-{'abcde'[n]}") for n in range(5)])
    assert all(each["shown"] and each["page"] is None for each in words_apart)


def test_a_rare_value_among_many_shows_nothing_of_its_own() -> None:
    rows = [row(f"v{n}", page="runs", duration_ms=50) for n in range(20)] + [row("v3", page="audit", duration_ms=7000)]
    rare = [each for each in folded(rows) if each["page"] != "runs"]
    assert [each["shown"] for each in rare] == [False] and rare[0]["duration_ms"] is None


def test_events_of_nobody_are_not_shown() -> None:
    assert not any(each["shown"] for each in folded([row(None, page="runs") for _ in range(50)]))


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.integers(0, 7), st.integers(0, 3), st.sampled_from(["runs", "usage", None]), st.sampled_from([1, 50])
        ),
        max_size=40,
    )
)
def test_every_group_that_can_be_asked_for_has_five_people(drawn: list[tuple[int, int, str | None, int]]) -> None:
    """People cannot be counted in what is shown: they are counted in what was drawn and could look like it."""
    found = folded([row(f"v{who}", hour=hour, page=page, duration_ms=size) for who, hour, page, size in drawn])
    assert len(found) == len(drawn)
    shown = Counter((each["hour"], each["page"], each["duration_ms"]) for each in found if each["shown"])
    for (hour, page, size), number in shown.items():
        fits = [
            who for who, at, what, how in drawn
            if (hour is None or hour.hour == at) and (page is None or page == what) and (size is None or size == how)
        ]  # fmt: skip
        assert number >= K and len(set(fits)) >= K


def test_columns_are_those_of_the_catalogue() -> None:
    assert set(TYPES) == {"event", "hour", "visitor", "day", "shown", *WORDS, *NUMBERS}


def test_a_sealed_day_has_no_visitors() -> None:
    assert "visitor" not in SEALED and "visitor" in OPEN
