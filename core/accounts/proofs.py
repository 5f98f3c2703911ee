"""Proofs about what is stored of people, in numbers only: for the checks of promises."""

import re
from dataclasses import dataclass

from sqlalchemy import select

from core.accounts.models import AccountRow, OwnKeyRow, SecretRow
from core.platform.runtime import Runtime
from core.platform.vault import ALGORITHM, KEY_VERSION
from core.shared.errors import AppError

LEAST_COST = 12
BCRYPT = re.compile(r"\$2[aby]\$(\d\d)\$[./A-Za-z0-9]{53}")


@dataclass(frozen=True, slots=True)
class PasswordProof:
    """Of the stored passwords: how many, how many are no bcrypt hash, how many of too low a cost, the lowest cost."""

    hashes: int
    not_bcrypt: int
    weak: int
    least_cost: int | None


@dataclass(frozen=True, slots=True)
class SecretProof:
    """Of the stored secrets and vendor keys: how many, how many do not open, how many say another algorithm or key."""

    secrets: int
    not_open: int
    other_algorithm: int


def password_hashes(runtime: Runtime) -> PasswordProof:
    """Look at the form of every stored password."""
    stored = select(AccountRow.password_hash).where(AccountRow.password_hash.is_not(None))
    with runtime.database.read() as session:
        found = [BCRYPT.fullmatch(each or "") for each in session.scalars(stored)]
    costs = [int(match[1]) for match in found if match is not None]
    weak = sum(cost < LEAST_COST for cost in costs)
    return PasswordProof(len(found), found.count(None), weak, min(costs, default=None))


def secrets_that_open(runtime: Runtime) -> SecretProof:
    """Open every stored secret and vendor key; nothing of them is kept or told."""
    secrets = select(SecretRow.account_id, SecretRow.id, SecretRow.value, SecretRow.algorithm, SecretRow.key_version)
    keys = select(OwnKeyRow.account_id, OwnKeyRow.id, OwnKeyRow.secret)
    total = closed = other = 0
    with runtime.database.read() as session:
        for owner, row, value, algorithm, version in session.execute(secrets).tuples():
            total += 1
            closed += not _opens(runtime, owner, f"secrets.value:{row}", value)
            other += (algorithm, version) != (ALGORITHM, KEY_VERSION)
        for owner, row, value in session.execute(keys).tuples():
            total += 1
            closed += not _opens(runtime, owner, f"own_keys.secret:{row}", value)
    return SecretProof(total, closed, other)


def _opens(runtime: Runtime, owner: str, where: str, sealed: bytes) -> bool:
    try:
        runtime.vault.open(owner, where, sealed)
    except AppError:
        return False
    return True
