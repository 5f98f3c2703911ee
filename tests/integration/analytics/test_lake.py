"""The lake: nothing is lost, nothing is there twice, days are sealed, and who asks to be forgotten is."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest
from sqlalchemy import func, select, update

from core.accounts.commands import create_account
from core.accounts.domain import Account
from core.analytics import commands
from core.analytics.bucket import Bucket
from core.analytics.commands import FILES_A_DAY, flush, forget_visitor
from core.analytics.lake import LakeFile, lake_of, list_files
from core.analytics.models import LakeFileRow, ProgressRow
from core.analytics.proof import prove_lake
from core.analytics.reading import open_events
from core.analytics.salts import open_days
from core.platform.runtime import Runtime
from tests.conftest import PASSWORD
from tests.support.clock import FixedClock
from tests.support.object_store import shared_store
from tests.support.waiting_events import waiting_events


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock()


@pytest.fixture(params=["folder", pytest.param("bucket", marks=pytest.mark.slow)])
def lake_settings(request: pytest.FixtureRequest) -> dict[str, Any]:
    return {} if request.param == "folder" else shared_store().new_bucket().settings()


@pytest.fixture
def runtime(
    runtime_with: Callable[..., Runtime],
    database_settings: dict[str, str],
    lake_settings: dict[str, Any],
    clock: FixedClock,
) -> Runtime:
    return runtime_with(**database_settings, **lake_settings, clock=clock)


@pytest.fixture
def people(runtime: Runtime) -> list[Account]:
    return [create_account(runtime, email=f"p{n}@example.org", password=PASSWORD) for n in range(6)]


def view(runtime: Runtime, *people: Account, page: str = "runs") -> None:
    for person in people:
        runtime.events.emit("page.viewed", person.id, page=page, duration_ms=33)
    runtime.events.write_now()


def asked(runtime: Runtime, query: str) -> list[tuple[object, ...]]:
    with open_events(runtime) as connection:
        return connection.execute(query).fetchall()


def seen(runtime: Runtime) -> int:
    return int(str(asked(runtime, "SELECT count(*) FROM events WHERE event = 'page.viewed'")[0][0]))


def folder(runtime: Runtime) -> Path:
    """The folder of the lake, or the one in which the object store keeps its bucket."""
    bucket = runtime.settings.lake_bucket
    return shared_store().folder / bucket.bucket / bucket.prefix if bucket else runtime.settings.lake


def place(runtime: Runtime, file: LakeFile) -> Path:
    return folder(runtime) / file.key


def rewrite(runtime: Runtime, file: LakeFile, select: str) -> None:
    """Put another file in the place of one, as another version of the program would have written it."""
    made = runtime.settings.data_dir / "made.parquet"
    duckdb.execute(f"COPY ({select} FROM '{place(runtime, file)}') TO '{made}' (FORMAT parquet)")
    with runtime.database.write() as session:
        session.execute(update(LakeFileRow).where(LakeFileRow.name == file.name).values(size=made.stat().st_size))
    if (bucket := runtime.settings.lake_bucket) is not None:
        Bucket(bucket).put(made, file.key)
    else:
        made.replace(place(runtime, file))


def in_files(runtime: Runtime) -> int:
    """As anybody counts who has the files and not the database."""
    files = [str(path) for path in folder(runtime).glob("events/dt=*/*.parquet")]
    if not files:
        return 0
    found = duckdb.execute(
        "SELECT count(*) FROM read_parquet(?, union_by_name = true) WHERE event = 'page.viewed'", [files]
    )
    return int(found.fetchall()[0][0])


def waiting(runtime: Runtime) -> int:
    return len(waiting_events(runtime, "page.viewed"))


def test_what_happened_is_there_at_once_and_counted_once(runtime: Runtime, people: list[Account]) -> None:
    view(runtime, *people)
    assert (seen(runtime), in_files(runtime), waiting(runtime)) == (6, 0, 6)
    flush(runtime)
    assert (seen(runtime), in_files(runtime), waiting(runtime)) == (6, 6, 0)
    view(runtime, *people)
    assert (seen(runtime), in_files(runtime), waiting(runtime)) == (12, 6, 6)
    assert flush(runtime) == 6 and flush(runtime) == 0
    assert (seen(runtime), in_files(runtime)) == (12, 12)
    (day,) = {file.day for file in list_files(runtime)}
    assert (folder(runtime) / "events" / f"dt={day}").is_dir() and day == "2027-01-31"


def test_a_day_of_many_files_is_joined_into_one(runtime: Runtime, people: list[Account]) -> None:
    for number in range(1, FILES_A_DAY + 2):
        view(runtime, *people)
        flush(runtime)
        assert seen(runtime) == in_files(runtime) == 6 * number
    assert len(list_files(runtime)) == 1
    with runtime.database.read() as session:
        assert session.scalar(select(func.count()).select_from(LakeFileRow)) == 1


def test_a_day_is_sealed_before_its_salt_is_two_days_old(
    runtime: Runtime, people: list[Account], clock: FixedClock
) -> None:
    view(runtime, *people)
    view(runtime, people[0], page="audit")
    flush(runtime)
    assert open_days(runtime) == ["2027-01-31"]
    before = asked(runtime, "SELECT * FROM events ORDER BY ALL")
    clock.advance(hours=46)
    flush(runtime)
    assert not list_files(runtime)[0].sealed
    clock.advance(hours=1)
    flush(runtime)
    assert open_days(runtime) == []
    (file,) = list_files(runtime)
    assert file.sealed and in_files(runtime) == 7
    columns = {name for (name, *_) in duckdb.execute(f"DESCRIBE FROM '{place(runtime, file)}'").fetchall()}
    assert "visitor" not in columns
    assert asked(runtime, "SELECT * FROM events ORDER BY ALL") == before, "folded is folded, sealed or not"
    assert seen(runtime) == 6, "the one who looked at another page is not shown"


def test_events_that_wait_when_their_day_is_over_are_folded_as_they_come(
    runtime: Runtime, people: list[Account], clock: FixedClock
) -> None:
    view(runtime, *people)
    clock.advance(days=3)
    flush(runtime)
    flush(runtime)
    assert [file.sealed for file in list_files(runtime)] == [True] and seen(runtime) == 6 == in_files(runtime)


def test_the_salt_is_destroyed_even_where_the_day_cannot_be_sealed(
    runtime: Runtime, people: list[Account], clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    view(runtime, *people)
    flush(runtime)
    clock.advance(hours=47)
    with monkeypatch.context() as broken, pytest.raises(OSError, match="disk"):
        broken.setattr(commands, "_seal", _fail)
        flush(runtime)
    assert open_days(runtime) == []
    flush(runtime)
    assert [file.sealed for file in list_files(runtime)] == [True] and seen(runtime) == 6


def _fail(*_: object) -> None:
    raise OSError("disk")


def test_who_asks_to_be_forgotten_is_in_the_days_that_can_be_told_and_nobody_else(
    runtime: Runtime, people: list[Account], clock: FixedClock
) -> None:
    view(runtime, *people)
    flush(runtime)
    clock.advance(days=1)
    view(runtime, *people, people[0])
    flush(runtime)
    view(runtime, people[0])
    first_day, second_day, waits = 1 + 2, 2 + 1, 1  # pages, and what is told once: signed up, came back in a new week
    assert forget_visitor(runtime, people[0].id) == first_day + second_day + waits
    assert in_files(runtime) + waiting(runtime) == 5 + 5
    assert forget_visitor(runtime, people[0].id) == 0
    with runtime.database.read() as session:
        assert session.get(ProgressRow, people[0].id) is None
        assert session.get(ProgressRow, people[1].id) is not None


def test_days_are_kept_for_25_months(runtime: Runtime, people: list[Account], clock: FixedClock) -> None:
    view(runtime, *people)
    flush(runtime)
    clock.advance(days=3)
    flush(runtime)
    clock.moment = clock.moment.replace(year=2029, month=2, day=28)
    flush(runtime)
    assert seen(runtime) == 6
    clock.advance(days=1)
    flush(runtime)
    assert list_files(runtime) == [] and in_files(runtime) == 0
    assert not list(folder(runtime).glob("events/**/*.parquet"))
    assert not list(runtime.settings.lake.rglob("*.parquet")), "no copy is left either"


@pytest.mark.parametrize("lake_settings", ["folder"], indirect=True)
def test_what_a_crash_leaves_lying_is_put_right(runtime: Runtime, people: list[Account]) -> None:
    view(runtime, *people)
    flush(runtime)
    lake = lake_of(runtime)
    (file,) = list_files(runtime)
    lake.place(file).rename(lake.new_path(file.name))  # listed, and not moved yet
    (lake.staging / "0123.parquet").write_bytes(b"half a file")
    assert seen(runtime) == 6, "it is read where it is"
    flush(runtime)
    assert lake.place(file).exists() and not list(lake.staging.iterdir())
    lake.place(file).unlink()  # somebody took it away
    flush(runtime)
    assert list_files(runtime) == [] and seen(runtime) == 0


def test_a_file_of_another_version_can_be_read(runtime: Runtime, people: list[Account], clock: FixedClock) -> None:
    view(runtime, *people)
    flush(runtime)
    clock.advance(days=2)
    flush(runtime)
    (file,) = list_files(runtime)
    rewrite(runtime, file, "SELECT * EXCLUDE (dt, weeks, cohort), 'blue' AS mood")
    assert seen(runtime) == 6
    assert "mood" not in {name for (name, *_) in asked(runtime, "DESCRIBE events")}
    assert prove_lake(runtime).undeclared == ("mood",)


def test_the_proof_finds_what_was_never_declared(runtime: Runtime, people: list[Account], clock: FixedClock) -> None:
    view(runtime, *people)
    flush(runtime)
    proof = prove_lake(runtime)
    assert (proof.undeclared, proof.foreign, proof.refuses) == ((), (), True) and proof.events == 6 + 12
    assert proof.salt_age == timedelta(0)
    (file,) = list_files(runtime)
    rewrite(runtime, file, "SELECT * EXCLUDE (dt) REPLACE ('Ada L.' AS page)")
    assert prove_lake(runtime).foreign == ("page",)
    clock.advance(hours=50)
    assert (prove_lake(runtime).salt_age or timedelta()) > timedelta(hours=48)
