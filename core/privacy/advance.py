"""Carrying out a request: claimed with a lease and a fencing token, journalled step by step, resumed where it ended.

It is the pattern of a run, on rows of its own: a run's rows are sealed with its owner's key and gone with its owner,
and this has to outlive both. A process that is killed loses its lease, and the next goes on with the first step that
is not journalled as done. A step that fails is tried again, for as long as it takes: the request stays open.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, cast

from sqlalchemy import or_, select, update
from sqlalchemy.engine import CursorResult
from sqlalchemy.orm import Session

from core.accounts.standing import is_suspended
from core.platform.logging import get_logger
from core.platform.runtime import Runtime
from core.privacy.copy_links import tell_carried_out
from core.privacy.domain import AT_WORK
from core.privacy.models import PrivacyRequestRow, RequestStepRow
from core.privacy.outcomes import outcome_of
from core.privacy.postings import move
from core.privacy.rights import STEPS, steps_of
from core.privacy.steps import Again, Done, Later, RightStep, Work, wait_after
from core.shared.errors import AppError, Conflict

LEASE = timedelta(seconds=60)
MOST_REPEATS = 5
"""How often a step may send the request back before it is treated as a failure that waits."""

log = get_logger("privacy")


class LeaseLost(Conflict):
    """Another process carries the request out now; what this one still wants to write is refused."""


def due_requests(runtime: Runtime, limit: int = 100) -> tuple[str, ...]:
    """Requests that should be going on and that nobody has in hand, the one due first at the top."""
    wanted = select(PrivacyRequestRow.id).where(*_free(runtime)).order_by(PrivacyRequestRow.due_at).limit(limit)
    with runtime.database.read() as session:
        return tuple(session.scalars(wanted))


def advance_request(runtime: Runtime, request_id: str) -> bool:
    """Carry a request out as far as it goes now. False where it is not due, or another process has it in hand.

    Never raises for a step that fails: the failure is journalled, and when it is tried again.
    """
    claimed = _claim(runtime, request_id)
    if claimed is None:
        return False
    right, work, fence = claimed
    try:
        _carry_out(runtime, steps_of(right), work, fence)
    except LeaseLost:
        log.warning("privacy.lease_lost", request=request_id)
    return True


def _carry_out(runtime: Runtime, steps: Sequence[RightStep], work: Work, fence: int) -> None:
    done: dict[str, Mapping[str, int]] = dict(work.done)
    position = 0
    while position < len(steps):
        step = steps[position]
        if step.name in done:
            position += 1
            continue
        attempts = _begin(runtime, work.request_id, fence, step)
        answer: Done | Later | Again
        try:
            answer = step.run(runtime, Work(work.request_id, work.account_id, work.received_at, work.renew, done))
        except LeaseLost:
            raise
        except Exception as error:
            code = error.code if isinstance(error, AppError) else type(error).__name__
            log.error("privacy.step_failed", request=work.request_id, step=step.name, code=code, exc_info=error)
            answer = Later(code, wait_after(attempts))
        if isinstance(answer, Again) and attempts >= MOST_REPEATS:
            answer = Later(answer.code, wait_after(attempts))
        if isinstance(answer, Later):
            _record_wait(runtime, work.request_id, fence, step, answer)
            return
        if isinstance(answer, Again):
            names = [known.name for known in steps]
            back = names.index(answer.step)
            _record_return(runtime, work.request_id, fence, names[back:], answer)
            for name in names[back:]:
                done.pop(name, None)
            position = back
            continue
        _record_done(runtime, work.request_id, fence, step, answer, last=position == len(steps) - 1)
        done[step.name] = answer.counts
        position += 1


def _free(runtime: Runtime) -> tuple[Any, ...]:
    now = runtime.clock.now()
    return (
        PrivacyRequestRow.status.in_(AT_WORK),
        PrivacyRequestRow.right.in_(list(STEPS)),
        or_(PrivacyRequestRow.lease_until.is_(None), PrivacyRequestRow.lease_until < now),
        or_(PrivacyRequestRow.wake_at.is_(None), PrivacyRequestRow.wake_at <= now),
        or_(PrivacyRequestRow.start_at.is_(None), PrivacyRequestRow.start_at <= now),
    )


def _claim(runtime: Runtime, request_id: str) -> tuple[str, Work, int] | None:
    free = update(PrivacyRequestRow).where(PrivacyRequestRow.id == request_id, *_free(runtime))
    taken = free.values(fence=PrivacyRequestRow.fence + 1, lease_until=runtime.clock.now() + LEASE, wake_at=None)
    with runtime.database.write() as session:
        row = session.scalar(taken.returning(PrivacyRequestRow).execution_options(populate_existing=True))
        if row is None:
            return None
        steps = select(RequestStepRow).where(RequestStepRow.request_id == request_id, RequestStepRow.status == "done")
        done = {step.name: cast(Mapping[str, int], json.loads(step.counts)) for step in session.scalars(steps)}
        fence = row.fence
        work = Work(request_id, row.account_id, row.received_at, lambda: _renew(runtime, request_id, fence), done)
        return row.right, work, fence


def _renew(runtime: Runtime, request_id: str, fence: int) -> None:
    with runtime.database.write() as session:
        _touch(session, request_id, fence, lease_until=runtime.clock.now() + LEASE)


def _begin(runtime: Runtime, request_id: str, fence: int, step: RightStep) -> int:
    """Journal that a step is tried; answers which try it is."""
    now = runtime.clock.now()
    with runtime.database.write() as session:
        request = _mine(session, request_id, fence)
        request.lease_until = now + LEASE
        if request.status != step.phase:
            move(runtime, session, request, step.phase, "system", f"step_{step.name}"[:40])
        row = session.get(RequestStepRow, (request_id, step.name))
        if row is None:
            row = RequestStepRow(
                request_id=request_id, name=step.name, status="waiting", attempts=0, counts="{}", started_at=now
            )
            session.add(row)
        row.attempts += 1
        return row.attempts


def _record_done(runtime: Runtime, request_id: str, fence: int, step: RightStep, answer: Done, *, last: bool) -> None:
    now = runtime.clock.now()
    with runtime.database.write() as session:
        request = _mine(session, request_id, fence)
        request.lease_until = now + LEASE
        row = _step(session, request_id, step.name)
        row.status, row.done_at, row.error_code = "done", now, None
        row.counts = json.dumps(answer.counts, sort_keys=True)
        if last:
            session.flush()
            outcome = outcome_of(session, request_id)
            move(runtime, session, request, "closed", "system", outcome, outcome=outcome)
            tell_carried_out(runtime, session, request, suspended=is_suspended(session, request.account_id))


def _record_wait(runtime: Runtime, request_id: str, fence: int, step: RightStep, answer: Later) -> None:
    wake_at = runtime.clock.now() + answer.after
    with runtime.database.write() as session:
        _touch(session, request_id, fence, lease_until=None, wake_at=wake_at)
        _step(session, request_id, step.name).error_code = answer.code[:60]


def _record_return(runtime: Runtime, request_id: str, fence: int, names: Sequence[str], answer: Again) -> None:
    mine = (RequestStepRow.request_id == request_id, RequestStepRow.name.in_(names))
    with runtime.database.write() as session:
        _touch(session, request_id, fence, lease_until=runtime.clock.now() + LEASE)
        session.execute(update(RequestStepRow).where(*mine).values(status="waiting", error_code=answer.code[:60]))


def _step(session: Session, request_id: str, name: str) -> RequestStepRow:
    return session.scalars(
        select(RequestStepRow).where(RequestStepRow.request_id == request_id, RequestStepRow.name == name)
    ).one()


def _mine(session: Session, request_id: str, fence: int) -> PrivacyRequestRow:
    """The request, locked, while it is ours. Raises LeaseLost."""
    mine = (PrivacyRequestRow.id == request_id, PrivacyRequestRow.fence == fence, PrivacyRequestRow.status.in_(AT_WORK))
    wanted = select(PrivacyRequestRow).where(*mine).with_for_update().execution_options(populate_existing=True)
    row = session.scalar(wanted)
    if row is None:
        raise _lost()
    return row


def _lost() -> LeaseLost:
    return LeaseLost("LEASE_LOST", "Another process carries this request out.")


def _touch(session: Session, request_id: str, fence: int, **values: object) -> None:
    """Write to the request while it is ours. Raises LeaseLost."""
    mine = (
        PrivacyRequestRow.id == request_id,
        PrivacyRequestRow.fence == fence,
        PrivacyRequestRow.status.in_(AT_WORK),
    )
    written = session.execute(update(PrivacyRequestRow).where(*mine).values(**values))
    if cast(CursorResult[Any], written).rowcount != 1:
        raise _lost()
