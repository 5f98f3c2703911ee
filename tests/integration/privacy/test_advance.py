"""Carrying out a request: in order, once a step, resumed after a death, refused for who lost it."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from core.accounts.commands import create_account
from core.platform.runtime import Runtime
from core.privacy import rights
from core.privacy.advance import LEASE, advance_request, due_requests
from core.privacy.models import PrivacyRequestRow, RequestStepRow
from core.privacy.steps import Again, Done, Later, RightStep, Work
from tests.conftest import PASSWORD
from tests.support.clock import FixedClock

Answer = Callable[[Runtime, Work], Done | Later | Again]


@pytest.fixture
def runtime(runtime_with: Callable[..., Runtime], database_settings: dict[str, str], clock: FixedClock) -> Runtime:
    return runtime_with(clock=clock, **database_settings)


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    def use(**runs: Answer) -> None:
        phases = {"one": "executing", "two": "propagating", "three": "verifying"}
        made = tuple(RightStep(name, name, phases[name], run) for name, run in runs.items())  # type: ignore[arg-type]
        monkeypatch.setitem(rights.STEPS, "access", made)

    return use


def scheduled(runtime: Runtime, **values: object) -> str:
    person = create_account(runtime, email="ada@example.org", password=PASSWORD)
    now = runtime.clock.now()
    row = PrivacyRequestRow(
        id=runtime.ids.new(), account_id=person.id, right="access", status="scheduled",
        received_at=now, due_at=now + timedelta(days=30), fence=0, **values,
    )  # fmt: skip
    with runtime.database.write() as session:
        session.add(row)
    return row.id


def stands(runtime: Runtime, request_id: str) -> str:
    with runtime.database.read() as session:
        return session.get_one(PrivacyRequestRow, request_id).status


def test_steps_are_done_in_order_and_each_once(runtime: Runtime, steps: Callable[..., None]) -> None:
    seen: list[tuple[str, dict[str, dict[str, int]]]] = []

    def note(name: str) -> Answer:
        def run(_runtime: Runtime, work: Work) -> Done:
            seen.append((name, {known: dict(counts) for known, counts in work.done.items()}))
            return Done({name: len(seen)})

        return run

    steps(one=note("one"), two=note("two"), three=note("three"))
    request = scheduled(runtime)
    assert due_requests(runtime) == (request,)
    assert advance_request(runtime, request)
    assert seen == [("one", {}), ("two", {"one": {"one": 1}}), ("three", {"one": {"one": 1}, "two": {"two": 2}})]
    assert stands(runtime, request) == "closed"
    assert due_requests(runtime) == () and not advance_request(runtime, request)
    with runtime.database.read() as session:
        assert session.get_one(PrivacyRequestRow, request).outcome == "fulfilled"


def test_nothing_is_carried_out_before_its_time(
    runtime: Runtime, clock: FixedClock, steps: Callable[..., None]
) -> None:
    steps(one=lambda _runtime, _work: Done())
    request = scheduled(runtime, start_at=clock.now() + timedelta(days=3))
    assert due_requests(runtime) == () and not advance_request(runtime, request)
    clock.advance(days=3)
    assert due_requests(runtime) == (request,) and advance_request(runtime, request)


def test_who_died_is_followed_by_another_who_begins_at_the_step_that_was_not_done(
    runtime: Runtime, clock: FixedClock, steps: Callable[..., None]
) -> None:
    tried: list[str] = []

    class Killed(BaseException):
        pass

    def die(_runtime: Runtime, _work: Work) -> Done:
        tried.append("two")
        if len(tried) == 2:
            raise Killed
        return Done()

    def first(_runtime: Runtime, _work: Work) -> Done:
        tried.append("one")
        return Done()

    steps(one=first, two=die)
    request = scheduled(runtime)
    with pytest.raises(Killed):
        advance_request(runtime, request)
    assert stands(runtime, request) == "propagating"
    assert not advance_request(runtime, request)  # the lease of the dead one
    clock.advance(seconds=LEASE.total_seconds() + 1)
    assert advance_request(runtime, request)
    assert tried == ["one", "two", "two"] and stands(runtime, request) == "closed"


def test_what_fails_is_tried_again_later_and_keeps_the_request_open(
    runtime: Runtime, clock: FixedClock, steps: Callable[..., None]
) -> None:
    answers: list[Done | Later] = [Later("STRIPE_AWAY", timedelta(hours=1)), Done()]
    tries = 0

    def fail(_runtime: Runtime, _work: Work) -> Done | Later:
        nonlocal tries
        tries += 1
        if tries == 1:
            raise RuntimeError("ada@example.org")
        return answers.pop(0)

    steps(one=lambda _runtime, _work: Done(), two=fail)
    request = scheduled(runtime)
    for wait, code in ((timedelta(seconds=10), "RuntimeError"), (timedelta(hours=1), "STRIPE_AWAY")):
        advance_request(runtime, request)
        assert stands(runtime, request) == "propagating" and due_requests(runtime) == ()
        with runtime.database.read() as session:
            assert session.get_one(RequestStepRow, (request, "two")).error_code == code
        clock.advance(seconds=wait.total_seconds())
        assert due_requests(runtime) == (request,)
    advance_request(runtime, request)
    assert stands(runtime, request) == "closed"


def test_a_scan_that_finds_something_has_it_done_again(runtime: Runtime, steps: Callable[..., None]) -> None:
    order: list[str] = []

    def scan(_runtime: Runtime, _work: Work) -> Done | Again:
        order.append("scan")
        return Again("FOUND", "one") if order.count("scan") < 3 else Done()

    def erase(_runtime: Runtime, _work: Work) -> Done:
        order.append("erase")
        return Done()

    steps(one=erase, three=scan)
    request = scheduled(runtime)
    advance_request(runtime, request)
    assert order == ["erase", "scan"] * 3 and stands(runtime, request) == "closed"


def test_who_lost_the_request_writes_nothing(runtime: Runtime, clock: FixedClock, steps: Callable[..., None]) -> None:
    later: list[str] = []

    def slow(_runtime: Runtime, work: Work) -> Done:
        if not later:
            later.append("first")
            clock.advance(seconds=LEASE.total_seconds() + 1)
            assert advance_request(runtime, work.request_id)  # another process, meanwhile
            work.renew()
            later.append("wrote")
        return Done({"rows": 7})

    steps(one=slow)
    request = scheduled(runtime)
    assert advance_request(runtime, request)
    assert later == ["first"] and stands(runtime, request) == "closed"
