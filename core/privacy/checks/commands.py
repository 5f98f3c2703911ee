"""Checking promises: run, recorded, and told to the admins where one is newly broken."""

import json
from collections.abc import Callable, Collection
from datetime import datetime, timedelta
from typing import Any, TypeVar, cast

from sqlalchemy import delete
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import CursorResult
from sqlalchemy.orm import Session

from core.accounts.audit import record_act
from core.accounts.domain import SessionView
from core.accounts.letters import tell
from core.accounts.queries import account_of, admin_ids
from core.accounts.roles import check_admin
from core.platform.logging import get_logger
from core.platform.runtime import Runtime
from core.privacy.checks.finding import Finding, unknown
from core.privacy.checks.models import PromiseAlarmRow, PromiseCheckRow
from core.privacy.checks.register import CHECKS, TOGETHER
from core.privacy.promises import PROMISES
from core.shared.errors import NotFound

HISTORY = timedelta(days=400)
"""How long findings are kept: a year can be looked back on."""

FAILED = "The check itself failed; its reason is in the log of the process."
T = TypeVar("T")

log = get_logger("privacy")


def check_promises(runtime: Runtime, promises: Collection[str] = ()) -> dict[str, Finding]:
    """Look at these promises, or at all, and record what was found. Raises NotFound for one there is not.

    A check that fails tells that it cannot tell: a failure is no evidence either way.
    """
    wanted = [clean_promise(name) for name in promises] or list(PROMISES)
    found = _look_at(runtime, wanted)
    now = runtime.clock.now()
    with runtime.database.write() as session:
        for promise, finding in found.items():
            row = PromiseCheckRow(
                id=runtime.ids.new(),
                promise=promise,
                verdict=finding.verdict,
                says=finding.says[:1000],
                figures=json.dumps(dict(finding.figures), sort_keys=True)[:2000],
                checked_at=now,
            )
            session.add(row)
        _raise_alarms(runtime, session, found)
    return found


def check_by_hand(runtime: Runtime, by: SessionView, promises: Collection[str] = ()) -> dict[str, Finding]:
    """As `check_promises`, for an admin who asks. Raises Forbidden."""
    check_admin(runtime, by)
    found = check_promises(runtime, promises)
    with runtime.database.write() as session:
        record_act(runtime, session, "promises.checked", actor_id=by.account.id, promises=len(found))
    return found


def forget_old_checks(runtime: Runtime, *, before: datetime) -> int:
    """Delete what was found before a moment; returns how many."""
    with runtime.database.write() as session:
        done = session.execute(delete(PromiseCheckRow).where(PromiseCheckRow.checked_at < before))
        return cast(CursorResult[Any], done).rowcount


def clean_promise(name: str) -> str:
    """The id of a promise. Raises NotFound."""
    promise = name.strip().upper()
    if promise not in PROMISES:
        raise NotFound("PROMISE_NOT_FOUND", f"There is no promise {name[:20]!r}: they are P01 to P27.")
    return promise


def _look_at(runtime: Runtime, wanted: Collection[str]) -> dict[str, Finding]:
    found: dict[str, Finding] = {}
    for promise in wanted:
        if promise in found:
            continue
        group = next((each for each in TOGETHER if promise in each), None)
        if group is None:
            found[promise] = _look(CHECKS[promise], runtime, promise, unknown(FAILED))
        else:
            found |= _look(TOGETHER[group], runtime, promise, dict.fromkeys(group, unknown(FAILED)))
    return {promise: found[promise] for promise in wanted}


def _look(check: Callable[[Runtime], T], runtime: Runtime, promise: str, failed: T) -> T:
    try:
        return check(runtime)
    except Exception as error:
        log.error("promise.check_failed", promise=promise, exc_info=error)
        return failed


def _raise_alarms(runtime: Runtime, session: Session, found: dict[str, Finding]) -> None:
    """Tell every admin, once, of promises that are newly broken; forget the alarm of those that are kept again."""
    insert = sqlite.insert if runtime.database.is_sqlite else postgresql.insert
    now, fresh = runtime.clock.now(), []
    for promise, finding in found.items():
        if finding.verdict == "kept":
            session.execute(delete(PromiseAlarmRow).where(PromiseAlarmRow.promise == promise))
        elif finding.verdict == "broken":
            row = insert(PromiseAlarmRow).values(promise=promise, since=now).on_conflict_do_nothing()
            if session.scalar(row.returning(PromiseAlarmRow.promise)) is not None:
                fresh.append(promise)
                log.warning("promise.broken", promise=promise, figures=dict(finding.figures))
    if not fresh:
        return
    lines = "\n".join(f"{promise} {PROMISES[promise].sentence} {found[promise].says}" for promise in fresh)
    values = {"promises": lines, "promises_url": runtime.settings.public_url + "/app/admin-promises"}
    for account_id in admin_ids(session):
        tell(runtime, session, account_of(runtime, session, account_id), "promise_broken", values)
