"""Every stored row of everybody, with all that is sealed in it opened."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import LargeBinary, select

from core.platform.database import Base
from core.platform.registry import load_models
from core.platform.runtime import Runtime
from core.shared.errors import AppError

HASHES = frozenset(
    {
        "account_links.token_hash",
        "accounts.email_index",
        "api_keys.key_hash",
        "audit_head.hash",
        "audit_log.hash",
        "credit_accounts.head",
        "erasure_certificates.before",
        "erasure_certificates.hash",
        "erasures.address_index",
        "files.fingerprint",
        "idempotency_keys.key",
        "idempotency_keys.sent",
        "invitations.email_index",
        "invitations.token_hash",
        "ledger_transactions.hash",
        "mail_outbox.cause",
        "rate_windows.key",
        "recovery_codes.code_hash",
        "reviews.link_hash",
        "secrets.name_index",
        "sessions.token_hash",
        "setup_tokens.token_hash",
        "sign_up_codes.code_hash",
        "sign_up_codes.email_index",
        "step_runs.fingerprint",
    }
)
"""Binary columns that seal nothing. Any other one has to open."""


def stored_values(runtime: Runtime) -> Iterator[tuple[str, bytes]]:
    """`table.column:row` and the value in it, sealed values opened. Raises when a sealed one opens for nobody."""
    load_models()
    owners = _owners(runtime)
    for table in Base.metadata.sorted_tables:
        with runtime.database.read() as session:
            rows = session.execute(select(table)).mappings().all()
        for row in rows:
            parts = [row[column.name] for column in table.primary_key]
            key = "/".join(part.hex() if isinstance(part, bytes) else str(part) for part in parts)
            for column in table.columns:
                value, name = row[column.name], f"{table.name}.{column.name}"
                if value is None:
                    continue
                if isinstance(column.type, LargeBinary) and name not in HASHES:
                    value = _open(runtime, owners, dict(row), f"{name}:{key}", value)
                yield f"{name}:{key}", value if isinstance(value, bytes) else str(value).encode()


def _owners(runtime: Runtime) -> set[str]:
    accounts = Base.metadata.tables["accounts"]
    with runtime.database.read() as session:
        return set(session.scalars(select(accounts.c.id)))


def _open(runtime: Runtime, owners: set[str], row: dict[str, Any], where: str, value: bytes) -> bytes:
    for owner in owners:
        try:
            return runtime.vault.open(owner, where, value)
        except AppError:
            continue
    whose = row.get("account_id") or row.get("owner_id")
    if whose is not None and whose not in owners:
        return value  # of somebody erased, with whom the key went: nobody opens it any more
    raise AssertionError(f"{where} is sealed for nobody, or under another name")
