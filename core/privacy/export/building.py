"""Making a copy: everything in one pass, sealed as it is written, put in its place when it is whole.

A process that is killed leaves an unfinished file that nobody can fetch; who comes next begins anew. The row that makes
a copy fetchable is written last, while the request is still in this process's hands.
"""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from typing import cast

from sqlalchemy import delete, select

from core.accounts.audit import ACTS, list_acts
from core.accounts.domain import Account
from core.accounts.queries import get_account
from core.credits.statements import export_lines
from core.pipelines.commands import validate_source
from core.platform.files.queries import list_files
from core.platform.files.sealing import SealedWriter
from core.platform.runtime import Runtime
from core.privacy.export.archive import Archive
from core.privacy.export.contents import Changed, clean_file, clean_pipeline
from core.privacy.export.models import DataExportRow
from core.privacy.export.passages import Passages
from core.privacy.export.recipients import UsedRecipient, used_recipients
from core.privacy.export.redactions import Redactions, redactions_of
from core.privacy.export.rows import Record, records
from core.privacy.export.selection import Copy, ShownTable, shown_tables
from core.privacy.export.storage import LIFE, copies_of, sealed_under
from core.privacy.export.summary import summary_html
from core.privacy.inventory import find_table
from core.privacy.outcomes import LEFT
from core.privacy.plain_rows import open_value
from core.privacy.steps import Done, RightStep, Work
from core.privacy.wording import BASES, KEPT, category_words
from core.shared.clock import iso_z
from core.shared.errors import AppError
from core.shared.types import JsonValue

TEXTUAL = ("csv", "json", "text")
ACTS_AT_ONCE = 200
ACT_COLUMNS = ("at", "act", "by", "details")


def _collect(copy: Copy) -> RightStep:
    def run(runtime: Runtime, work: Work) -> Done:
        return make_copy(runtime, work, copy)

    return RightStep("collect", "Your data is put together, sealed with your key.", "executing", run)


ACCESS, PORTABILITY = (_collect("access"),), (_collect("portability"),)
"""The steps of Art. 15 and of Art. 20."""


def make_copy(runtime: Runtime, work: Work, copy: Copy) -> Done:
    """Make the copy that a request asks for, once; its counts by table. Raises LeaseLost."""
    with runtime.database.read() as session:
        known = session.scalar(select(DataExportRow).where(DataExportRow.request_id == work.request_id))
        redactions = redactions_of(runtime, session, work.request_id)
    if known is not None:
        return Done(cast(dict[str, int], json.loads(known.counts)))
    account, export_id = get_account(runtime, work.account_id), runtime.ids.new()
    folder = copies_of(runtime, account.id)
    writer = SealedWriter(runtime.vault, account.id, sealed_under(export_id), folder.create(export_id))
    archive = Archive(writer, at=runtime.clock.now(), renew=work.renew)
    try:
        counts = _fill(runtime, archive, account, copy, redactions, work)
        archive.commit()
    except BaseException:
        archive.discard()
        raise
    try:
        work.renew()
        _keep(runtime, work, export_id, archive.size, counts)
    except BaseException:
        folder.delete(export_id)
        raise
    return Done(counts)


def _keep(runtime: Runtime, work: Work, export_id: str, size: int, counts: dict[str, int]) -> None:
    now = runtime.clock.now()
    row = DataExportRow(
        id=export_id,
        account_id=work.account_id,
        request_id=work.request_id,
        size=size,
        counts=json.dumps(counts, sort_keys=True),
        created_at=now,
        expires_at=now + LIFE,
    )
    with runtime.database.write() as session:
        session.execute(delete(DataExportRow).where(DataExportRow.request_id == work.request_id))
        session.add(row)


def _fill(
    runtime: Runtime, archive: Archive, account: Account, copy: Copy, redactions: Redactions, work: Work
) -> dict[str, int]:
    counts: Counter[str] = Counter()
    shown = shown_tables(copy)
    for table in shown:
        counts[table.name] = _add_table(runtime, archive, account.id, table, redactions)
        work.renew()
    passages, changed = redactions.passages, Changed()
    counts["pipeline texts"] = _add_pipelines(runtime, archive, account, redactions, changed)
    counts["file contents"] = _add_files(runtime, archive, account.id, redactions, changed)
    recipients = [_without(each, passages) for each in used_recipients(runtime, account.id)]
    work.renew()
    if copy == "access":
        archive.add_json("recipients.json", [each.as_json() for each in recipients])
        acts = [cast(Record, passages.clean(act)) for act in _acts(runtime, account.id)]
        counts["acts"] = archive.add_records("audit/acts.json", acts)
        archive.add_csv("audit/acts.csv", ACT_COLUMNS, acts)
        archive.add_pieces("billing/statement.json", _statement(runtime, account.id, passages, changed))
    found = {name: number for name, number in counts.items() if number}
    shown_account = replace(account, name=passages.clean_text(account.name), email=passages.clean_text(account.email))
    page = summary_html(
        runtime, shown_account, copy, shown, found, recipients, received_at=work.received_at, changed=changed
    )
    archive.add_text("summary.html", page)
    if passages.count or redactions.fields:
        found[LEFT] = 1
    return found


def _without(recipient: UsedRecipient, passages: Passages) -> UsedRecipient:
    return replace(
        recipient, name=passages.clean_text(recipient.name), received=passages.clean_text(recipient.received)
    )


def _statement(runtime: Runtime, account_id: str, passages: Passages, changed: Changed) -> Iterator[bytes]:
    """The statement of credits. It says no words, but names steps; numbers in it are sums, and stay."""
    words = Passages(text for text in passages.texts if any(char.isalpha() for char in text))
    for line in export_lines(runtime, account_id):
        cleaned = words.clean_text(line)
        changed.statement |= cleaned != line
        yield cleaned.encode()
    passages.count += words.count


def _add_table(runtime: Runtime, archive: Archive, account_id: str, shown: ShownTable, redactions: Redactions) -> int:
    """A table as JSON, CSV and schema; one without rows is left out."""
    if next(records(runtime, account_id, shown, redactions), None) is None:
        return 0
    place = f"data/{shown.name}"
    count = archive.add_records(f"{place}.json", records(runtime, account_id, shown, redactions))
    names = [each.name for each in shown.columns]
    archive.add_csv(f"{place}.csv", names, records(runtime, account_id, shown, redactions))
    archive.add_json(f"{place}.schema.json", schema_of(shown))
    return count


def schema_of(shown: ShownTable) -> JsonValue:
    """What each field of a table is, from its annotation; a JSON Schema of the list of its rows."""
    properties: dict[str, JsonValue] = {}
    for each in shown.columns:
        if each.rules is None:
            properties[each.name] = {"title": "Opaque id"}
            continue
        properties[each.name] = {
            "title": each.rules.label,
            "category": each.rules.category,
            "category_words": category_words(each.rules.category),
            "purpose": each.rules.purpose,
            "legal_basis": BASES[each.rules.legal_basis],
            "legal_ref": each.rules.legal_ref,
            "kept": KEPT.get(each.rules.retention, each.rules.retention),
            "source": each.rules.origin,
            "recipients": list(each.rules.recipients),
        }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": shown.name,
        "type": "array",
        "items": {"type": "object", "properties": properties},
    }


def _add_pipelines(
    runtime: Runtime, archive: Archive, account: Account, redactions: Redactions, changed: Changed
) -> int:
    """Every version of every pipeline as it was written, archived ones too, and what was not saved as one yet."""
    account_id, count = account.id, 0

    def imports(text: str) -> bool:
        return validate_source(runtime, account, text).definition is not None

    for table, name in (("pipeline_versions", "v{number}"), ("pipeline_drafts", "draft")):
        rows, after = find_table(table), ("", 0)
        while True:
            numbered = "number" in rows.c
            keys = (rows.c.pipeline_id, rows.c.number) if numbered else (rows.c.pipeline_id,)
            page = select(*keys, rows.c.content).where(rows.c.owner_id == account_id).order_by(*keys).limit(50)
            beyond = rows.c.pipeline_id > after[0]
            if numbered:
                beyond |= (rows.c.pipeline_id == after[0]) & (rows.c.number > after[1])
            with runtime.database.read() as session:
                found = session.execute(page.where(beyond)).all()
            for row in found:
                after = (row.pipeline_id, row.number if numbered else 0)
                key = f"{row.pipeline_id}/{row.number}" if numbered else row.pipeline_id
                if redactions.leave_out(table, key, "content"):
                    continue
                opened = open_value(runtime, (account_id,), f"{table}.content:{key}", row.content)
                text = opened.get("text") if isinstance(opened, dict) and numbered else opened
                shown = text if isinstance(text, str) else json.dumps(text, ensure_ascii=False)
                file = name.format(number=row.number) if numbered else name
                path = f"pipelines/{row.pipeline_id}/{file}.yaml"
                archive.add_text(path, clean_pipeline(redactions.passages, path, shown, imports, changed))
                count += 1
            if not found:
                break
    return count


def _add_files(runtime: Runtime, archive: Archive, account_id: str, redactions: Redactions, changed: Changed) -> int:
    """The person's files with what is in them, a piece in memory at a time. One that went meanwhile is passed over."""
    count, cursor = 0, None
    while True:
        page = list_files(runtime, account_id, limit=50, cursor=cursor)
        for file in page.items:
            if redactions.leave_out("files", file.id, "content"):
                continue
            path = f"files/{file.id}/{redactions.passages.clean_name(file.name)}"
            try:
                pieces = clean_file(runtime, account_id, file, redactions.passages, path, changed)
            except AppError:
                continue
            if pieces is None:
                continue
            archive.add_pieces(path, pieces, packed=file.kind in TEXTUAL)
            count += 1
        cursor = page.next_cursor
        if cursor is None:
            return count


def _acts(runtime: Runtime, account_id: str) -> Iterator[Record]:
    """What was done to the person's account, and what they did; never to whom else."""
    cursor: str | None = None
    while True:
        page = list_acts(runtime, ACTS_AT_ONCE, cursor, account_id=account_id)
        for act in page.items:
            by = "the system" if act.actor_id is None else "you" if act.actor_id == account_id else "an admin"
            own = act.subject_id == account_id
            yield {
                "at": iso_z(act.at),
                "act": ACTS.get(act.act, act.act),
                "by": by,
                "details": cast(JsonValue, dict(act.details)) if own else {},
            }
        cursor = page.next_cursor
        if cursor is None:
            return
