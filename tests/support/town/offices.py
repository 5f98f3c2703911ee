"""What the rooms of admins list beside people and runs: requests, mails, acts, jobs, promises and invitations."""

import json
from datetime import timedelta
from typing import Any, cast

from sqlalchemy import Table, insert, select, update

from core.accounts.audit import HEAD, START, _Chained, _digest, _seal_head
from core.accounts.models import AuditHead, AuditRow, InvitationRow
from core.accounts.plans import PLANS
from core.platform.jobs.declared import declared_jobs
from core.platform.mail.models import MailRow
from core.platform.runtime import Runtime
from core.privacy.checks.models import PromiseCheckRow
from core.privacy.promises import PROMISES
from core.shared.clock import iso_z
from tests.support.town.copying import Words, one_of, write_rows

DAY = 86_400_000
OUTCOMES = {"fulfilled": 90, "refused": 6, "withdrawn": 4}
RIGHTS = ("access", "erasure", "portability", "rectification", "restriction", "objection")
ACTS = (
    "password.changed",
    "api_key.made",
    "second_factor.on",
    "plan.changed",
    "secret.saved",
    "session.ended_everywhere",
)
KINDS = ("run_failed", "run_completed", "new_sign_in", "usage_alert", "review_asked", "policy_change")
OPEN_REQUESTS, WAITING_MAILS, OPEN_INVITATIONS = 300, 240, 150


def add_offices(runtime: Runtime, ids: list[str], people: int) -> None:
    """All of it."""
    _add_requests(runtime, people)
    _add_mails(runtime, ids, people)
    _add_acts(runtime, ids, 2 * people)
    _add_jobs(runtime)
    _add_checks(runtime)
    _add_invitations(runtime, ids)
    _add_rest(runtime, people)


def _add_requests(runtime: Runtime, people: int) -> None:
    words, now = Words(runtime), int(runtime.clock.now().timestamp() * 1000)
    closed = max(50, people // 25)
    opened = min(OPEN_REQUESTS, closed)
    at = f"({now} - CASE WHEN n.v <= {opened} THEN (n.v * 7919) % 34 * {DAY} ELSE {35 * DAY} + n.v * 3600000 END)"
    shut = f"n.v > {opened}"
    write_rows(
        runtime, "privacy_requests", opened + closed,
        {
            "id": words.id(at, 32), "account_id": "p.id", "right": one_of(RIGHTS, "n.v"),
            "status": f"CASE WHEN {shut} THEN 'closed' ELSE "
            f"{one_of(('awaiting_identity', 'awaiting_decision', 'awaiting_decision', 'executing'), 'n.v')} END",
            "outcome": f"CASE WHEN {shut} THEN {one_of(OUTCOMES, 'n.v * 37')} END",
            "received_at": words.moment(at), "due_at": words.moment(f"{at} + {30 * DAY}"),
            "closed_at": f"CASE WHEN {shut} THEN {words.moment(f'{at} + (1 + n.v % 33) * {DAY}')} END",
            "fence": "0", "channel": one_of({"app": 80, "form": 15, "mail": 3, "letter": 2}, "n.v * 37"),
            "identity": f"CASE WHEN {shut} OR n.v % 4 > 0 THEN 'session' END",
        },
        person=f"(n.v * 7919) % {people}",
    )  # fmt: skip


def _add_mails(runtime: Runtime, ids: list[str], people: int) -> None:
    words, now = Words(runtime), runtime.clock.now()
    at = f"({int(now.timestamp() * 1000)} - 7200000 - n.v * 8000)"
    ends = one_of({"failed": 1, "dropped": 2, "sent": 97}, "n.v * 37")
    write_rows(
        runtime, "mail_outbox", 4 * people,
        {
            "id": words.id(at, 40), "account_id": "p.id", "cause": words.bytes(f"'town/' || {words.text('n.v')}"),
            "kind": one_of(KINDS, "n.v"), "language": "'en'", "state": ends,
            "reason": f"CASE {ends} WHEN 'failed' THEN 'smtp_550' WHEN 'dropped' THEN 'expired' END", "attempts": "1",
            "created_at": words.moment(at), "next_attempt_at": words.moment(at),
            "expires_at": words.moment(f"{at} + {DAY}"), "ended_at": words.moment(f"{at} + 2000"),
        },
        person=f"(n.v * 7919) % {people}",
    )  # fmt: skip
    waiting: list[dict[str, Any]] = []
    for number in range(min(WAITING_MAILS, people)):
        mail, whose = runtime.ids.new(), ids[number]
        since = now - timedelta(seconds=7 * number)
        content = {"to": f"person.{number}@example.org", "values": {}}
        waiting.append(
            {
                "id": mail, "account_id": whose, "cause": f"town/waiting/{number}".encode(),
                "kind": KINDS[number % len(KINDS)], "language": "en", "state": "queued", "attempts": number % 3,
                "content": runtime.vault.seal_json(whose, f"mail_outbox.content:{mail}", content),
                "created_at": since, "next_attempt_at": now + timedelta(minutes=5),
                "expires_at": now + timedelta(days=2),
            }
        )  # fmt: skip
    with runtime.database.write() as session:
        session.execute(insert(cast(Table, MailRow.__table__)), waiting)


def _add_acts(runtime: Runtime, ids: list[str], number: int) -> None:
    """Chained as they are written one by one, so that the log proves to be whole."""
    now, end = runtime.clock.now(), select(AuditHead.seq).where(AuditHead.id == HEAD)
    with runtime.database.read() as session:
        seq = session.scalar(end) or 0
        before = session.scalar(select(AuditRow.hash).where(AuditRow.seq == seq)) or START
    rows: list[dict[str, Any]] = []
    for at in range(number):
        seq, when = seq + 1, now - timedelta(seconds=(number - at) * 300)
        who, act = ids[at * 7919 % len(ids)], ACTS[at % len(ACTS)]
        chained = _Chained(seq, iso_z(when), who, act, who, json.dumps({}))
        before = _digest(runtime, before, chained)
        rows.append({**chained._asdict(), "at": when, "hash": before})
    with runtime.database.write() as session:
        for first in range(0, number, 10_000):
            session.execute(insert(cast(Table, AuditRow.__table__)), rows[first : first + 10_000])
        mark = _seal_head(runtime, seq, before)
        if session.get(AuditHead, HEAD) is None:
            session.add(AuditHead(id=HEAD, seq=seq, hash=mark))
        session.execute(update(AuditHead).where(AuditHead.id == HEAD).values(seq=seq, hash=mark))


def _add_jobs(runtime: Runtime) -> None:
    """Thirty days of each job, as often as it is due; those that look every few seconds found something each minute."""
    words, now = Words(runtime), int(runtime.clock.now().timestamp() * 1000)
    for job in declared_jobs():
        every = max(60, int(job.every.total_seconds())) * 1000
        at = f"({now - now % every} - (n.v - 1) * {every})"
        failed = "n.v = 1 OR n.v % 400 = 0" if job.name == "payment_check" else "n.v % 400 = 0"
        write_rows(
            runtime, "job_runs", 30 * DAY // every,
            {
                "job": f"'{job.name}'", "scheduled_for": words.moment(at),
                "state": f"CASE WHEN {failed} THEN 'failed' ELSE 'completed' END", "attempts": "1",
                "started_at": words.moment(f"{at} + 900"), "finished_at": words.moment(f"{at} + 1200 + n.v % 700"),
                "done": "n.v % 40", "error_code": f"CASE WHEN {failed} THEN 'TimeoutError' END",
            },
        )  # fmt: skip
        looks = {"job": f"'{job.name}'", "at": words.moment(str(now))}
        write_rows(runtime, "job_looks", 1, looks)


def _add_checks(runtime: Runtime) -> None:
    """A year of daily looks at every promise; one is broken."""
    now = runtime.clock.now()
    rows = [
        {
            "id": runtime.ids.new(), "promise": name, "verdict": "kept", "says": "All was as promised.",
            "figures": "{}", "checked_at": now - timedelta(days=back, hours=1),
        }
        for back in range(365, -1, -1)
        for name in PROMISES
    ]  # fmt: skip
    with runtime.database.write() as session:
        session.execute(insert(cast(Table, PromiseCheckRow.__table__)), rows)


def _add_invitations(runtime: Runtime, ids: list[str]) -> None:
    now = runtime.clock.now()
    rows = []
    for number in range(min(OPEN_INVITATIONS, len(ids))):
        invitation, by = runtime.ids.new(), ids[0]
        place = f"invitations.email:{invitation}"
        rows.append(
            {
                "id": invitation, "token_hash": f"town/{number}".encode(), "invited_by": by, "plan": "free",
                "roles": "",
                "email": runtime.vault.seal_text(by, place, f"guest.{number}@example.org"),
                "created_at": now - timedelta(hours=number % 100), "expires_at": now + timedelta(days=6),
            }
        )  # fmt: skip
    with runtime.database.write() as session:
        session.execute(insert(cast(Table, InvitationRow.__table__)), rows)


def _add_rest(runtime: Runtime, people: int) -> None:
    """Sign-ins, keys, sweeps of retention, changes of plans, and what people were told of policies."""
    words, now = Words(runtime), int(runtime.clock.now().timestamp() * 1000)
    at = f"({now} - (n.v * 7919) % {20 * DAY})"
    write_rows(
        runtime, "sessions", people,
        {
            "id": words.id(at, 50), "account_id": "p.id", "device": ":sealed", "created_at": words.moment(at),
            "expires_at": words.moment(f"{at} + {30 * DAY}"),
        },
        person=f"n.v % {people}", sealed=b"\1sealed",
    )  # fmt: skip
    write_rows(
        runtime, "plan_changes", max(5, people // 10),
        {
            "id": words.id(at, 51), "owner_id": "p.id", "before": "'starter'", "plan": "p.plan",
            "cause": f"'town/' || {words.text('n.v')}", "created_at": words.moment(at),
        },
        person=f"n.v % {people}",
    )  # fmt: skip
    oldest = {plan: iso_z(runtime.clock.now() - timedelta(days=89, hours=at)) for at, plan in enumerate(PLANS)}
    write_rows(
        runtime, "retention_sweeps", 90,
        {
            "id": words.id(f"({now} - n.v * {DAY})", 52), "started_at": words.moment(f"{now} - n.v * {DAY}"),
            "finished_at": words.moment(f"{now} - n.v * {DAY} + 41000"),
            "counts": """'{"runs": {"free": 9120, "pro": 310}, "mail_outbox": {"free": 4400}}'""", "oldest": ":oldest",
        },
        oldest=json.dumps(oldest),
    )  # fmt: skip
