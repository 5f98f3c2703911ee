"""Requests carried out once: the same answer for a day, a conflict for another request, one thing at the same time."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Barrier

import pytest
from sqlalchemy import func, select

from core.accounts.api_keys import create_api_key, delete_api_key, find_key_holder, list_api_keys
from core.accounts.commands import create_account, set_secret
from core.accounts.domain import Account
from core.execution.commands import cancel_run, retry_run, start_run
from core.execution.engine import Engine, run_to_end
from core.execution.queries import list_runs
from core.execution.schedules import create_schedule, list_schedules
from core.pipelines.commands import create_pipeline
from core.pipelines.queries import list_pipelines
from core.platform.files.commands import Upload
from core.platform.files.queries import list_files
from core.platform.idempotency import Once
from core.platform.models import IdempotencyKey
from core.platform.runtime import Runtime
from core.shared.errors import Conflict, InvalidInput, LimitExceeded, NotFound
from jobs import key_cleanup
from tests.conftest import PASSWORD
from tests.support.clock import FixedClock

TEXT = "name: Echo\nsteps:\n  - {id: said, type: transform, template: Hello}\n"
ONCE = Once("POST /things", "order-7", b"what was sent")


def keys(runtime: Runtime) -> int:
    with runtime.database.read() as session:
        return session.scalar(select(func.count()).select_from(IdempotencyKey)) or 0


@pytest.fixture
def free(runtime: Runtime) -> Account:
    """A person who may have three pipelines."""
    return create_account(runtime, email="bob@example.org", password=PASSWORD, plan="free")


def test_a_repeated_request_answers_the_first(runtime: Runtime, owner: Account) -> None:
    first = create_pipeline(runtime, owner, TEXT, once=ONCE)
    assert create_pipeline(runtime, owner, TEXT, once=ONCE) == first
    assert len(list_pipelines(runtime, owner.id).items) == 1
    create_pipeline(runtime, owner, TEXT)
    create_pipeline(runtime, owner, TEXT, once=replace(ONCE, key="order-8"))
    create_pipeline(runtime, owner, TEXT, once=replace(ONCE, route="POST /others"))
    assert len(list_pipelines(runtime, owner.id).items) == 4 and keys(runtime) == 3


def test_another_request_under_the_same_key_is_refused(runtime: Runtime, owner: Account, free: Account) -> None:
    create_pipeline(runtime, owner, TEXT, once=ONCE)
    other = replace(ONCE, sent=b"something else")
    with pytest.raises(Conflict) as refused:
        create_pipeline(runtime, owner, TEXT, once=other)
    assert refused.value.code == "IDEMPOTENCY_KEY_REUSED"
    assert "came with another request" in refused.value.message and "Send a new key" in refused.value.message
    assert len(list_pipelines(runtime, owner.id).items) == 1
    create_pipeline(runtime, free, TEXT, once=other)
    assert len(list_pipelines(runtime, free.id).items) == 1, "somebody else's key is another key"


def test_a_refused_request_leaves_no_key_behind(runtime: Runtime, free: Account) -> None:
    for _ in range(3):
        create_pipeline(runtime, free, TEXT)
    with pytest.raises(LimitExceeded):
        create_pipeline(runtime, free, TEXT, once=ONCE)
    with pytest.raises(InvalidInput):
        create_pipeline(runtime, free, "name: [", once=ONCE)
    assert keys(runtime) == 0


def test_the_limit_of_a_plan_does_not_stop_a_repeated_request(runtime: Runtime, free: Account) -> None:
    made = [create_pipeline(runtime, free, TEXT, once=replace(ONCE, key=str(n))).id for n in range(3)]
    assert [create_pipeline(runtime, free, TEXT, once=replace(ONCE, key=str(n))).id for n in range(3)] == made


def test_a_key_is_kept_for_a_day(runtime_with, database_settings) -> None:  # type: ignore[no-untyped-def]
    clock = FixedClock()
    runtime = runtime_with(clock=clock, **database_settings)
    owner = create_account(runtime, email="ada@example.org", password=PASSWORD)
    first = create_pipeline(runtime, owner, TEXT, once=ONCE)
    clock.advance(hours=23, minutes=59)
    assert key_cleanup.run(runtime, clock.now()) == 0
    assert create_pipeline(runtime, owner, TEXT, once=ONCE).id == first.id
    clock.advance(minutes=1)
    second = create_pipeline(runtime, owner, TEXT, once=replace(ONCE, sent=b"something else"))
    assert second.id != first.id and keys(runtime) == 1
    clock.advance(hours=24)
    assert key_cleanup.run(runtime, clock.now()) == 1 and keys(runtime) == 0


def test_many_at_the_same_time_make_one_thing(runtime: Runtime, owner: Account) -> None:
    pipeline = create_pipeline(runtime, owner, TEXT)
    together = Barrier(8, timeout=30)

    def send(number: int) -> tuple[str, str]:
        together.wait()
        kind = ("pipeline", "run")[number % 2]
        if kind == "pipeline":
            return kind, create_pipeline(runtime, owner, TEXT, once=ONCE).id
        return kind, start_run(runtime, owner, pipeline.id, {}, once=replace(ONCE, route="run")).id

    with ThreadPoolExecutor(8) as pool:
        answers = set(pool.map(send, range(16)))
    assert len(answers) == 2
    assert len(list_pipelines(runtime, owner.id).items) == 2 and len(list_runs(runtime, owner.id).items) == 1


def test_schedules_secrets_keys_and_files_are_made_once(runtime: Runtime, owner: Account) -> None:
    pipeline = create_pipeline(runtime, owner, TEXT)
    together = Barrier(4, timeout=30)
    nightly = {"name": "Nightly", "cron_expression": "0 3 * * *"}

    def make(once: Once) -> tuple[object, ...]:
        schedule = create_schedule(runtime, owner, pipeline.id, **nightly, once=replace(once, route="schedule"))  # type: ignore[arg-type]
        key = create_api_key(runtime, owner, "One", ["pipelines:read"], once=replace(once, route="key"))
        secret = set_secret(runtime, owner.id, "MINE", "a secret value", once=replace(once, route="secret"))
        with Upload(runtime, owner.id) as upload:
            upload.write(b"hello")
            file = upload.finish("a.txt", once=replace(once, route="file"))
        return schedule.id, key.key, key.view.id, secret.updated_at, file.id

    def send(_: int) -> tuple[object, ...]:
        together.wait()
        return make(ONCE)

    with ThreadPoolExecutor(4) as pool:
        (first,) = set(pool.map(send, range(4)))
    assert make(ONCE) == first and len(list_schedules(runtime, owner.id)) == 1
    assert len(list_api_keys(runtime, owner.id)) == 1 and len(list_files(runtime, owner.id).items) == 1
    assert len(list(runtime.blobs.list())) == 1, "what was sent again is not kept"
    holder = find_key_holder(runtime, str(first[1]))
    assert holder is not None and holder.key_id == first[2]
    second = make(replace(ONCE, key="order-8"))
    assert not {first[n] for n in (0, 1, 2, 4)} & set(second)
    with Upload(runtime, owner.id) as upload, pytest.raises(Conflict, match="another request"):
        upload.write(b"goodbye")
        upload.finish("a.txt", once=replace(ONCE, route="file"))
    assert len(list(runtime.blobs.list())) == 2
    with pytest.raises(Conflict, match="another request"):
        set_secret(runtime, owner.id, "MINE", "another", once=Once("secret", "order-7", b"another"))
    delete_api_key(runtime, owner.id, str(first[2]))
    with pytest.raises(NotFound, match="deleted"):
        make(ONCE)


async def test_a_retry_sent_twice_runs_once(runtime: Runtime, owner: Account) -> None:
    run = start_run(runtime, owner, create_pipeline(runtime, owner, TEXT).id, {})
    cancel_run(runtime, owner.id, run.id)
    engine = Engine(runtime, "serve:test")
    await run_to_end(engine, run.id)
    engine.close()
    first = retry_run(runtime, owner, run.id, once=ONCE)
    assert retry_run(runtime, owner, run.id, once=ONCE).id == first.id
    with pytest.raises(Conflict, match="another request"):
        retry_run(runtime, owner, run.id, "said", once=replace(ONCE, sent=b"from said"))
    assert len(list_runs(runtime, owner.id).items) == 2
