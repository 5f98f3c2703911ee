"""A lake in a bucket: nothing is lost or counted twice, whichever machine stops where; it says so when it is away."""

import shutil
import threading
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from core.accounts.commands import create_account
from core.accounts.domain import Account
from core.analytics import commands
from core.analytics.bucket import Bucket
from core.analytics.commands import FILES_A_DAY, flush, forget_visitor
from core.analytics.errors import LakeUnreachable
from core.analytics.facts_commands import build_facts
from core.analytics.facts_queries import open_fact
from core.analytics.facts_store import facts_of
from core.analytics.lake import LakeFile, alone, lake_of, list_files, mend
from core.analytics.lake_bucket import BucketLake
from core.analytics.reading import open_events
from core.analytics.salts import open_days, visitor_ids
from core.analytics.turns import LASTS
from core.operations.readiness import Readiness
from core.platform.jobs.commands import run_job
from core.platform.runtime import Runtime
from core.privacy.scan.commands import scan
from core.shared.errors import Conflict
from jobs.catalogue import JOBS
from tests.conftest import PASSWORD
from tests.support.clock import FixedClock
from tests.support.object_store import ObjectStore, TestBucket, shared_store
from tests.support.old_history import add_runs
from tests.support.waiting_events import waiting_events

pytestmark = pytest.mark.slow_on_postgres

Machines = Callable[..., Runtime]


@pytest.fixture
def bucket() -> TestBucket:
    return shared_store().new_bucket()


@pytest.fixture
def machine(
    runtime_with: Callable[..., Runtime],
    database_settings: dict[str, str],
    bucket: TestBucket,
    clock: FixedClock,
    tmp_path: Path,
) -> Machines:
    """Machines of one installation: each has a disk of its own; database, keys and bucket are shared."""
    shared: dict[str, Any] = {"master_key": "ab" * 32, **database_settings}
    if not database_settings:
        shared |= {"key_store_url": f"sqlite:///{tmp_path / 'keys.db'}"}

    def make(name: str = "one", **values: Any) -> Runtime:
        made = runtime_with(data_dir=tmp_path / name, **{**shared, **bucket.settings(), **values}, clock=clock)
        if not database_settings:
            shared["database_url"] = made.settings.database
        return made

    return make


@pytest.fixture
def one(machine: Machines) -> Runtime:
    return machine()


@pytest.fixture
def people(one: Runtime) -> list[Account]:
    return [create_account(one, email=f"p{n}@example.org", password=PASSWORD) for n in range(6)]


def view(runtime: Runtime, people: Sequence[Account]) -> None:
    for person in people:
        runtime.events.emit("page.viewed", person.id, page="runs", duration_ms=33)
    runtime.events.write_now()


def seen(runtime: Runtime) -> int:
    with open_events(runtime) as connection:
        found = connection.execute("SELECT count(*) FROM events WHERE event = 'page.viewed'").fetchall()
    return int(found[0][0])


def waiting(runtime: Runtime) -> int:
    return len(waiting_events(runtime, "page.viewed"))


def files_of(bucket: TestBucket) -> list[str]:
    return [key for key in bucket.objects() if key.startswith("events/")]


def on_disk(runtime: Runtime) -> list[str]:
    return sorted(path.name for path in runtime.settings.lake.rglob("*.parquet"))


class Killed(BaseException):
    """As if the process had ended here."""


def killed(*_: object, **__: object) -> None:
    raise Killed


def test_what_was_put_there_and_not_listed_does_not_count(
    one: Runtime, people: list[Account], bucket: TestBucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    view(one, people)
    with monkeypatch.context() as cut, pytest.raises(Killed):
        cut.setattr(commands, "write_list", killed)
        flush(one)
    assert len(files_of(bucket)) == 1 and list_files(one) == [] and waiting(one) == 6 == seen(one)
    flush(one)
    assert (len(files_of(bucket)), len(list_files(one)), waiting(one), seen(one)) == (1, 1, 0, 6)


def test_a_machine_that_is_gone_with_what_it_made_is_made_up_for_by_another(
    machine: Machines, one: Runtime, people: list[Account], bucket: TestBucket, monkeypatch: pytest.MonkeyPatch,
    clock: FixedClock,
) -> None:  # fmt: skip
    view(one, people)
    with monkeypatch.context() as cut, pytest.raises(Killed):
        cut.setattr(BucketLake, "bring", killed)
        cut.setattr("core.analytics.turns.Turn._give_up", lambda _turn: None)
        flush(one)
    assert on_disk(one) and not files_of(bucket)
    two = machine("two")
    with pytest.raises(Conflict) as held, alone(lake_of(two), wait_seconds=0.1):
        pass
    assert held.value.code == "LAKE_BUSY", "until its time is over, it may be alive"
    clock.advance(seconds=LASTS.total_seconds() + 1)
    assert flush(two) == 18 and (seen(two), waiting(two)) == (6, 0)
    assert on_disk(two) == []
    machine()  # the first is started again
    assert on_disk(one) == [], "what it had made is not kept: it has ids of visitors"


def test_what_was_replaced_and_not_deleted_is_counted_once(
    one: Runtime, people: list[Account], bucket: TestBucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(FILES_A_DAY):
        view(one, people)
        flush(one)
    view(one, people)
    with monkeypatch.context() as cut, pytest.raises(Killed):
        cut.setattr(BucketLake, "remove", killed)
        flush(one)
    assert len(files_of(bucket)) == FILES_A_DAY + 2 and len(list_files(one)) == 1
    assert seen(one) == 6 * (FILES_A_DAY + 1)
    flush(one)
    assert len(files_of(bucket)) == 1 and seen(one) == 6 * (FILES_A_DAY + 1)


def test_two_machines_that_write_at_once_take_turns(
    machine: Machines, one: Runtime, people: list[Account], bucket: TestBucket
) -> None:
    machines = (one, machine("two"))
    failed: list[BaseException] = []

    def work(runtime: Runtime) -> None:
        try:
            for _ in range(4):
                view(runtime, people)
                flush(runtime)
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=work, args=(runtime,)) for runtime in machines]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert failed == []
    assert {seen(runtime) for runtime in machines} == {2 * 4 * 6} and waiting(one) == 0
    assert len(files_of(bucket)) == len(list_files(one))


def test_who_froze_while_another_took_over_lists_nothing(
    machine: Machines, one: Runtime, people: list[Account], monkeypatch: pytest.MonkeyPatch, clock: FixedClock
) -> None:
    two, bring = machine("two"), BucketLake.bring

    def freeze(self: BucketLake, file: LakeFile) -> None:
        bring(self, file)
        clock.advance(seconds=LASTS.total_seconds() + 1)
        with alone(taken := lake_of(two)):
            mend(two, taken)  # what the first has put there is a stray to the second, which deletes it

    view(one, people)
    with monkeypatch.context() as frozen, pytest.raises(Conflict) as late:
        frozen.setattr(BucketLake, "bring", freeze)
        flush(one)
    assert late.value.code == "LAKE_TAKEN_OVER"
    assert (seen(one), waiting(one), list_files(one)) == (6, 6, [])
    assert flush(two) == 18 and (seen(one), seen(two), waiting(one), len(list_files(one))) == (6, 6, 0, 1)


@pytest.fixture
def store() -> Iterator[ObjectStore]:
    """A server of the test's own, which it may stop."""
    made = ObjectStore()
    yield made
    made.close()


def test_a_bucket_that_is_away_loses_nothing_and_says_so(
    machine: Machines, store: ObjectStore, clock: FixedClock
) -> None:
    one = machine(**store.new_bucket().settings())
    people = [create_account(one, email=f"p{n}@example.org", password=PASSWORD) for n in range(6)]
    view(one, people)
    flush(one)
    job = next(job for job in JOBS if job.name == "analytics_flush")
    assert seen(one) == 6
    view(one, people)
    store.stop()
    with pytest.raises(LakeUnreachable) as away:
        seen(one)
    assert away.value.code == "LAKE_UNREACHABLE" and "kept in the database" in away.value.message
    clock.advance(hours=48)
    run = run_job(one, job, clock.now())
    assert run is not None and run.error_code == "LAKE_UNREACHABLE" and waiting(one) == 6
    assert open_days(one) == [], "the promise about the salts is kept all the same"
    parts = {part.check: (part.ok, part.is_needed) for part in Readiness(one).look(20.0)}
    assert parts["lake"] == (False, False) and parts["database"] == (True, True)
    store.start()
    assert flush(one) == 6 and (seen(one), waiting(one)) == (12, 0)
    assert {part.check: part.ok for part in Readiness(one).look(20.0)}["lake"]


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"lake_s3_secret_access_key": "another"}, "LAKE_REFUSED"),
        ({"lake_s3_access_key_id": "nobody"}, "LAKE_REFUSED"),
        ({"lake_url": "s3://no-such-bucket/some/prefix"}, "LAKE_NO_BUCKET"),
    ],
)
def test_wrong_keys_and_names_are_told_apart(machine: Machines, wrong: dict[str, str], code: str) -> None:
    one = machine(**wrong)
    people = [create_account(one, email=f"p{n}@example.org", password=PASSWORD) for n in range(6)]
    view(one, people)
    with pytest.raises(LakeUnreachable) as refused:
        flush(one)
    assert refused.value.code == code and waiting(one) == 6 == seen(one)
    assert "another" not in refused.value.message and "nobody" not in refused.value.message


def test_the_bucket_of_another_installation_is_left_alone(
    one: Runtime, people: list[Account], bucket: TestBucket, runtime_with: Callable[..., Runtime], tmp_path: Path
) -> None:
    view(one, people)
    flush(one)
    before = bucket.objects()
    other = runtime_with(data_dir=tmp_path / "other", **bucket.settings())
    with pytest.raises(LakeUnreachable) as refused:
        flush(other)
    assert refused.value.code == "LAKE_OF_ANOTHER"
    with pytest.raises(LakeUnreachable):
        build_facts(other)
    assert bucket.objects() == before


def test_a_folder_that_is_copied_into_a_bucket_is_the_same_lake(
    machine: Machines, bucket: TestBucket, clock: FixedClock
) -> None:
    one = machine(lake_url="")
    people = [create_account(one, email=f"p{n}@example.org", password=PASSWORD) for n in range(6)]
    view(one, people)
    flush(one)
    clock.advance(days=3)
    view(one, people)
    flush(one)
    moved = machine()
    with pytest.raises(LakeUnreachable) as elsewhere:
        flush(moved)
    assert elsewhere.value.code == "LAKE_ELSEWHERE" and len(list_files(one)) == 2, "nothing is taken for gone"
    source = Bucket(moved.settings.lake_bucket or pytest.fail("it has none"))
    for path in one.settings.data_dir.glob("lake/events/dt=*/*.parquet"):
        source.put(path, str(path.relative_to(one.settings.data_dir / "lake")))
    flush(moved)
    assert seen(moved) == 12 and len(files_of(bucket)) == 2


def test_copies_are_of_days_over_bounded_and_gone_with_their_file(
    machine: Machines, one: Runtime, people: list[Account], bucket: TestBucket, clock: FixedClock
) -> None:
    two = machine("two")
    for day in range(3):
        view(one, people)
        flush(one)
        clock.advance(days=1)
        assert seen(two) == 6 * (day + 1)
        sealed = [file.name + ".parquet" for file in list_files(one) if file.sealed]
        assert on_disk(two) == sorted(sealed), "what has ids of visitors lies on no disk"
    clock.advance(days=3)
    flush(one)
    assert seen(two) == 18 and len(on_disk(two)) == 3
    cache = two.settings.lake / "held"
    kept = lake_of(two)
    assert isinstance(kept, BucketLake)
    kept.cache._most = 1
    kept.cache.trim()
    assert len(on_disk(two)) == 3, "somebody may be reading them"
    clock.advance(hours=1)
    kept.cache.trim()
    assert not list(cache.rglob("*.parquet")) and seen(two) == 18
    clock.moment = clock.moment.replace(year=2029, month=4, day=2)
    flush(one)
    assert files_of(bucket) == [] and on_disk(one) == [] and list_files(one) == []
    assert seen(two) == 0 and on_disk(two) == [], "the other machine forgets them when it looks"


def test_a_file_that_was_cut_is_not_read(
    machine: Machines, one: Runtime, people: list[Account], bucket: TestBucket, clock: FixedClock
) -> None:
    view(one, people)
    clock.advance(days=3)
    flush(one)
    (key,) = files_of(bucket)
    Bucket(one.settings.lake_bucket or pytest.fail("it has none")).put_bytes(b"PAR1", key)
    with pytest.raises(LakeUnreachable) as damaged:
        seen(machine("two"))
    assert damaged.value.code == "LAKE_DAMAGED" and on_disk(machine("two")) == []


def test_whoever_is_forgotten_is_found_nowhere(one: Runtime, people: list[Account]) -> None:
    view(one, people)
    flush(one)
    (day,) = open_days(one)
    visitor = visitor_ids(one.vault, day)(people[0].id)
    found = scan(one, [visitor])
    assert {hit.place.partition(":")[0] for hit in found.hits if hit.store == "lake"} == {"bucket"}
    assert any("bucket" in each for each in found.covered)
    assert forget_visitor(one, people[0].id) == 3
    left = [hit.place for hit in scan(one, [visitor]).hits if hit.store == "lake" or "lake" in hit.place]
    assert left == [], "what deleted rows left in the files of the database is another matter"
    assert seen(one) == 5
    Bucket(one.settings.lake_bucket or pytest.fail("it has none")).put_bytes(b"x canary-of-strays x", "events/x/y.bin")
    assert [hit.place for hit in scan(one, ["canary-of-strays"]).hits] == ["bucket: events/x/y.bin"]
    copy = one.settings.lake / "held" / "events"
    copy.mkdir(parents=True, exist_ok=True)
    (copy / "z.parquet").write_bytes(b"x canary-of-copies x")
    assert [hit.store for hit in scan(one, ["canary-of-copies"]).hits] == ["data folder"]


def runs_of(runtime: Runtime) -> int:
    with open_fact(runtime, "fact_runs") as connection:
        found = connection.execute("SELECT coalesce(sum(runs), 0) FROM fact_runs").fetchall()
    return int(found[0][0])


def test_facts_are_read_by_every_machine_as_they_were_made_last(
    machine: Machines, one: Runtime, people: list[Account], bucket: TestBucket, clock: FixedClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    two = machine("two")
    for person in people:
        add_runs(one, person.id, 1, at=clock.now(), steps=1, events=0)
    assert build_facts(one) == 1 and runs_of(two) == 6
    for person in people:
        add_runs(one, person.id, 1, at=clock.now(), steps=1, events=0)
    with monkeypatch.context() as cut, pytest.raises(Killed):
        cut.setattr(Bucket, "remove", killed)
        build_facts(one)
    assert runs_of(two) == 12, "of two files of a day the last one counts"
    assert build_facts(one) == 1 and (runs_of(one), runs_of(two)) == (12, 12)
    made = [key for key in bucket.objects() if key.startswith("facts/fact_runs/")]
    assert len(made) == 1 and facts_of(two).built() == facts_of(one).built()
    clock.moment += timedelta(days=800)
    build_facts(one)
    assert not [key for key in bucket.objects() if key.endswith(".parquet")] and runs_of(two) == 0
    shutil.rmtree(two.settings.lake)
    assert runs_of(two) == 0
