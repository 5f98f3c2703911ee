"""What a plan or a person may have is not passed by many requests at the same moment, on both databases."""

from threading import Event
from typing import Any

import pytest

from core.accounts import api_keys, commands
from core.accounts.api_keys import create_api_key, list_api_keys
from core.accounts.commands import create_account, set_secret
from core.accounts.domain import Account
from core.accounts.queries import list_secrets
from core.execution.schedules import list_schedules
from core.pipelines import commands as pipeline_commands
from core.pipelines.commands import (
    archive_pipeline,
    create_pipeline,
    save_draft,
    unarchive_pipeline,
    update_pipeline,
)
from core.pipelines.queries import get_pipeline, list_pipelines, list_versions
from core.platform.runtime import Runtime
from core.shared.errors import LimitExceeded, NotFound
from tests.conftest import PASSWORD
from tests.support.together import together

HELLO: dict[str, Any] = {
    "name": "Hello",
    "version": 1,
    "steps": [{"id": "a", "type": "transform", "template": "Hello"}],
}
HOURLY = {**HELLO, "schedule": {"enabled": True, "cron": "0 * * * *", "timezone": "UTC"}}


@pytest.fixture
def free(runtime: Runtime) -> Account:
    return create_account(runtime, email="free@example.org", password=PASSWORD, plan="free")


def refused(answers: list[Any]) -> int:
    others = [each for each in answers if isinstance(each, Exception) and not isinstance(each, LimitExceeded)]
    assert others == []
    return sum(isinstance(each, LimitExceeded) for each in answers)


def test_pipelines_made_at_once(runtime: Runtime, free: Account) -> None:
    assert refused(together(*[lambda: create_pipeline(runtime, free, HELLO)] * 8)) == 5
    assert len(list_pipelines(runtime, free.id).items) == 3


def test_pipelines_restored_at_once(runtime: Runtime, free: Account) -> None:
    put_away = []
    for _ in range(6):
        put_away.append(create_pipeline(runtime, free, HELLO).id)
        archive_pipeline(runtime, free.id, put_away[-1])
    back = [lambda one=one: unarchive_pipeline(runtime, free, one) for one in put_away]  # type: ignore[misc]
    assert refused(together(*back)) == 3
    assert len(list_pipelines(runtime, free.id).items) == 3


def test_keys_made_at_once(runtime: Runtime, owner: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api_keys, "KEYS_A_PERSON", 3)
    assert refused(together(*[lambda: create_api_key(runtime, owner, "x", ["pipelines:read"])] * 8)) == 5
    assert len(list_api_keys(runtime, owner.id)) == 3


def test_secrets_made_at_once(runtime: Runtime, owner: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commands, "SECRETS_A_SCOPE", 3)
    names = [f"TOKEN_{number}" for number in range(8)]
    keep = [lambda name=name: set_secret(runtime, owner.id, name, "correct horse") for name in names]  # type: ignore[misc]
    assert refused(together(*keep)) == 5
    assert len(list_secrets(runtime, owner.id)) == 3


def test_a_secret_of_a_full_scope_is_replaced_by_many_at_once(
    runtime: Runtime, owner: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commands, "SECRETS_A_SCOPE", 1)
    assert refused(together(*[lambda: set_secret(runtime, owner.id, "TOKEN", "correct horse")] * 6)) == 0
    assert len(list_secrets(runtime, owner.id)) == 1


def test_versions_saved_at_once_are_numbered_one_after_the_other(runtime: Runtime, owner: Account) -> None:
    made = create_pipeline(runtime, owner, HELLO).id
    puts = [
        lambda number=number: update_pipeline(runtime, owner, made, source={**HELLO, "name": f"P{number}"})  # type: ignore[misc]
        for number in range(6)
    ]
    assert refused(together(*puts)) == 0
    assert [each.number for each in list_versions(runtime, owner.id, made)] == [7, 6, 5, 4, 3, 2, 1]


def test_a_new_name_beside_a_new_definition_keeps_both(runtime: Runtime, owner: Account) -> None:
    for _ in range(8):
        made = create_pipeline(runtime, owner, HELLO).id
        steps = [{"id": "b", "type": "transform", "template": "Bye"}]
        together(
            lambda made=made: update_pipeline(runtime, owner, made, name="Renamed"),  # type: ignore[misc]
            lambda made=made, steps=steps: update_pipeline(runtime, owner, made, source={**HELLO, "steps": steps}),  # type: ignore[misc]
        )
        assert get_pipeline(runtime, owner.id, made).definition["steps"][0]["id"] == "b"


def test_drafts_saved_at_once_are_all_counted(runtime: Runtime, owner: Account) -> None:
    made = create_pipeline(runtime, owner, HELLO).id
    assert refused(together(*[lambda: save_draft(runtime, owner.id, made, "name: X\n")] * 6)) == 0
    draft = get_pipeline(runtime, owner.id, made).draft
    assert draft is not None and draft.revision == 6


def test_a_version_saved_beside_an_archive_leaves_no_schedule_awake(
    runtime: Runtime, owner: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = create_pipeline(runtime, owner, HOURLY).id
    saving, archived = Event(), Event()
    add_version = pipeline_commands._add_version

    def add_slowly(*given: Any) -> None:
        saving.set()
        archived.wait(0.5)  # as long as it takes where nothing makes it wait; else it is locked out
        add_version(*given)

    def archive() -> None:
        saving.wait()
        archive_pipeline(runtime, owner.id, made)
        archived.set()

    monkeypatch.setattr(pipeline_commands, "_add_version", add_slowly)
    saved, put_away = together(lambda: update_pipeline(runtime, owner, made, source=HOURLY), archive)
    assert put_away is None and (not isinstance(saved, Exception) or isinstance(saved, NotFound))
    assert list_pipelines(runtime, owner.id).items == () and list_schedules(runtime, owner.id) == ()
