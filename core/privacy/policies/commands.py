"""Changing policies: the first versions, drafts, publishing, and taking a version back before it counts."""

from datetime import date
from typing import Any, cast

from sqlalchemy import delete, func, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import CursorResult
from sqlalchemy.orm import Session

from core.accounts.audit import record_act
from core.accounts.domain import SessionView
from core.accounts.queries import needs_setup
from core.accounts.roles import check_admin
from core.platform.runtime import Runtime
from core.privacy.policies.domain import (
    DOCUMENTS,
    LONGEST_SUMMARY,
    LONGEST_TEXT,
    Document,
    PolicyDraft,
    PolicyVersion,
    check_effective,
    effective_at,
    fill,
    problems_of,
)
from core.privacy.policies.facts import values_of
from core.privacy.policies.models import PolicyDraftRow, PolicyVersionRow
from core.privacy.policies.queries import forget_versions, shipped_text, version_view
from core.privacy.promises import PROMISES
from core.shared.errors import Conflict, InvalidInput, NotFound


def keep_first_versions(runtime: Runtime) -> None:
    """Keep the texts that come with the software as the first versions. Safe to repeat.

    As long as nobody has an account they follow the settings and what the code declares. From then on they are what
    people were shown, and every change needs a version of its own.
    """
    with runtime.database.read() as session:
        rows = {row.document: row for row in session.scalars(select(PolicyVersionRow).where(PolicyVersionRow.shipped))}
    if len(rows) == len(DOCUMENTS) and not needs_setup(runtime):
        return
    day, values = runtime.settings.first_policy_date, values_of(runtime)
    insert = sqlite.insert if runtime.database.is_sqlite else postgresql.insert
    for document in DOCUMENTS:
        source = shipped_text(document)
        content = {
            "version": f"{day:%Y-%m-%d}",
            "text": fill(source, values),
            "source": source,
            "effective_at": effective_at(day),
        }
        known = rows.get(document)
        if known is not None and all(getattr(known, name) == value for name, value in content.items()):
            continue
        with runtime.database.write() as session:
            if known is not None:
                session.execute(update(PolicyVersionRow).where(PolicyVersionRow.id == known.id).values(content))
                continue
            first = {"id": runtime.ids.new(), "document": document, "shipped": True, "state": "published"}
            about = {"summary": "", "material": False, "published_at": effective_at(day)}
            session.execute(insert(PolicyVersionRow).values({**first, **about, **content}).on_conflict_do_nothing())
    forget_versions(runtime)


def save_draft(
    runtime: Runtime,
    by: SessionView,
    document: Document,
    *,
    text: str,
    summary: str,
    material: bool,
    effective_on: date | None,
    revision: int,
) -> PolicyDraft:
    """Keep what an admin prepares. `revision` is that of the draft they began with.

    Raises Forbidden, InvalidInput, Conflict DRAFT_CHANGED when somebody else saved meanwhile: nothing is lost, theirs
    is kept.
    """
    check_admin(runtime, by)
    _check_size(text, summary)
    now = runtime.clock.now()
    content = {"text": text, "summary": summary.strip(), "material": material, "effective_on": effective_on}
    mark: dict[str, Any] = {"revision": revision + 1, "saved_at": now, "saved_by": by.account.id}
    insert = sqlite.insert if runtime.database.is_sqlite else postgresql.insert
    statement = insert(PolicyDraftRow).values(document=document, **content, **mark)
    if revision:
        statement = statement.on_conflict_do_update(
            index_elements=["document"], set_={**content, **mark}, where=PolicyDraftRow.revision == revision
        )
    else:
        statement = statement.on_conflict_do_nothing()
    with runtime.database.write() as session:
        if session.scalar(statement.returning(PolicyDraftRow.revision)) is None:
            raise Conflict(
                "DRAFT_CHANGED", "Somebody else saved this draft meanwhile. Open it again; copy your text first."
            )
    return PolicyDraft(document, text, summary.strip(), material, effective_on, revision + 1, now)


def drop_draft(runtime: Runtime, by: SessionView, document: Document) -> None:
    """Throw a draft away. Raises Forbidden."""
    check_admin(runtime, by)
    with runtime.database.write() as session:
        session.execute(delete(PolicyDraftRow).where(PolicyDraftRow.document == document))


def publish(runtime: Runtime, by: SessionView, document: Document, *, revision: int) -> PolicyVersion:
    """Publish a draft from its day on; everybody who has an account is told before.

    Raises Forbidden NOT_ADMIN or CONFIRM_PASSWORD; InvalidInput for a text with problems (all in `details`), without a
    summary, or with a day that comes too soon; Conflict DRAFT_CHANGED, VERSION_ANNOUNCED.
    """
    check_admin(runtime, by, confirmed=True)
    now, values = runtime.clock.now(), values_of(runtime)
    with runtime.database.write() as session:
        draft = session.get(PolicyDraftRow, document, with_for_update=True)
        if draft is None or draft.revision != revision:
            raise Conflict("DRAFT_CHANGED", "The draft was changed or published meanwhile. Look at it again.")
        if draft.effective_on is None:
            raise InvalidInput("NO_DAY", "Choose the day from which the new version counts.", field="effective_on")
        check_effective(draft.effective_on, now, material=draft.material)
        if not draft.summary:
            raise InvalidInput("NO_SUMMARY", "Say in a few words what changes: it is mailed.", field="summary")
        problems = problems_of(document, draft.text, PROMISES, values)
        if problems:
            details = [{"message": problem} for problem in problems]
            raise InvalidInput("POLICY_INCOMPLETE", "The text cannot be published yet.", field="text", details=details)
        if _announced(session, document, now) is not None:
            raise Conflict(
                "VERSION_ANNOUNCED",
                "A version is announced already and does not count yet. Wait for its day, or take it back first.",
            )
        row = PolicyVersionRow(
            id=runtime.ids.new(),
            document=document,
            version=_free_version(session, document, draft.effective_on),
            text=fill(draft.text, values),
            source=draft.text,
            summary=draft.summary,
            material=draft.material,
            state="published",
            shipped=False,
            effective_at=effective_at(draft.effective_on),
            published_at=now,
            published_by=by.account.id,
        )
        session.add(row)
        session.delete(draft)
        session.flush()
        record_act(
            runtime, session, "policy.published",
            actor_id=by.account.id, subject_id=row.id, document=document, version=row.version,
        )  # fmt: skip
    forget_versions(runtime)
    return version_view(row)


def take_back(runtime: Runtime, by: SessionView, version_id: str) -> None:
    """Take a version back before it counts; whoever was told by mail is told so. What it says becomes the draft again.

    Raises Forbidden NOT_ADMIN or CONFIRM_PASSWORD; NotFound where there is none that could be taken back any more.
    """
    check_admin(runtime, by, confirmed=True)
    now = runtime.clock.now()
    with runtime.database.write() as session:
        waiting = (
            PolicyVersionRow.id == version_id,
            PolicyVersionRow.state == "published",
            PolicyVersionRow.shipped.is_(False),
            PolicyVersionRow.effective_at > now,
        )
        withdrawn = update(PolicyVersionRow).where(*waiting).values(state="withdrawn", withdrawn_at=now)
        if cast(CursorResult[Any], session.execute(withdrawn)).rowcount != 1:
            raise NotFound("VERSION_NOT_FOUND", "This version counts already, or was taken back.")
        row = session.get_one(PolicyVersionRow, version_id)
        if session.get(PolicyDraftRow, row.document) is None:
            draft = PolicyDraftRow(
                document=row.document, text=row.source, summary=row.summary, material=row.material,
                effective_on=None, revision=1, saved_at=now, saved_by=by.account.id,
            )  # fmt: skip
            session.add(draft)
            session.flush()
        record_act(
            runtime, session, "policy.taken_back",
            actor_id=by.account.id, subject_id=version_id, document=row.document, version=row.version,
        )  # fmt: skip
    forget_versions(runtime)


def _announced(session: Session, document: Document, now: Any) -> str | None:
    return session.scalar(
        select(PolicyVersionRow.id).where(
            PolicyVersionRow.document == document,
            PolicyVersionRow.state == "published",
            PolicyVersionRow.shipped.is_(False),
            PolicyVersionRow.effective_at > now,
        )
    )


def _free_version(session: Session, document: Document, day: date) -> str:
    """The day, with a number where a version of that day was taken back."""
    same = (PolicyVersionRow.document == document, PolicyVersionRow.version.startswith(f"{day:%Y-%m-%d}"))
    taken = session.scalar(select(func.count()).select_from(PolicyVersionRow).where(*same)) or 0
    return f"{day:%Y-%m-%d}" + (f".{taken + 1}" if taken else "")


def _check_size(text: str, summary: str) -> None:
    if not text.strip() or len(text) > LONGEST_TEXT:
        raise InvalidInput("POLICY_TEXT", f"A text has 1 to {LONGEST_TEXT:,} characters.", field="text")
    if len(summary) > LONGEST_SUMMARY:
        raise InvalidInput("POLICY_SUMMARY", f"A summary has at most {LONGEST_SUMMARY:,} characters.", field="summary")
    if "\0" in text or "\0" in summary:
        raise InvalidInput("NUL_CHARACTER", "The text holds a NUL character (U+0000): take it out.", field="text")
