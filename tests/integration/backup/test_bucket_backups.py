"""A backup has the lake of a bucket whole, and puts it back into one; what fails leaves it as it was."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from core.accounts.commands import create_account
from core.accounts.domain import Account
from core.analytics.commands import flush
from core.analytics.errors import LakeUnreachable
from core.analytics.facts_commands import build_facts
from core.analytics.facts_queries import open_fact
from core.analytics.lake import list_files
from core.analytics.reading import open_events
from core.backup import restoring
from core.backup.archive import verify
from core.backup.restoring import restore
from core.backup.saving import back_up_data
from core.platform.runtime import Runtime
from core.platform.settings import Settings
from tests.conftest import PASSWORD
from tests.support.clock import FixedClock
from tests.support.object_store import TestBucket, shared_store
from tests.support.old_history import add_runs

pytestmark = pytest.mark.slow_on_postgres


@pytest.fixture
def bucket() -> TestBucket:
    return shared_store().new_bucket()


@pytest.fixture
def start(
    runtime_with: Callable[..., Runtime], database_settings: dict[str, str], bucket: TestBucket, clock: FixedClock
) -> Callable[..., Runtime]:
    return lambda **values: runtime_with(**{**database_settings, **bucket.settings(), **values}, clock=clock)


def people(runtime: Runtime) -> list[Account]:
    return [create_account(runtime, email=f"p{n}@example.org", password=PASSWORD) for n in range(6)]


def use(runtime: Runtime, everybody: list[Account]) -> None:
    for person in everybody:
        runtime.events.emit("page.viewed", person.id, page="runs", duration_ms=33)
        add_runs(runtime, person.id, 1, at=runtime.clock.now(), steps=1, events=0)
    runtime.events.write_now()
    flush(runtime)
    build_facts(runtime)


def seen(runtime: Runtime) -> tuple[int, int]:
    """Pages that were viewed, as events have them, and runs, as facts do."""
    with open_events(runtime) as connection:
        views = connection.execute("SELECT count(*) FROM events WHERE event = 'page.viewed'").fetchall()[0][0]
    with open_fact(runtime, "fact_runs") as connection:
        runs = connection.execute("SELECT coalesce(sum(runs), 0) FROM fact_runs").fetchall()[0][0]
    return int(views), int(runs)


def leave(runtime: Runtime) -> Settings:
    """As if the process had ended."""
    runtime.database.dispose()
    runtime.vault.dispose()
    return runtime.settings


def test_a_bucket_is_put_back_as_it_was(start: Callable[..., Runtime], bucket: TestBucket, tmp_path: Path) -> None:
    one = start()
    everybody = people(one)
    use(one, everybody)
    back_up_data(one, tmp_path / "data.backup")
    members = [name for name in verify(tmp_path / "data.backup", "data")["members"] if name.startswith("lake/")]
    assert sum(name.startswith("lake/events/") for name in members) == 1
    assert any(name.startswith("lake/facts/fact_runs/") for name in members)
    kept = [file.key for file in list_files(one)]
    use(one, everybody)
    assert seen(one) == (12, 12)
    for key in kept:  # it was lost meanwhile
        (bucket.root / key).unlink()
    restore(leave(one), tmp_path / "data.backup")
    again = start()
    assert seen(again) == (6, 6)
    flush(again)
    assert seen(again) == (6, 6) and sorted(key for key in bucket.objects() if key.startswith("events/")) == kept
    assert not Path(f"{again.settings.lake}.restoring").exists()
    use(again, everybody)
    assert seen(again) == (12, 12)


def test_what_was_in_the_bucket_stays_when_it_fails(
    start: Callable[..., Runtime], bucket: TestBucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = start()
    everybody = people(one)
    use(one, everybody)
    back_up_data(one, tmp_path / "data.backup")
    for path in bucket.root.rglob("*.parquet"):
        path.unlink()
    flush(one)
    use(one, everybody)
    before, shown = bucket.objects(), seen(one)
    settings = leave(one)

    def fail(_runtime: Runtime) -> None:
        raise RuntimeError("the disk is full")

    with monkeypatch.context() as failing, pytest.raises(RuntimeError):
        failing.setattr(restoring, "prepare", fail)
        restore(settings, tmp_path / "data.backup")
    assert bucket.objects() == before
    again = start()
    assert seen(again) == shown
    flush(again)
    assert seen(again) == shown


def test_a_bucket_that_is_away_or_of_another_touches_nothing(
    start: Callable[..., Runtime], tmp_path: Path, runtime_with: Callable[..., Runtime]
) -> None:
    one = start()
    use(one, people(one))
    back_up_data(one, tmp_path / "data.backup")
    leave(one)
    taken = shared_store().new_bucket()
    flush(runtime_with(data_dir=tmp_path / "other", **taken.settings()))
    of_another: dict[str, Any] = taken.settings()
    for wrong, code in (({"lake_s3_secret_access_key": "wrong"}, "LAKE_REFUSED"), (of_another, "LAKE_OF_ANOTHER")):
        settings = leave(start(**wrong))
        before = taken.objects()
        with pytest.raises(LakeUnreachable) as refused:
            restore(settings, tmp_path / "data.backup")
        assert refused.value.code == code and taken.objects() == before
        again = start()
        assert seen(again) == (6, 6)
        leave(again)


def test_a_backup_of_a_folder_is_put_back_into_a_bucket_and_the_other_way_round(
    start: Callable[..., Runtime], bucket: TestBucket, tmp_path: Path
) -> None:
    one = start(lake_url="")
    use(one, people(one))
    back_up_data(one, tmp_path / "folder.backup")
    leave(one)
    restore(leave(start()), tmp_path / "folder.backup")
    moved = start()
    assert seen(moved) == (6, 6) and "lake.json" in bucket.objects()
    back_up_data(moved, tmp_path / "bucket.backup")
    leave(moved)
    restore(leave(start(lake_url="")), tmp_path / "bucket.backup")
    assert seen(start(lake_url="")) == (6, 6)
