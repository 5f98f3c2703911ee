"""A value planted through every write path is found before an erasure, and nowhere after it, nor in an old backup."""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import structlog

from core.accounts.audit import verify_audit
from core.accounts.commands import create_account
from core.accounts.queries import find_account, list_accounts
from core.backup.restoring import restore
from core.backup.saving import back_up_data
from core.bootstrap import build_runtime, prepare
from core.credits.queries import verify_ledger
from core.execution.commands import start_run
from core.execution.queries import get_run
from core.pipelines.commands import create_pipeline
from core.platform.logging import configure_logging
from core.platform.old_pages import cut_log
from core.platform.runtime import Runtime
from core.privacy.erasure.commands import begin_erasure, carry_out
from core.privacy.erasure.rows import left_rows
from core.privacy.scan.commands import scan
from core.privacy.stores import STORES
from tests.conftest import PASSWORD
from tests.support.planting.everything import sign_in_admins
from tests.support.planting.finding import (
    columns_without,
    opened_places,
    readable_columns,
    still_opened,
    tables_without,
)
from tests.support.planting.plant import Planted, plant
from tests.support.planting.stage import Outside, Signed, Stage, outside, stage_of
from tests.support.planting.stores import ELSEWHERE, HOLD, is_entombed
from tests.support.planting.words import Words

pytestmark = pytest.mark.usefixtures("postgres_keys")

NAMED = {
    "egress.recipient", "egress.step_id", "ledger_transactions.cause", "ledger_transactions.idempotency_key",
    "reviews.step_id", "run_events.step_id", "step_runs.frame", "step_runs.step_id",
}  # fmt: skip
"""Kept in the clear (docs/decisions/0032): ids of steps, and hosts. On PostgreSQL they stay in dead rows and in the log
until those are reused; no row has them after an erasure."""
NOT_PLANTED = {
    "console_queries": "queries of admins, who this person is not: sealed with their own key",
    "erasures": "a row is written when an erasure begins",
    "held_rows": "written by an erasure under a legal hold: that has tests of its own",
}
"""Tables of people's data with no row of the person before it, and why."""
COLUMNS_NOT_PLANTED = {
    "account_links.address": "was there, and ended with the suspension; the wish for it is in the request",
    "console_queries.query": "see above",
    "erasures.address_index": "see above",
    "erasures.subject": "see above",
    "held_rows.content": "see above",
}
NOT_OURS = {"models"}
"""Who was sent something, and keeps it by their own terms."""


@pytest.fixture(scope="module")
def around() -> Iterator[Outside]:
    with outside() as made:
        yield made


@pytest.fixture
def stage(runtime_with: Callable[..., Runtime], database_settings: dict[str, str], around: Outside) -> Iterator[Stage]:
    runtime = runtime_with(**database_settings, **around.settings)
    with stage_of(runtime, around) as made:
        yield made


def places(runtime: Runtime, *words: str, people: tuple[str, ...] = ()) -> dict[str, set[str]]:
    """Where each word is found by the scan: `store: place`."""
    cut_log(runtime.database.engine)  # on PostgreSQL: what was written is in the files
    found: dict[str, set[str]] = {word: set() for word in words}
    for hit in scan(runtime, words, people=people).hits:
        found[words[hit.value]].add(f"{hit.store}: {hit.place}")
    return found


@pytest.fixture
def log(capfd: pytest.CaptureFixture[str]) -> Iterator[Callable[[], str]]:
    """What the process writes, logging as one that serves does."""
    before = logging.getLogRecordFactory(), threading.excepthook, sys.unraisablehook, structlog.get_config()
    configure_logging(json=True)
    written = []

    def read() -> str:
        written.extend(capfd.readouterr())
        return "".join(written).lower()

    yield read
    logging.setLogRecordFactory(before[0])
    threading.excepthook, sys.unraisablehook = before[1], before[2]
    structlog.configure(**before[3])


@pytest.fixture
def admins(stage: Stage) -> tuple[Signed, Signed]:
    """Two, so that one may sign second."""
    return sign_in_admins(stage)


@pytest.mark.parametrize(
    # A minute of work, and four on PostgreSQL, whose files of the server are looked through too.
    "database_settings",
    ["sqlite", pytest.param("postgres", marks=pytest.mark.slow)],
    indirect=True,
)
def test_everything_planted_is_found_and_then_gone(
    stage: Stage, admins: tuple[Signed, Signed], log: Callable[[], str], tmp_path: Path
) -> None:
    runtime, around, words = stage.runtime, stage.outside, Words()
    eve = create_account(runtime, email="eve@example.org", password=PASSWORD)
    pipeline = create_pipeline(
        runtime, eve,
        {"name": "Eve", "version": 1,
         "steps": [{"id": "say", "prompt": f"Write to {words.address}", "model": "demo"}]},
    )  # fmt: skip
    run = start_run(runtime, eve, pipeline.id, {})
    stage.wait_for(eve.id, run.id, "completed")
    planted = plant(stage, admins, words)
    check_planted(stage, planted)
    check_found(runtime, planted)
    backup = tmp_path / "before.backup"
    back_up_data(runtime, backup)

    runs = len(planted.runs)
    certificate = carry_out(runtime, begin_erasure(runtime, words.address))
    assert certificate.body["scan"]["hits"] == 0 and certificate.body["found"]["runs"] == runs
    assert is_entombed(runtime, planted)
    assert {name for name, probe in HOLD.items() if probe(runtime, around, planted)} <= NOT_OURS | (
        {"queue"} if runtime.database.is_sqlite else set()
    )
    check_gone(runtime, planted, eve.id)
    assert words.address in str(get_run(runtime, eve.id, run.id).steps[0].prompt_sent), "what another wrote is theirs"

    settings = runtime.settings
    runtime.dispatcher.stop()
    runtime.database.dispose()
    runtime.vault.dispose()
    assert restore(settings, backup) == 1
    again = build_runtime(settings)
    try:
        prepare(again)
        assert find_account(again, words.address) is None
        assert {account.id for account in list_accounts(again)} == {eve.id, *(each.view.account.id for each in admins)}
        check_gone(again, planted, eve.id)
        assert words.address in str(get_run(again, eve.id, run.id).steps[0].prompt_sent)
        fresh = create_account(again, email=words.address, password=PASSWORD)
        assert fresh.id != planted.account.id and fresh.name == ""
    finally:
        again.database.dispose()
    told = log()
    assert "mail.sent" in told, "it was listened"
    assert not [word for word in (words.tag, words.shown) if word in told]


def check_planted(stage: Stage, planted: Planted) -> None:
    """Every value, every table, every column of bytes and every store has its share: nothing is looked for in vain."""
    runtime, words = stage.runtime, planted.words
    stores = {store.name for store in STORES}
    assert stores == HOLD.keys() | ELSEWHERE.keys(), "a store is looked at, or says why not"
    assert [name for name, probe in HOLD.items() if not probe(runtime, stage.outside, planted)] == []
    assert tables_without(runtime, planted.account) == set(NOT_PLANTED)
    assert columns_without(runtime, planted.account) == set(COLUMNS_NOT_PLANTED)
    opened = {place: data.lower() for place, data in opened_places(runtime, planted.account.id).items()}
    everything = b"\n".join(opened.values())
    missing = [what for what, value in planted.values.items() if value.encode().lower() not in everything]
    assert missing == []
    kept = [what for what, value in words.unkept.items() if value.encode().lower() in everything]
    assert kept == [], "of these a hash is kept, or nothing"


def check_found(runtime: Runtime, planted: Planted) -> None:
    """The scan finds what is there, in each place where it stands; and readable it stands nowhere but where named."""
    words = planted.words
    opened = opened_places(runtime, planted.account.id)
    found = places(runtime, words.tag, words.shown, people=(planted.account.id,))
    for word in (words.tag, words.shown):
        there = {f"opened rows: {place}" for place, data in opened.items() if word.encode() in data.lower()}
        assert there and there <= found[word], there - found[word]
    beside = {place for place in found[words.tag] if not place.startswith("opened rows: ")}
    assert beside and all(place.startswith("data folder: mail/") for place in beside), "the rest is sealed"
    assert readable_columns(runtime, words.tag) == set()
    assert readable_columns(runtime, words.shown) == NAMED


def check_gone(runtime: Runtime, planted: Planted, eve_id: str) -> None:
    """Nowhere, in no form, and under no key that there is; but for what another person wrote, which is theirs."""
    words = planted.words
    assert left_rows(runtime, planted.account.id) == {}
    found = places(runtime, words.tag, words.shown)
    assert found[words.tag] == set()
    dead = set() if runtime.database.is_sqlite else found[words.shown]
    assert found[words.shown] == dead and all("files of PostgreSQL" in place for place in dead), found
    assert readable_columns(runtime, words.tag) == readable_columns(runtime, words.shown) == set()
    assert still_opened(runtime, words.shown) == set()
    assert {owner for _, owner in still_opened(runtime, words.tag)} == {eve_id}
    assert verify_ledger(runtime).problems == () and verify_audit(runtime).problems == ()
