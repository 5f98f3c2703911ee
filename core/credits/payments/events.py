"""Stripe's events: received once, worked off until their effect is committed, and only then marked as done.

What an event says is not believed beyond what it is about: Stripe is asked anew. So it does not matter how often, how
late or in which order events come, or that a process dies between an effect and its mark: doing it again does nothing.
"""

from datetime import datetime, timedelta

from sqlalchemy import delete, select, update
from sqlalchemy.dialects import postgresql, sqlite

from core.credits.payments.checkouts import free_lost_checkouts, refresh_checkout
from core.credits.payments.domain import Event
from core.credits.payments.models import CustomerRow, EventRow, RefundRow, SubscriptionRow
from core.credits.payments.queries import gateway_of
from core.credits.payments.refunds import refresh_refund, send_refunds
from core.credits.payments.subscriptions import refresh_customer, refresh_subscription
from core.platform.logging import get_logger
from core.platform.runtime import Runtime
from core.shared.errors import AppError

log = get_logger("payments")

KEPT = timedelta(days=90)
"""How long an event that is done is remembered: Stripe sends one again for three days at most, by hand for thirty."""
AT_ONCE = 200


def receive_event(runtime: Runtime, body: bytes, signature: str) -> str:
    """Take a message of Stripe's, and do what follows; answers the event's state: done, noted, or received.

    `received`: it is kept, and worked off later. Raises InvalidInput BAD_SIGNATURE, and keeps nothing then.
    """
    event = gateway_of(runtime).read_event(body, signature, runtime.clock.now())
    state = _keep(runtime, event)
    if state != "received":
        return state
    return _work_off(runtime, event.id)


def work_off(runtime: Runtime) -> int:
    """What was left: events that are not done, money that did not go out; answers how much was done."""
    return work_off_events(runtime) + send_refunds(runtime) if runtime.payments is not None else 0


def work_off_events(runtime: Runtime) -> int:
    """Work off what was received and is not done, the oldest first; answers how many were done."""
    waiting = select(EventRow.id).where(EventRow.state == "received").order_by(EventRow.received_at).limit(AT_ONCE)
    with runtime.database.read() as session:
        ids = session.scalars(waiting).all()
    return sum(_work_off(runtime, id) == "done" for id in ids)


def has_waiting_events(runtime: Runtime, _now: datetime) -> bool:
    """Whether an event, or money that goes back, was left by somebody more than a minute ago."""
    if runtime.payments is None:
        return False
    before = runtime.clock.now() - timedelta(minutes=1)
    events = select(EventRow.id).where(EventRow.state == "received", EventRow.received_at < before)
    refunds = select(RefundRow.id).where(RefundRow.state == "claimed", RefundRow.created_at < before)
    with runtime.database.read() as session:
        return any(session.scalar(each.limit(1)) is not None for each in (events, refunds))


def reconcile(runtime: Runtime) -> int:
    """Ask Stripe about every customer with a subscription that goes on, as if none of its events had come.

    Checkouts that were left, and refunds that did not go out, are dealt with too. Answers how many things.
    """
    if runtime.payments is None:
        return 0
    open_ones = select(SubscriptionRow.owner_id).where(SubscriptionRow.ended_at.is_(None))
    mine = select(CustomerRow.customer_id).where(CustomerRow.owner_id.in_(open_ones)).order_by(CustomerRow.owner_id)
    with runtime.database.read() as session:
        customers = session.scalars(mine).all()
    done, failures = 0, 0
    for customer_id in customers:
        try:
            done += refresh_customer(runtime, customer_id)
        except AppError as error:  # the others are asked about all the same
            failures += 1
            log.warning("payments.not_reconciled", code=error.code)
    done += free_lost_checkouts(runtime) + work_off(runtime) + _forget(runtime)
    log.info("payments.reconciled", done=done, failures=failures)
    return done


def _keep(runtime: Runtime, event: Event) -> str:
    """Note an event, once; answers its state."""
    insert = sqlite.insert if runtime.database.is_sqlite else postgresql.insert
    subject = event.subject
    row = insert(EventRow).values(
        id=event.id,
        type=event.type[:80],
        subject_kind=subject.kind if subject else None,
        subject_id=subject.id if subject else None,
        state="received" if subject else "noted",
        attempts=0,
        received_at=runtime.clock.now(),
    )
    with runtime.database.write() as session:
        session.execute(row.on_conflict_do_nothing())
        return session.scalars(select(EventRow.state).where(EventRow.id == event.id)).one()


def _work_off(runtime: Runtime, event_id: str) -> str:
    """Do what follows from an event, then mark it; a failure is noted, and it is tried again later."""
    with runtime.database.read() as session:
        row = session.get_one(EventRow, event_id)
    try:
        _apply(runtime, row.subject_kind, row.subject_id or "")
    except Exception as error:
        code = error.code if isinstance(error, AppError) else type(error).__name__
        log.error("payments.event_failed", event_id=event_id, type=row.type, exc_info=error)
        _mark(runtime, event_id, "received", code[:60])
        return "received"
    _mark(runtime, event_id, "done", None)
    return "done"


def _apply(runtime: Runtime, kind: str | None, subject_id: str) -> None:
    if kind == "subscription":
        refresh_subscription(runtime, subject_id)
    elif kind == "checkout":
        refresh_checkout(runtime, subject_id)
    elif kind == "refund":
        refresh_refund(runtime, subject_id)


def _mark(runtime: Runtime, event_id: str, state: str, error_code: str | None) -> None:
    done_at = runtime.clock.now() if state == "done" else None
    mine = update(EventRow).where(EventRow.id == event_id, EventRow.state == "received")
    values = {"state": state, "error_code": error_code, "done_at": done_at, "attempts": EventRow.attempts + 1}
    with runtime.database.write() as session:
        session.execute(mine.values(values))


def _forget(runtime: Runtime) -> int:
    old = delete(EventRow).where(EventRow.state != "received", EventRow.received_at < runtime.clock.now() - KEPT)
    with runtime.database.write() as session:
        return len(session.scalars(old.returning(EventRow.id)).all())
