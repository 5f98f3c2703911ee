"""Stores that are no tables of the database: what each holds about a person, where it lies, and how it is emptied.

The same record as a column has, so that export, erasure, scan and the documents treat both alike. A place that keeps
bytes of a person and is missing here is a mistake, and the tests that plant a person everywhere are there to find it.
"""

from dataclasses import dataclass
from typing import Literal

from core.platform.annotations import Personal

StoreKind = Literal["files", "database", "queue", "log", "memory", "recipient", "backup"]
MAIL = "transactional mail"


@dataclass(frozen=True, slots=True)
class Store:
    """A store. `where` is said for people: a folder, a server, a company. `outside`: not under our own hands."""

    name: str
    title: str
    kind: StoreKind
    where: str
    fields: tuple[Personal, ...]
    outside: bool = False


def _held(category: str, purpose: str, label: str, **rules: object) -> Personal:
    return Personal("account holder", category, purpose, label, **rules)  # type: ignore[arg-type]


STORES = (
    Store(
        "blobs",
        "Contents of files",
        "files",
        "data folder, blobs/",
        (
            _held(
                "user.content", "service", "Contents of your files", export="portable", erase="shred-key",
                retention="plan_logs", anchor="files.last_used_at",
            ),
        ),
    ),
    Store(
        "keys",
        "Key store",
        "database",
        "a database of its own, kept apart",
        (_held("user.unique_id", "security", "Key that your data is sealed with", origin="derived", export="never"),),
    ),
    Store(
        "mail_folder",
        "Mails where no mail server is configured",
        "files",
        "data folder, mail/",
        (
            _held(
                "user.contact.email", MAIL, "Mails written to you", origin="observed", retention="short_lived",
                anchor="time of the file",
            ),
        ),
    ),
    Store(
        "exports",
        "Copies of your data that you asked for",
        "files",
        "data folder, exports/",
        (
            _held(
                "user.content", "data subject requests", "Copy of your data, until it is fetched or 7 days are over",
                origin="derived", export="never", erase="shred-key", retention="short_lived",
                legal_basis="legal_obligation", legal_ref="GDPR Art. 15 and 20",
            ),
        ),
    ),
    Store(
        "queue",
        "Queue of runs",
        "queue",
        "tables of the queue, where PostgreSQL is used",
        (_held("user.unique_id", "service", "Opaque ids of runs that wait", origin="observed", export="never"),),
    ),
    Store(
        "tombstones",
        "List of erased accounts",
        "files",
        "data folder, tombstones/, and the key store: ids and times only",
        (
            _held(
                "user.unique_id", "data subject requests", "Opaque id of an account that is no more, so that no backup "
                "brings it back", origin="derived", export="never", erase="retain-until(law)",
                legal_basis="legal_obligation", legal_ref="GDPR Art. 5(1)(e), 17 and 32", retention="law_10_years",
            ),
        ),
    ),
    Store(
        "lake",
        "Events of use",
        "files",
        "data folder, lake/, or the bucket of LAKE_URL: hours, words of a list, coarse numbers; an id of a day until "
        "that day's key is destroyed",
        (
            _held(
                "user.behavior", "analytics", "Use of today and yesterday, under an id of the day", origin="derived",
                export="never", erase="rewrite-file", legal_basis="legitimate_interests",
                legal_ref="GDPR Art. 6(1)(f)", retention="short_lived", anchor="the hour", when_restricted="block",
            ),
        ),
    ),
    Store(
        "lake_cache",
        "Copies of events for reading",
        "files",
        "data folder, lake-cache/, where the lake is a bucket: of days over alone, with no id; a file of a day that is "
        "not over is there while it is made",
        (
            _held(
                "user.behavior", "analytics", "Use of today, while its file is made", origin="derived", export="never",
                erase="rewrite-file", legal_basis="legitimate_interests", legal_ref="GDPR Art. 6(1)(f)",
                retention="short_lived", anchor="the hour", when_restricted="block",
            ),
        ),
    ),
    Store("log", "Log of the process", "log", "standard error of each process: opaque ids, never content", ()),
    Store(
        "memory",
        "Memory of a process",
        "memory",
        "caches of keys and sessions, gone with the process",
        (_held("user.unique_id", "security", "Keys in use", origin="derived", export="never", erase="expire"),),
    ),
    Store(
        "mail_server",
        "Mail server",
        "recipient",
        "the server of SMTP_URL",
        (
            _held(
                "user.contact.email", MAIL, "Address and mails sent to you", erase="expire", export="never",
                recipients=("mail server",),
            ),
        ),
        outside=True,
    ),
    Store(
        "stripe",
        "Stripe",
        "recipient",
        "Stripe, where payment is configured",
        (
            _held(
                "user.financial", "billing", "You as a customer: address, payments, invoices", erase="provider-call",
                recipients=("stripe",), export="never", retention="law_10_years",
            ),
        ),
        outside=True,
    ),
    Store(
        "models",
        "Providers of models",
        "recipient",
        "the provider that each step names",
        (
            _held(
                "user.content", "service", "Prompts and inputs of model calls", erase="expire", export="never",
                retention="short_lived", anchor="the provider's own terms",
            ),
        ),
        outside=True,
    ),
    Store(
        "posthog",
        "PostHog",
        "recipient",
        "PostHog in the EU, where it is configured",
        (
            _held(
                "user.behavior", "analytics", "Anonymous use of features", origin="observed", export="never",
                erase="provider-call", legal_basis="legitimate_interests", legal_ref="GDPR Art. 6(1)(f)",
                recipients=("posthog",), when_restricted="block",
            ),
        ),
        outside=True,
    ),
    Store(
        "backups",
        "Backups",
        "backup",
        "files that an operator wrote with `stepiq backup`",
        (
            _held(
                "user.content", "security", "What was stored when the backup was made", erase="shred-key",
                export="never", origin="derived",
            ),
        ),
    ),
)  # fmt: skip
