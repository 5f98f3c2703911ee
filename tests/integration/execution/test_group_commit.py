"""What several runs record in one transaction stands or falls by itself, on both databases."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import pytest

from core.accounts.domain import Account
from core.execution import claims, journal
from core.execution.changes import Applied, Claim, LostLease, StepEnded, StepKey, StepStarted
from core.execution.commands import start_run
from core.execution.group_commit import MOST, GroupCommit
from core.execution.models import RunRow
from core.execution.queries import events_after, get_run
from core.pipelines.commands import create_pipeline
from core.platform.runtime import Runtime
from core.shared.errors import InvariantViolated

SOURCE = {"name": "One", "version": 1, "steps": [{"id": "a", "type": "transform", "template": "x"}]}


@pytest.fixture
def claimed(runtime: Runtime, owner: Account) -> list[Claim]:
    """Three runs in the hands of one process, claimed together."""
    pipeline = create_pipeline(runtime, owner, SOURCE).id
    ids = [start_run(runtime, owner, pipeline, {}).id for _ in range(3)]
    found = claims.claim_group(runtime, "worker:one", ids)
    assert [each.run_id for each in found if isinstance(each, Claim)] == ids
    return [each for each in found if isinstance(each, Claim)]


def done(runtime: Runtime, *, held: int = 0, charged: int = 0) -> StepEnded:
    key, row_id = StepKey("", "a", 1), runtime.ids.new()
    started = StepStarted(key, row_id, 0, "transform", 1, None, None, None, 0, False, False, {})
    content = {"raw": "x", "parsed": "x"}
    return StepEnded(key, row_id, 1, "completed", content, held_micros=held, credit_micros=charged, started=started)


def statuses(runtime: Runtime, owner: Account, claimed: Sequence[Claim]) -> list[str]:
    return [get_run(runtime, owner.id, claim.run_id).steps[0].status for claim in claimed]


def test_a_run_taken_over_writes_nothing_and_the_others_do(
    runtime: Runtime, owner: Account, claimed: list[Claim]
) -> None:
    with runtime.database.write() as session:
        run = session.get_one(RunRow, claimed[1].run_id)
        run.fence += 1
    answers = journal.apply_group(runtime, [(claim, [done(runtime)]) for claim in claimed])
    assert [type(answer) for answer in answers] == [Applied, LostLease, Applied]
    assert statuses(runtime, owner, claimed) == ["completed", "pending", "completed"]


def test_a_run_that_cannot_be_written_keeps_no_other_from_it(
    runtime: Runtime, owner: Account, claimed: list[Claim]
) -> None:
    before = [claim.seq for claim in claimed]
    wrong = done(runtime, held=1, charged=2)  # more than was held: an invariant of the ledger
    group = [(claimed[0], [done(runtime)]), (claimed[1], [wrong]), (claimed[2], [done(runtime)])]
    answers = journal.apply_group(runtime, group)
    assert [type(answer) for answer in answers] == [Applied, InvariantViolated, Applied]
    assert statuses(runtime, owner, claimed) == ["completed", "pending", "completed"]
    assert [claim.seq - seq for claim, seq in zip(claimed, before, strict=True)] == [1, 0, 1]
    for claim in (claimed[0], claimed[2]):
        seqs = [event.seq for event in events_after(runtime, claim.run_id, 0)]
        assert seqs == sorted(set(seqs)) and seqs[-1] == claim.seq, "written once, and numbered on"


def test_a_run_that_is_held_is_not_claimed_with_the_others(
    runtime: Runtime, owner: Account, claimed: list[Claim]
) -> None:
    free = start_run(runtime, owner, str(claimed[0].pipeline_id), {}).id
    held, other = claims.claim_group(runtime, "worker:two", [claimed[0].run_id, free])
    assert held is None and isinstance(other, Claim) and other.run_id == free


async def test_what_comes_while_a_group_is_written_makes_the_next() -> None:
    groups: list[list[int]] = []
    gate = asyncio.Event()

    async def write(work: Callable[[Sequence[int]], Sequence[int | Exception]], items: Sequence[int]) -> object:
        await gate.wait()
        return work(items)

    def double(items: Sequence[int]) -> Sequence[int | Exception]:
        groups.append(list(items))
        return [ValueError(str(item)) if item == 3 else item * 2 for item in items]

    commit = GroupCommit[int, int](write, double)
    asked: list[Awaitable[int]] = [asyncio.ensure_future(commit.ask(0))]
    await asyncio.sleep(0)
    await asyncio.sleep(0)  # the first group is under way, and waits at the gate
    asked += [asyncio.ensure_future(commit.ask(item)) for item in range(1, MOST + 3)]
    await asyncio.sleep(0)
    gate.set()
    answers = await asyncio.gather(*asked, return_exceptions=True)
    assert [len(group) for group in groups] == [1, MOST, 2]
    assert [answer for answer in answers if not isinstance(answer, ValueError)] == [
        item * 2 for item in range(MOST + 3) if item != 3
    ]
    await commit.drain()
