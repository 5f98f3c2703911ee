"""The record of processing activities (GDPR Art. 30(1)), made of the inventory and the settings.

Nothing in it depends on when it is made: as long as nothing changed, it is the same to the byte.
"""

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Literal, get_args

from core.platform.runtime import Runtime
from core.privacy.inventory import tables
from core.privacy.policies.tables import Recipient, declared, recipients
from core.privacy.stores import STORES
from core.privacy.wording import BASES, KEPT, PURPOSES, category_words, in_order
from core.shared.errors import InvalidInput

RecordFormat = Literal["md", "csv", "json"]
FORMATS: tuple[RecordFormat, ...] = get_args(RecordFormat)
SECURITY = (
    "TLS in transit; HSTS and Secure cookies in production",
    "AES-256-GCM at rest under a key of each person, wrapped by a master key kept apart",
    "bcrypt for passwords (cost 12 or more), second factor, limits on tries",
    "roles, an audit log whose rows are chained, dangerous acts only after the password",
    "deletion by destroying the key, ended with a scan",
)
"""Technical and organisational measures (Art. 30(1)(g), 32(1))."""


@dataclass(frozen=True, slots=True)
class Activity:
    """One processing activity: a purpose, with everything Art. 30(1) asks about it."""

    name: str
    purpose: str
    legal_bases: tuple[str, ...]
    subjects: tuple[str, ...]
    data: tuple[str, ...]
    recipients: tuple[str, ...]
    kept: tuple[str, ...]
    stores: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ProcessingRecord:
    """The whole record."""

    controller: str
    company: str
    place: str
    contact: str
    sites: tuple[str, ...]
    regions: dict[str, str]
    activities: tuple[Activity, ...]
    recipients: tuple[Recipient, ...]
    security: tuple[str, ...]


def processing_record(runtime: Runtime) -> ProcessingRecord:
    """The record as it is now."""
    settings = runtime.settings
    return ProcessingRecord(
        settings.controller,
        settings.controller_company,
        settings.controller_place,
        settings.privacy_contact,
        settings.sites,
        {name: region or "not declared" for name, region in sorted(settings.regions.items())},
        tuple(_activity(purpose) for purpose in in_order({each.purpose for each in declared()})),
        recipients(runtime),
        SECURITY,
    )


def record_text(record: ProcessingRecord, form: RecordFormat) -> str:
    """The record as Markdown, CSV (a line an activity) or JSON; ends with a line break."""
    return {"md": _markdown, "csv": _csv, "json": _json}[form](record)


def clean_format(name: str) -> RecordFormat:
    """A format of the record. Raises InvalidInput."""
    for form in FORMATS:
        if form == name:
            return form
    raise InvalidInput("UNKNOWN_FORMAT", f"Choose one of {', '.join(FORMATS)}.", field="format")


def _activity(purpose: str) -> Activity:
    rules = [each for each in declared() if each.purpose == purpose]
    held_in = [entry.name for entry in tables() if any(field.rules.purpose == purpose for field in entry.fields)]
    held_in += [store.title for store in STORES if any(each.purpose == purpose for each in store.fields)]
    return Activity(
        purpose,
        PURPOSES.get(purpose, purpose),
        tuple(BASES[basis] for basis in BASES if any(each.legal_basis == basis for each in rules)),
        tuple(sorted({each.subject for each in rules})),
        tuple(sorted({category_words(each.category) for each in rules})),
        tuple(sorted({recipient for each in rules for recipient in each.recipients})),
        tuple(words for kept, words in KEPT.items() if any(each.retention == kept for each in rules)),
        tuple(held_in),
    )


def _json(record: ProcessingRecord) -> str:
    return json.dumps(asdict(record), ensure_ascii=False, indent=2, sort_keys=True) + "\n"


def _csv(record: ProcessingRecord) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(("activity", "purpose", "legal bases", "data subjects", "data", "recipients", "kept", "stores"))
    for each in record.activities:
        lists = (each.legal_bases, each.subjects, each.data, each.recipients, each.kept, each.stores)
        writer.writerow((each.name, each.purpose, *("; ".join(values) for values in lists)))
    return out.getvalue()


def _markdown(record: ProcessingRecord) -> str:
    lines = [
        "# Record of processing activities (GDPR Art. 30(1))",
        "",
        f"- Controller: {', '.join(filter(None, (record.controller, record.company, record.place)))}",
        f"- Contact: {record.contact}",
        f"- Sites: {', '.join(record.sites)}",
        f"- Regions: {', '.join(f'{name} {region}' for name, region in record.regions.items())}",
        "",
    ]
    for each in record.activities:
        lines += [f"## {each.purpose}", ""]
        facts: Sequence[tuple[str, tuple[str, ...]]] = (
            ("Legal basis", each.legal_bases),
            ("Data subjects", each.subjects),
            ("Data", each.data),
            ("Recipients", each.recipients or ("none",)),
            ("Kept", each.kept),
            ("Where", each.stores),
        )
        lines += [f"- {name}: {'; '.join(values)}" for name, values in facts]
        lines.append("")
    lines += [
        "## Recipients and transfers",
        "",
        "| Recipient | Receives | Where | Safeguard |",
        "| --- | --- | --- | --- |",
    ]
    lines += [f"| {r.name} | {r.receives} | {r.region} | {r.safeguard or 'not named'} |" for r in record.recipients]
    lines += ["", "## Security", "", *(f"- {measure}" for measure in record.security)]
    return "\n".join(lines) + "\n"
