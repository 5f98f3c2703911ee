"""People with keys of their own: address and name are sealed for each, and are found through the blind index."""

import os
from datetime import UTC, datetime, timedelta
from typing import Any, cast

from sqlalchemy import Table, insert, text

from core.accounts.models import AccountRow
from core.credits.models import CreditAccount
from core.platform.keystore import DATA_KEYS, version_of
from core.platform.runtime import Runtime
from core.shared.money import MICROS

FIRST = ("Ada", "Jean", "Maryam", "Sofia", "Kwame", "Lena", "Mateo", "Yuki", "Nadia", "Oskar", "Priya", "Tomás")
LAST = ("Okafor", "Dubois", "Lindqvist", "Rossi", "Haddad", "Novák", "Silva", "Tanaka", "Meyer", "Kowalska", "Sharma")
SINCE = timedelta(days=730)
AT_ONCE = 5_000
GRANTED = {"free": 50, "starter": 1_000, "pro": 5_000, "enterprise": 0}


def address_of(rank: int) -> str:
    """The address of somebody by rank."""
    return f"{FIRST[rank % len(FIRST)].lower()}.{LAST[rank % len(LAST)].lower()}.{rank}@example.org"


def plan_of(rank: int) -> str:
    """Seven in ten are on Free."""
    if rank % 10 < 7:
        return "pro" if rank == 0 else "free"
    return "starter" if rank % 10 < 9 else "enterprise" if rank % 50 == 49 else "pro"


def add_people(runtime: Runtime, number: int) -> list[str]:
    """So many, and the table `town` that has them by rank until the town stands. Answers the ids by rank."""
    now = runtime.clock.now()
    ids = [_id(now - SINCE * (1 - rank / number), rank) for rank in range(number)]
    with runtime.database.write() as session:
        session.execute(text("CREATE TABLE town (rank INTEGER PRIMARY KEY, id VARCHAR(36), plan VARCHAR(20))"))
    for first in range(0, number, AT_ONCE):
        ranks = range(first, min(first + AT_ONCE, number))
        _make_keys(runtime, [ids[rank] for rank in ranks])
        rows = [_account(runtime, rank, ids[rank], now - SINCE * (1 - rank / number), now) for rank in ranks]
        credits = [_credits(row, now) for row in rows]
        with runtime.database.write() as session:
            session.execute(insert(cast(Table, AccountRow.__table__)), rows)
            session.execute(insert(cast(Table, CreditAccount.__table__)), credits)
            town = [{"rank": rank, "id": row["id"], "plan": row["plan"]} for rank, row in zip(ranks, rows, strict=True)]
            session.execute(text("INSERT INTO town (rank, id, plan) VALUES (:rank, :id, :plan)"), town)
    return ids


def _id(at: datetime, rank: int) -> str:
    ms = int(at.timestamp() * 1000)
    return f"{ms >> 16:08x}-{ms & 0xFFFF:04x}-7000-9000-{rank:012x}"


def _make_keys(runtime: Runtime, ids: list[str]) -> None:
    """As `vault.adopt` makes them, in one transaction."""
    store = runtime.vault._keys
    version = version_of(store._masters[0])
    made = [
        {
            "subject_id": each, "wrapped_key": store._wrap(each, os.urandom(32)), "master_version": version,
            "created_at": datetime.now(UTC),
        }
        for each in ids
    ]  # fmt: skip
    with store._write() as connection:
        connection.execute(insert(DATA_KEYS), made)


def _account(runtime: Runtime, rank: int, account_id: str, since: datetime, now: datetime) -> dict[str, Any]:
    address, name = address_of(rank), f"{FIRST[rank % len(FIRST)]} {LAST[rank % len(LAST)]}"
    vault = runtime.vault
    return {
        "id": account_id,
        "email_index": vault.blind_index("email", address),
        "email": vault.seal_text(account_id, f"accounts.email:{account_id}", address),
        "name": vault.seal_text(account_id, f"accounts.name:{account_id}", name) if rank % 3 else None,
        "password_hash": None,
        "plan": plan_of(rank),
        "roles": "admin" if rank % 20_000 == 19_999 else "accounting" if rank % 25_000 == 24_999 else "",
        "language": "fr" if rank % 4 == 0 else "en",
        "is_operator": False,
        "signed_up": True,
        "totp_on_at": since if rank % 6 == 0 else None,
        "signed_in_at": max(since, now - timedelta(hours=rank * 37 % 4_000)) if rank % 9 else None,
        "suspended_at": now - timedelta(days=2) if rank % 900 == 450 else None,
        "restricted_at": now - timedelta(days=5) if rank % 1_500 == 700 else None,
        "closing_at": now - timedelta(hours=3) if rank % 4_000 == 3_990 else None,
        "created_at": since,
    }


def _credits(row: dict[str, Any], now: datetime) -> dict[str, Any]:
    micros = GRANTED[row["plan"]] * MICROS
    return {
        "owner_id": row["id"], "available_micros": micros, "held_micros": 0, "spent_micros": 0,
        "granted_micros": micros, "purchased_micros": 0, "expired_micros": 0, "monthly_micros": micros, "month": 1,
        "movements": 1, "head": b"\0" * 32, "month_began_micros": 0, "month_ends_at": now + timedelta(days=20),
        "month_plan": row["plan"], "month_granted_micros": micros,
    }  # fmt: skip
