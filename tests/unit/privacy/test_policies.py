"""Policies as texts: every section makes promises, every promise is made; HTML is never taken; differences by words."""

from datetime import UTC, date, datetime

import pytest

from core.privacy.policies.diff import compare, counts
from core.privacy.policies.domain import (
    MATERIAL_NOTICE,
    check_effective,
    earliest_day,
    effective_at,
    fill,
    placeholders,
    problems_of,
    sections,
)
from core.privacy.policies.facts import values_of
from core.privacy.policies.queries import shipped_text
from core.privacy.policies.rendering import blocks, to_html
from core.privacy.promises import PROMISES
from core.privacy.regions import is_european
from core.shared.errors import InvalidInput

NAMES = dict.fromkeys(placeholders(shipped_text("privacy")) | placeholders(shipped_text("terms")), "x")


def test_every_section_of_the_policy_makes_a_promise_and_every_promise_is_made() -> None:
    text = shipped_text("privacy")
    assert problems_of("privacy", text, PROMISES, NAMES) == []
    made = {promise: section.anchor for section in reversed(sections(text)) for promise in section.promises}
    assert list(PROMISES) == [f"P{number:02}" for number in range(1, 28)]
    anchors = {section.anchor: section.promises for section in sections(text)}
    for promise in PROMISES.values():
        assert promise.id in anchors[promise.section], f"{promise.id} is not in the section {promise.section}"
        assert promise.id in made and promise.sentence.endswith(".") and promise.kept_by.endswith(".")


def test_a_text_that_leaves_a_promise_out_is_not_published() -> None:
    text = shipped_text("privacy")
    assert problems_of("privacy", text.replace("## Cookies {P12}", "## Cookies"), PROMISES, NAMES) == [
        "The section 'Cookies' makes no promise.",
        "No section makes the promise P12.",
    ]
    assert problems_of("privacy", text.replace("{P12}", "{P12 P99}"), PROMISES, NAMES) == ["There is no promise P99."]
    assert problems_of("privacy", text + "\n{{nothing}}", PROMISES, NAMES) == ["Nothing fills {{nothing}}."]
    twice = text + "\n## Cookies {P12}\nAgain."
    assert problems_of("privacy", twice, PROMISES, NAMES) == ["Two sections have the heading 'cookies'."]
    assert "no section" in problems_of("terms", "words", PROMISES, NAMES)[0]
    assert problems_of("terms", shipped_text("terms"), PROMISES, NAMES) == []


def test_everything_a_text_leaves_open_is_filled(sqlite_runtime) -> None:
    values = values_of(sqlite_runtime)
    for document in ("privacy", "terms"):
        filled = fill(shipped_text(document), values)
        assert not placeholders(filled)
        assert "Ligerian Labs is a brand of Pupuce CORP (EURL), Angers, France." in filled
    policy = fill(shipped_text("privacy"), values)
    for words in ("bonjour@ligerianlabs.fr", "stepiq.sh, app.stepiq.sh and api.stepiq.sh", "25 February 2026", "CNIL"):
        assert words in policy
    assert "| To run your pipelines" in policy and "| 90 days on the Free plan" in policy
    assert "tandard contractual clauses" in policy


def test_html_in_a_text_is_shown_and_never_taken() -> None:
    html = to_html(
        "## A <b>bold</b> {P01}\n\n<script>alert(1)</script>\n\n[x](javascript:alert(1)) <img src=x onerror=y>\n"
    )
    assert "<script" not in html and "<img" not in html and "<b>" not in html and 'href="javascript' not in html
    assert '<a class="promise" href="/privacy#P01">P01</a>' in html and 'id="a-b-bold-b"' in html
    assert '"><script' not in to_html('## A {P"><script>x</script>}\n')


def test_differences_are_told_by_words() -> None:
    before = "# T\n\n## One {P01}\n\nWe keep it for 30 days.\n\n## Two {P02}\n\nSame.\n\n- a thing\n- another thing\n"
    after = before.replace("30 days", "14 days").replace("- another thing\n", "- another thing\n- one more thing\n")
    changed = compare(before, after)
    words = [(each.change, each.text) for block in changed for each in block.words if each.change != "same"]
    assert words == [("removed", "30"), ("added", "14"), ("added", "one more thing")]
    assert counts(changed) == (4, 1)
    assert compare(before, before) == ()
    gone = compare(before, before.replace("## Two {P02}\n\nSame.\n\n", ""))
    assert [w.text for b in gone for w in b.words if w.change == "removed"] == ["Two", "Same."]


def test_a_long_unchanged_stretch_is_counted_only() -> None:
    before = "\n\n".join(f"Paragraph {number} says something." for number in range(40))
    changed = compare(before, before.replace("Paragraph 20 says", "Paragraph 20 says not"))
    assert [block.left_out for block in changed if block.left_out] == [19, 18]


def test_rows_of_tables_are_compared_row_by_row() -> None:
    before = "| a | b |\n|---|---|\n| x | 30 days |\n| y | 1 year |\n"
    assert [block.kind for block in blocks(before)] == ["row"] * 3
    changed = compare(before, before.replace("1 year", "2 years"))
    assert any(block.is_changed and block.kind == "row" for block in changed)


def test_a_material_change_leaves_two_weeks() -> None:
    now = datetime(2026, 11, 25, 10, 30, tzinfo=UTC)
    assert earliest_day(now, material=True) == date(2026, 12, 10)
    assert effective_at(earliest_day(now, material=True)) - now >= MATERIAL_NOTICE
    assert earliest_day(now, material=False) == date(2026, 11, 27)
    midnight = datetime(2026, 11, 25, tzinfo=UTC)
    assert earliest_day(midnight, material=True) == date(2026, 12, 9)
    with pytest.raises(InvalidInput, match="10 December 2026 or later"):
        check_effective(date(2026, 12, 9), now, material=True)
    check_effective(date(2026, 12, 9), now, material=False)


@pytest.mark.parametrize(
    ("region", "expected"),
    [
        ("FR", True), ("eu", True), ("Paris, France", True), ("fr-par", True), ("eu-west-1", True), ("Germany", True),
        ("European Union", True), ("this server", True), ("US", False), ("us-east-1", False), ("London, UK", False),
        ("Zurich, Switzerland", False), ("", None), ("unknown", None), ("somewhere", None),
    ],
)  # fmt: skip
def test_regions_are_told_apart(region: str, expected: bool | None) -> None:
    assert is_european(region) is expected
