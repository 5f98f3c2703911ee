"""The trial of the rights on an account made for it: each promise is kept, and broken where its right does not work."""

from collections.abc import Sequence

import pytest

from core.accounts.commands import create_account
from core.accounts.queries import find_account, list_accounts
from core.accounts.standing import Standing
from core.credits.queries import verify_ledger
from core.platform.mail.queries import list_mails
from core.platform.runtime import Runtime
from core.privacy import own_rights, rights, trial
from core.privacy.advance import due_requests
from core.privacy.checks.commands import check_promises
from core.privacy.steps import Done, RightStep, Work
from core.privacy.trial import try_rights
from tests.conftest import PASSWORD

pytestmark = [pytest.mark.usefixtures("no_other_process"), pytest.mark.slow_on_postgres]
PROMISES = ("P15", "P16", "P17", "P18", "P19", "P20", "P21")


def broken_in(runtime: Runtime) -> set[str]:
    create_account(runtime, email="ada@example.org", password=PASSWORD)
    return {promise for promise, finding in try_rights(runtime).items() if finding.verdict == "broken"}


@pytest.mark.usefixtures("owner")
def test_every_right_works_and_nothing_is_left(runtime: Runtime) -> None:
    before = [account.id for account in list_accounts(runtime)]
    found = check_promises(runtime, PROMISES)
    assert {promise: finding.verdict for promise, finding in found.items()} == dict.fromkeys(PROMISES, "kept"), found
    assert [account.id for account in list_accounts(runtime)] == before
    assert due_requests(runtime) == () and not verify_ledger(runtime).problems


@pytest.mark.usefixtures("owner")
def test_what_an_earlier_trial_left_is_erased_first(runtime: Runtime) -> None:
    left = create_account(runtime, email=trial.trial_address(runtime), password=PASSWORD, name="left over")
    found = try_rights(runtime)
    assert {finding.verdict for finding in found.values()} == {"kept"}
    assert find_account(runtime, trial.trial_address(runtime)) is None
    assert left.id not in {account.id for account in list_accounts(runtime)}


@pytest.mark.usefixtures("owner")
def test_nobody_is_written_to(runtime: Runtime) -> None:
    try_rights(runtime)
    assert list_mails(runtime).items == ()


def _without(*names: str) -> Sequence[RightStep]:
    """The steps of an erasure, of which some do nothing."""

    def nothing(_runtime: Runtime, _work: Work) -> Done:
        return Done()

    return tuple(
        RightStep(step.name, step.says, step.phase, nothing) if step.name in names else step
        for step in rights.STEPS["erasure"]
    )


def test_a_correction_that_is_not_made(sqlite_runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(own_rights, "update_profile", lambda *_args, **_changes: None)
    assert broken_in(sqlite_runtime) == {"P17"}


def test_an_objection_that_stops_nothing(sqlite_runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Standing, "may_analyse", True)
    assert broken_in(sqlite_runtime) == {"P20"}


def test_a_restriction_that_holds_nothing_up(sqlite_runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.execution.commands.check_may_start", lambda *_: None)
    assert broken_in(sqlite_runtime) == {"P21"}


def test_a_copy_without_what_was_asked_for(sqlite_runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.privacy.export.building._add_table", lambda *_: 0)
    monkeypatch.setattr("core.privacy.export.building._add_pipelines", lambda *_: 0)
    monkeypatch.setattr("core.privacy.export.building._add_files", lambda *_: 0)
    assert broken_in(sqlite_runtime) == {"P16", "P19"}


def test_an_erasure_that_leaves_rows(sqlite_runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(rights.STEPS, "erasure", _without("rows", "prove"))
    assert broken_in(sqlite_runtime) == {"P15", "P18"}
