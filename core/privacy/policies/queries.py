"""Reading policies: their versions, the draft of each, and who was told."""

from datetime import datetime, timedelta
from pathlib import Path
from weakref import WeakKeyDictionary

from sqlalchemy import exists, func, select

from core.accounts.queries import people_made_before
from core.platform.database import Database
from core.platform.runtime import Runtime
from core.privacy.policies.domain import (
    Document,
    NoticeFigures,
    PolicyDraft,
    PolicyVersion,
    clean_document,
    in_force,
    upcoming,
)
from core.privacy.policies.models import PolicyDraftRow, PolicyNoticeRow, PolicyVersionRow
from core.shared.errors import NotFound

TEXTS = Path(__file__).with_name("texts")
KNOWN_FOR = timedelta(seconds=30)
"""How long a process believes the versions it read: they are asked for at every page, and change a few times a year."""

_known: WeakKeyDictionary[Database, tuple[datetime, tuple[PolicyVersion, ...]]] = WeakKeyDictionary()


def shipped_text(document: Document) -> str:
    """The text that comes with the software, with its open names."""
    return (TEXTS / f"{document}.md").read_text(encoding="utf-8")


def all_versions(runtime: Runtime) -> tuple[PolicyVersion, ...]:
    """Every version of both documents, also those that were taken back; at most half a minute old."""
    now = runtime.clock.now()
    read_at, versions = _known.get(runtime.database, (None, ()))
    if read_at is not None and timedelta(0) <= now - read_at < KNOWN_FOR:
        return versions
    with runtime.database.read() as session:
        rows = session.scalars(select(PolicyVersionRow).order_by(PolicyVersionRow.effective_at, PolicyVersionRow.id))
        versions = tuple(version_view(row) for row in rows)
    _known[runtime.database] = (now, versions)
    return versions


def forget_versions(runtime: Runtime) -> None:
    """Have this process read the versions anew: it changed them."""
    _known.pop(runtime.database, None)


def list_versions(runtime: Runtime, document: Document) -> tuple[PolicyVersion, ...]:
    """The versions of a document that count, will count or once did, newest first."""
    mine = (each for each in all_versions(runtime) if each.document == document and each.state == "published")
    return tuple(sorted(mine, key=lambda each: each.effective_at, reverse=True))


def current_version(runtime: Runtime, document: Document) -> PolicyVersion:
    """The version that counts now."""
    return in_force(all_versions(runtime), document, runtime.clock.now())


def announced_version(runtime: Runtime, document: Document) -> PolicyVersion | None:
    """The version that is published and does not count yet."""
    return upcoming(all_versions(runtime), document, runtime.clock.now())


def find_version(runtime: Runtime, document: Document, version: str) -> PolicyVersion:
    """A version by its day, also one that was taken back. Raises NotFound."""
    for each in all_versions(runtime):
        if (each.document, each.version) == (document, version):
            return each
    raise NotFound("VERSION_NOT_FOUND", "There is no such version.")


def version_before(runtime: Runtime, version: PolicyVersion) -> PolicyVersion | None:
    """The version that counted until this one did, or would have."""
    older = [each for each in list_versions(runtime, version.document) if each.effective_at < version.effective_at]
    return older[0] if older else None


def versions_in_force(runtime: Runtime) -> dict[str, str]:
    """The version of each document that counts now."""
    return {name: current_version(runtime, name).version for name in ("privacy", "terms")}


def get_draft(runtime: Runtime, document: Document) -> PolicyDraft:
    """What was prepared; without anything the text that counts now."""
    current = current_version(runtime, document).id
    with runtime.database.read() as session:
        row = session.get(PolicyDraftRow, document)
        source = session.scalar(select(PolicyVersionRow.source).where(PolicyVersionRow.id == current)) or ""
    if row is None:
        return PolicyDraft(document, source, "", True, None, 0, runtime.clock.now())
    return PolicyDraft(
        document, row.text, row.summary, row.material, row.effective_on, row.revision, row.saved_at
    )  # fmt: skip


def notice_figures(runtime: Runtime, version: PolicyVersion) -> NoticeFigures:
    """Who was told about a version. `waiting`: people who had an account before it counts and were not told."""
    mine = PolicyNoticeRow.version_id == version.id
    told = (PolicyNoticeRow.mailed_at.is_not(None)) | (PolicyNoticeRow.seen_at.is_not(None))
    counted = select(
        func.count().filter(told), func.count(PolicyNoticeRow.mailed_at), func.count(PolicyNoticeRow.seen_at)
    ).where(mine)
    people = people_made_before(version.effective_at).subquery()
    known = exists().where(mine, told, PolicyNoticeRow.account_id == people.c.id)
    with runtime.database.read() as session:
        everybody, mailed, seen = session.execute(counted).tuples().one()
        waiting = session.scalar(select(func.count()).select_from(people).where(~known)) or 0
    return NoticeFigures(everybody, mailed, seen, waiting)


def version_view(row: PolicyVersionRow) -> PolicyVersion:
    """A frozen view of a row."""
    return PolicyVersion(
        row.id,
        clean_document(row.document),
        row.version,
        row.text,
        row.summary,
        row.material,
        "withdrawn" if row.state == "withdrawn" else "published",
        row.effective_at,
        row.published_at,
        row.shipped,
    )
