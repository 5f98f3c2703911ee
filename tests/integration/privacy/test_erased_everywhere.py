"""A value planted through every write path is found before an erasure, and nowhere after it, nor in an old backup."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from core.accounts.audit import verify_audit
from core.accounts.commands import create_account
from core.accounts.domain import ROLES
from core.accounts.queries import find_account, list_accounts
from core.backup.restoring import restore
from core.backup.saving import back_up_data
from core.bootstrap import build_runtime, prepare
from core.credits.queries import verify_ledger
from core.execution.commands import start_run
from core.execution.queries import get_run
from core.pipelines.commands import create_pipeline
from core.platform.old_pages import cut_log
from core.platform.runtime import Runtime
from core.privacy.erasure.commands import begin_erasure, carry_out
from core.privacy.erasure.rows import left_rows
from core.privacy.scan.commands import scan
from core.privacy.scan.domain import ScanResult
from tests.conftest import PASSWORD
from tests.support.planted import ADDRESS, Planted, plant, wait_for

pytestmark = pytest.mark.usefixtures("postgres_keys")

NAMED_ON_PAGES = {"step id"}
"""Kept in the clear: on PostgreSQL it stays in dead rows and in the log until those are reused."""


@pytest.fixture
def runtime(runtime_with: Callable[..., Runtime], database_settings: dict[str, str]) -> Runtime:
    made = runtime_with(**database_settings, signup="open")
    made.dispatcher.start()
    return made


def names(planted: Planted, result: ScanResult) -> dict[str, list[str]]:
    """Which values were found, and where."""
    found: dict[str, list[str]] = {}
    for hit in result.hits:
        found.setdefault(list(planted.values)[hit.value], []).append(f"{hit.store}: {hit.place} ({hit.form})")
    return found


def look(runtime: Runtime, planted: Planted, *people: str) -> dict[str, list[str]]:
    cut_log(runtime.database.engine)  # on PostgreSQL: what was written is in the files
    return names(planted, scan(runtime, list(planted.values.values()), people=people))


def test_everything_planted_is_found_and_then_gone(runtime: Runtime, tmp_path: Path) -> None:
    admin = create_account(runtime, email="root@example.org", password=PASSWORD, roles=ROLES)
    eve = create_account(runtime, email="eve@example.org", password=PASSWORD)
    pipeline = create_pipeline(
        runtime, eve,
        {"name": "Eve", "version": 1, "steps": [{"id": "say", "prompt": f"Write to {ADDRESS}", "model": "demo"}]},
    )  # fmt: skip
    run = start_run(runtime, eve, pipeline.id, {})
    wait_for(runtime, eve.id, run.id, "completed")
    planted = plant(runtime, admin)
    before = look(runtime, planted, planted.account.id)
    assert set(before) == set(planted.values), set(planted.values) - set(before)
    readable = {place for name, places in look(runtime, planted).items() if name != "step id" for place in places}
    assert all("data folder: mail/" in place for place in readable), "the rest is sealed; ids of steps are not"
    backup = tmp_path / "before.backup"
    back_up_data(runtime, backup)

    certificate = carry_out(runtime, begin_erasure(runtime, ADDRESS))
    assert certificate.body["scan"]["hits"] == 0 and certificate.body["found"]["runs"] == 2
    assert left_rows(runtime, planted.account.id) == {}
    after = look(runtime, planted)
    allowed = set() if runtime.database.is_sqlite else NAMED_ON_PAGES
    assert set(after) <= allowed, after
    assert all("files of PostgreSQL" in place for places in after.values() for place in places), after
    assert verify_ledger(runtime).problems == () and verify_audit(runtime).problems == ()
    assert ADDRESS in str(get_run(runtime, eve.id, run.id).steps[0].prompt_sent), "what another wrote is theirs"

    settings = runtime.settings
    runtime.dispatcher.stop()
    runtime.database.dispose()
    runtime.vault.dispose()
    assert restore(settings, backup) == 1
    again = build_runtime(settings)
    try:
        prepare(again)
        assert find_account(again, ADDRESS) is None
        assert {account.id for account in list_accounts(again)} == {admin.id, eve.id}
        restored = look(again, planted)
        assert set(restored) <= allowed, restored
        assert left_rows(again, planted.account.id) == {}
        assert ADDRESS in str(get_run(again, eve.id, run.id).steps[0].prompt_sent)
        assert verify_ledger(again).problems == () and verify_audit(again).problems == ()
        fresh = create_account(again, email=ADDRESS, password=PASSWORD)
        assert fresh.id != planted.account.id and fresh.name == ""
    finally:
        again.database.dispose()
