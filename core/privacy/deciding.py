"""What a privacy admin does with a request: decide, extend, write, and look who asked. Nobody does it with their own.

A refusal, and an answer that leaves words of others out, counts once it is signed twice.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Literal

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from core.accounts.audit import record_act
from core.accounts.domain import SessionView
from core.accounts.queries import account_of
from core.execution.review_queries import LinkComment, comments_by_link
from core.platform.runtime import Runtime
from core.privacy.beginning import begin, check_may_leave
from core.privacy.details import details_of, words_of
from core.privacy.domain import PrivacyRequestView, check_extension, clean_reason, clean_text, end_of_extension
from core.privacy.export.passages import clean_passages
from core.privacy.export.redactions import passage_place, passages_of
from core.privacy.letters import tell_decided, tell_extended, tell_message, tell_received, tell_refused, tell_revealed
from core.privacy.lifting import announce
from core.privacy.links import end_request_links
from core.privacy.models import DecisionRow, PassageRow, PrivacyRequestRow, RedactionRow
from core.privacy.postings import lock_request, move, note, reason_place
from core.privacy.queries import request_file, request_view
from core.privacy.restrictions import restriction_of
from core.privacy.signatures import FirstSignature, check_privacy_admin, check_second_signature
from core.shared.errors import Conflict, InvalidInput, NotFound

Verdict = Literal["accept", "refuse"]
REVIEWS, STEP_RUNS = "reviews", "step_runs"


@dataclass(frozen=True, slots=True)
class Revealed:
    """Who asked, for the eyes of who gave a reason; `others`: words of others by the id of their review.

    `passages`: what is left out wherever it stands, as far as that was said.
    """

    name: str = field(repr=False)
    email: str = field(repr=False)
    others: dict[str, str] = field(default_factory=dict, repr=False)
    passages: tuple[str, ...] = field(default=(), repr=False)


def decide(runtime: Runtime, by: SessionView, request_id: str, verdict: Verdict, reason: str) -> bool:
    """Decide a request that waits for it; answers whether the decision counts already.

    Raises NotFound, Forbidden, InvalidInput; Conflict REQUEST_MOVED or DECIDED.
    """
    said = clean_reason(reason)
    if verdict not in ("accept", "refuse"):
        raise InvalidInput("UNKNOWN_VERDICT", "Choose to accept or to refuse.", field="verdict")
    with runtime.database.write() as session:
        row = _lock(runtime, session, by, request_id, confirmed=True)
        if row.status != "awaiting_decision":
            raise Conflict("REQUEST_MOVED", "This request does not wait for a decision.")
        if proposal_of(session, row.id) is not None:
            raise Conflict("DECIDED", "There is a decision that waits for its second signature.")
        decision_id = runtime.ids.new()
        decision = DecisionRow(
            id=decision_id,
            request_id=row.id,
            verdict=verdict,
            reason=runtime.vault.seal_text(row.account_id, reason_place(decision_id), said),
            state="proposed",
            signed_by=by.account.id,
            signed_at=runtime.clock.now(),
            signed_alone=False,
        )
        session.add(decision)
        session.flush()
        counts = verdict == "accept" and not leaves_out(session, row.id)
        if counts:
            _carry(runtime, session, row, decision, by, said)
        else:
            note(runtime, session, row, "privacy_admin", "decision_proposed", actor_id=by.account.id)
        record_act(
            runtime, session, "privacy.decided",
            actor_id=by.account.id, subject_id=row.account_id, request=row.id, verdict=verdict, final=counts,
        )  # fmt: skip
    return counts


def sign_second(runtime: Runtime, by: SessionView, request_id: str) -> None:
    """Sign a decision that waits for it. With one privacy admin the same one signs again, 24 hours later.

    Raises NotFound, Forbidden; Conflict ANOTHER_MUST_SIGN or SIGN_AGAIN_LATER.
    """
    with runtime.database.write() as session:
        row = _lock(runtime, session, by, request_id, confirmed=True)
        decision = _proposal(session, row.id)
        now = runtime.clock.now()
        first = FirstSignature(decision.signed_by, decision.signed_at, row.account_id)
        alone = check_second_signature(session, first, by, now)
        decision.second_by, decision.second_at, decision.signed_alone = by.account.id, now, alone
        said = words_of(runtime, row.account_id, reason_place(decision.id), decision.reason)
        _carry(runtime, session, row, decision, by, said)
        record_act(
            runtime, session, "privacy.signed_second",
            actor_id=by.account.id, subject_id=row.account_id, request=row.id, verdict=decision.verdict, alone=alone,
        )  # fmt: skip


def drop_decision(runtime: Runtime, by: SessionView, request_id: str) -> None:
    """Take a decision back that was not signed twice: the request waits again. Raises NotFound, Forbidden."""
    with runtime.database.write() as session:
        row = _lock(runtime, session, by, request_id)
        _proposal(session, row.id).state = "dropped"
        note(runtime, session, row, "privacy_admin", "decision_dropped", actor_id=by.account.id)
        record_act(
            runtime, session, "privacy.decision_dropped",
            actor_id=by.account.id, subject_id=row.account_id, request=row.id,
        )  # fmt: skip


def extend(runtime: Runtime, by: SessionView, request_id: str, until: datetime, reason: str) -> None:
    """Take longer, once, with the notice that gives the reasons (GDPR Art. 12(3)); the promise stays where it was.

    Raises NotFound, Forbidden, InvalidInput, Conflict.
    """
    said = clean_reason(reason)
    with runtime.database.write() as session:
        row = _lock(runtime, session, by, request_id, confirmed=True)
        check_extension(request_view(row), until, runtime.clock.now())
        row.extended_until = until
        note(runtime, session, row, "privacy_admin", "extended", actor_id=by.account.id, text=said)
        tell_extended(runtime, session, row, said)
        record_act(
            runtime, session, "privacy.extended", actor_id=by.account.id, subject_id=row.account_id, request=row.id
        )


def extend_to(runtime: Runtime, by: SessionView, request_id: str, day: date, reason: str) -> None:
    """The same to the end of a day, as far as the three months reach."""
    received = request_file(runtime, request_id).request.received_at
    extend(runtime, by, request_id, end_of_extension(received, day), reason)


def note_identity(runtime: Runtime, by: SessionView, request_id: str, evidence: str) -> None:
    """Note what showed who asked, in words: copies of documents are not kept. The request goes on.

    Raises NotFound, Forbidden, InvalidInput; Conflict REQUEST_MOVED or LAST_ADMIN.
    """
    seen = clean_reason(evidence)
    with runtime.database.write() as session:
        row = _lock(runtime, session, by, request_id, confirmed=True)
        check_may_leave(session, row.account_id, request_view(row).right)
        account = account_of(runtime, session, row.account_id)
        note(runtime, session, row, "privacy_admin", "identity_evidence", actor_id=by.account.id, text=seen)
        row.identity = "evidence"
        move(runtime, session, row, "verified", "system", "identity_noted")
        end_request_links(session, row.id)
        tell_received(runtime, session, account, row)
        begin(runtime, session, row, account, details_of(runtime, row), keep=None)
        record_act(
            runtime, session, "privacy.identity_noted",
            actor_id=by.account.id, subject_id=row.account_id, request=row.id,
        )  # fmt: skip


def answer_message(runtime: Runtime, by: SessionView, request_id: str, text: str) -> None:
    """Write to the person, by mail and on the time line. Raises NotFound, Forbidden, InvalidInput."""
    said = clean_text(text)
    if not said:
        raise InvalidInput("EMPTY_MESSAGE", "Write what you want to say.", field="text")
    with runtime.database.write() as session:
        row = _lock(runtime, session, by, request_id)
        note(runtime, session, row, "privacy_admin", "message", actor_id=by.account.id, text=said)
        tell_message(runtime, session, row, said)


def reveal(runtime: Runtime, by: SessionView, request_id: str, reason: str) -> Revealed:
    """Look who asked, for a written reason: it is logged, and the person is told. Raises NotFound, Forbidden."""
    said = clean_reason(reason)
    with runtime.database.write() as session:
        row = _lock(runtime, session, by, request_id, confirmed=True)
        account = account_of(runtime, session, row.account_id)
        others: dict[str, str] = {}
        passages = passages_of(runtime, session, row.account_id, [row.id])
        if row.right == "access" and row.status == "awaiting_decision":
            found = comments_by_link(runtime, session, row.account_id)
            others = {each.review_id: each.comment for each in found}
        note(runtime, session, row, "privacy_admin", "revealed", actor_id=by.account.id, text=said)
        tell_revealed(runtime, session, row, said)
        record_act(
            runtime, session, "privacy.revealed", actor_id=by.account.id, subject_id=row.account_id, request=row.id
        )
    return Revealed(account.name, account.email, others, passages)


def leave_out(
    runtime: Runtime,
    by: SessionView,
    request_id: str,
    review_ids: frozenset[str],
    passages: Sequence[str] | None = None,
) -> None:
    """Say what of others is left out of a copy, before it is decided: exactly these.

    `review_ids`: answers of others, whole. `passages`: words about others, wherever they stand in the copy; None leaves
    those that were named before. Raises InvalidInput, Conflict REQUEST_MOVED.
    """
    said = clean_passages(passages or ())
    with runtime.database.write() as session:
        row = _lock(runtime, session, by, request_id, confirmed=True)
        if row.status != "awaiting_decision" or proposal_of(session, row.id) is not None:
            raise Conflict("REQUEST_MOVED", "What is left out is said before it is decided.")
        known = {each.review_id: each.step_run_id for each in comments_by_link(runtime, session, row.account_id)}
        if not review_ids <= known.keys():
            raise InvalidInput("NOT_OF_OTHERS", "Only words of others can be left out.", field="review_ids")
        for marks in (RedactionRow, PassageRow) if passages is not None else (RedactionRow,):
            session.execute(delete(marks).where(marks.request_id == row.id))
        now = runtime.clock.now()
        session.add_all(
            RedactionRow(request_id=row.id, place=place, row_id=row_id, marked_by=by.account.id, marked_at=now)
            for each in sorted(review_ids)
            for place, row_id in ((REVIEWS, each), (STEP_RUNS, known[each]))
        )
        session.add_all(_passage(runtime, row, by, text) for text in said)
        note(runtime, session, row, "privacy_admin", "left_out", actor_id=by.account.id)
        record_act(
            runtime, session, "privacy.left_out", actor_id=by.account.id, subject_id=row.account_id, request=row.id,
            number=len(review_ids), passages=len(said),
        )  # fmt: skip


def _passage(runtime: Runtime, row: PrivacyRequestRow, by: SessionView, text: str) -> PassageRow:
    passage_id = runtime.ids.new()
    sealed = runtime.vault.seal_text(row.account_id, passage_place(passage_id), text)
    return PassageRow(
        id=passage_id, request_id=row.id, text=sealed, marked_by=by.account.id, marked_at=runtime.clock.now()
    )


def leaves_out(session: Session, request_id: str) -> bool:
    """Whether anything of others is left out of a copy: then a decision needs its second signature."""
    passage = select(PassageRow.id).where(PassageRow.request_id == request_id).limit(1)
    return bool(left_out(session, request_id)) or session.scalar(passage) is not None


def left_out(session: Session, request_id: str) -> frozenset[tuple[str, str]]:
    """The rows, as table and id, whose words of others are not handed over."""
    rows = session.execute(select(RedactionRow.place, RedactionRow.row_id).where(RedactionRow.request_id == request_id))
    return frozenset((place, row_id) for place, row_id in rows.tuples())


def comments_to_judge(runtime: Runtime, request: PrivacyRequestView) -> tuple[LinkComment, ...]:
    """What others may have written in what an access would hand over; none where nothing is to be decided."""
    if request.right != "access" or request.status != "awaiting_decision":
        return ()
    with runtime.database.read() as session:
        return comments_by_link(runtime, session, request.account_id)


def proposal_of(session: Session, request_id: str) -> DecisionRow | None:
    """The decision of a request that waits for its second signature."""
    waiting = (DecisionRow.request_id == request_id, DecisionRow.state == "proposed")
    return session.scalar(select(DecisionRow).where(*waiting).limit(1))


def _proposal(session: Session, request_id: str) -> DecisionRow:
    decision = proposal_of(session, request_id)
    if decision is None:
        raise NotFound("NO_DECISION", "There is no decision that waits for a signature.")
    return decision


def _lock(
    runtime: Runtime, session: Session, by: SessionView, request_id: str, *, confirmed: bool = False
) -> PrivacyRequestRow:
    row = lock_request(session, request_id)
    check_privacy_admin(runtime, by, row.account_id, confirmed=confirmed)
    return row


def _carry(
    runtime: Runtime, session: Session, row: PrivacyRequestRow, decision: DecisionRow, by: SessionView, said: str
) -> None:
    """A decision counts from now on: the request goes on, or is answered with reasons and the ways to complain."""
    decision.state = "final"
    actor_id = by.account.id
    if decision.verdict == "refuse":
        move(
            runtime, session, row, "closed", "privacy_admin", "refused", actor_id=actor_id, text=said, outcome="refused"
        )
        tell_refused(runtime, session, row, said)
    else:
        move(runtime, session, row, "scheduled", "privacy_admin", "accepted", actor_id=actor_id, text=said)
        tell_decided(runtime, session, row, said)
    restriction = restriction_of(session, row.id)
    asked_for = row.right == "restriction" and decision.verdict == "accept"
    if restriction is not None and restriction.ended_at is None and not asked_for:
        announce(runtime, session, row, restriction, said, actor_id=actor_id)
