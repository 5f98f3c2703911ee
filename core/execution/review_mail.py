"""The mail that asks for a review: written with the question, and its link works once."""

import hashlib
import secrets

from sqlalchemy import update
from sqlalchemy.orm import Session

from core.accounts.queries import address_of
from core.execution.changes import Claim, StepWaits
from core.execution.models import ReviewRow
from core.platform.mail.postings import enqueue_mail
from core.platform.runtime import Runtime


def ask_by_mail(runtime: Runtime, session: Session, claim: Claim, asked: StepWaits, review_id: str) -> None:
    """Mail the owner the question, with a link that answers it. Who has no address is not mailed."""
    address = address_of(runtime, session, claim.owner_id)
    if address is None:
        return
    token = make_review_link(session, review_id)
    values = {
        "pipeline": claim.definition.name,
        "step": asked.started.key.step_id,
        "message": str(asked.question["message"]),
        "answer_by": f"{asked.due_at:%Y-%m-%d %H:%M} UTC",
        "review_url": f"{runtime.settings.public_url}/review/{token}",
    }
    enqueue_mail(
        runtime, session, kind="review_asked", to=address, values=values, cause=f"review:{review_id}",
        account_id=claim.owner_id,
    )  # fmt: skip


def make_review_link(session: Session, review_id: str) -> str:
    """A new token for a review's link; joins the caller's transaction. Only its hash is kept."""
    token = secrets.token_urlsafe(32)
    session.execute(update(ReviewRow).where(ReviewRow.id == review_id).values(link_hash=hash_token(token)))
    return token


def hash_token(token: str) -> bytes:
    """What is kept of a link's token."""
    return hashlib.sha256(token.encode()).digest()
