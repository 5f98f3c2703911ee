"""The documents made of the inventory: complete, in words, and the same to the byte while nothing changed."""

import csv
import io
import json
from collections.abc import Callable

import pytest

from core.platform.annotations import Personal
from core.platform.runtime import Runtime
from core.privacy import inventory
from core.privacy.declared import what_we_hold
from core.privacy.inventory import check_inventory, fields, tables
from core.privacy.policies.tables import declared
from core.privacy.record import FORMATS, clean_format, processing_record, record_text
from core.privacy.stores import STORES
from core.privacy.wording import BASES, CATEGORIES, KEPT, PURPOSES
from core.shared.errors import InvalidInput, InvariantViolated


def test_everything_that_is_declared_has_words() -> None:
    for each in declared():
        assert each.purpose in PURPOSES, f"say in core/privacy/wording.py what {each.purpose!r} is for"
        assert each.category in CATEGORIES and each.retention in KEPT and each.legal_basis in BASES, each


def test_the_record_tells_every_table_store_purpose_and_recipient(sqlite_runtime: Runtime) -> None:
    record = processing_record(sqlite_runtime)
    told = {where for each in record.activities for where in each.stores}
    assert told == {entry.name for entry in tables() if entry.fields} | {s.title for s in STORES if s.fields}
    assert {each.name for each in record.activities} == {each.purpose for each in declared()}
    for each in record.activities:
        assert each.legal_bases and each.subjects and each.data and each.kept, each.name
    assert {each.name for each in record.recipients} >= {"Anthropic", "OpenAI", "the mail server"}


@pytest.mark.parametrize("form", FORMATS)
def test_the_record_is_the_same_to_the_byte_until_something_changes(
    runtime_with: Callable[..., Runtime], form: str
) -> None:
    one, other = runtime_with(), runtime_with()
    wanted = clean_format(form)
    text = record_text(processing_record(one), wanted)
    assert text == record_text(processing_record(one), wanted) == record_text(processing_record(other), wanted)
    assert text.endswith("\n") and "20" + "26-" not in text.replace("2026-11-23", ""), "no day of making in it"
    if form != "csv":
        moved = runtime_with(controller="Otters Ltd", region_host="FR")
        assert "Otters Ltd" in record_text(processing_record(moved), wanted)


def test_the_formats_can_be_read(sqlite_runtime: Runtime) -> None:
    record = processing_record(sqlite_runtime)
    rows = list(csv.reader(io.StringIO(record_text(record, "csv"))))
    assert len(rows) == 1 + len(record.activities) and {len(row) for row in rows} == {8}
    assert len(json.loads(record_text(record, "json"))["activities"]) == len(record.activities)
    assert record_text(record, "md").startswith("# Record of processing activities")
    with pytest.raises(InvalidInput):
        clean_format("pdf")


def test_what_we_hold_names_every_field_once_with_how_long() -> None:
    rules = [(each.table, each.rules) for each in fields()]
    free, pro = what_we_hold(rules, "free"), what_we_hold(rules, "pro")
    assert sum(len(group.items) for group in free) == len(rules)
    assert [group.purpose for group in free] == [each for each in PURPOSES if each in {g.purpose for g in free}]
    logs = {item.label: item.kept for group in free for item in group.items if item.table == "step_runs"}
    assert set(logs.values()) <= {"90 days", "as long as you have your account"} and "90 days" in logs.values()
    assert "1 year" in {item.kept for group in pro for item in group.items}
    account = next(group for group in free if group.purpose == "account")
    assert "accounts" in account.tables and any(item.label == "E-mail address" for item in account.items)
    extra = Personal("account holder", "user.content", "something new", "Notes")
    assert what_we_hold([("", extra)], "free")[0].title == "something new", "left out is worse than without words"


def test_the_start_is_refused_with_a_gap(monkeypatch: pytest.MonkeyPatch) -> None:
    check_inventory()
    monkeypatch.setattr(inventory, "undeclared", lambda: ("accounts.shoe_size",))
    with pytest.raises(InvariantViolated, match=r"accounts\.shoe_size"):
        check_inventory()
