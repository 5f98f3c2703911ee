"""P01, P02, P03, P13, P14, P24: what lies in the database, looked at there and not where it is declared."""

from sqlalchemy import func, inspect, select

from core.accounts.proofs import password_hashes, secrets_that_open
from core.platform.runtime import Runtime
from core.privacy.checks.finding import Finding, broken, counted, kept
from core.privacy.inventory import find_table, tables, undeclared, unowned
from core.privacy.policies.queries import current_version
from core.privacy.policies.tables import declared
from core.privacy.retention.oldest import oldest_logs
from core.privacy.wording import PURPOSES

OTHERS = ("procrastinate_", "alembic_version", "sqlite_")
"""Tables that are not ours: the queue's, which is declared as a store of its own, and the migrations'."""
LAW = ("law_10_years", "proof_5_years")


def account_data(runtime: Runtime) -> Finding:
    """P01: every column the database really has is declared."""
    live = inspect(runtime.database.engine)
    names = [name for name in live.get_table_names() if not name.startswith(OTHERS)]
    missing = len(set(names) - {entry.name for entry in tables()})
    columns = personal = 0
    for entry in tables():
        if entry.name in names:
            found = {column["name"] for column in live.get_columns(entry.name)}
            missing += len(found - set(find_table(entry.name).columns.keys()))
            columns += len(found)
            personal += len(entry.fields)
    gaps = missing + len(undeclared()) + len(unowned())
    figures = {"tables": len(names), "columns": columns, "personal": personal, "undeclared": gaps}
    if gaps:
        return broken(f"{counted(gaps, 'table or column', 'tables or columns')} that nobody declared.", **figures)
    return kept(
        f"{columns:,} columns in {len(names)} tables, {personal:,} of them about people, all declared.", **figures
    )


def passwords(runtime: Runtime) -> Finding:
    """P02: every stored password is a bcrypt hash of cost 12 or more."""
    proof = password_hashes(runtime)
    least = proof.least_cost or 0
    figures = {"passwords": proof.hashes, "least_cost": least, "not_bcrypt": proof.not_bcrypt, "weak": proof.weak}
    if proof.not_bcrypt or proof.weak:
        all_of_them = counted(proof.hashes, "stored password")
        return broken(
            f"Of {all_of_them} {proof.not_bcrypt:,} are no bcrypt hash and {proof.weak:,} have a cost below 12.",
            **figures,
        )
    if not proof.hashes:
        return kept("No password is stored yet.", **figures)
    return kept(f"{counted(proof.hashes, 'password')}, each a bcrypt hash of cost {least} or more.", **figures)


def purposes(runtime: Runtime) -> Finding:
    """P03: every purpose that anything is stored for is one the policy that counts names."""
    text = current_version(runtime, "privacy").text
    stored = {each.purpose for each in declared()}
    unnamed = {name for name in stored if PURPOSES.get(name, name) not in text}
    figures = {"purposes": len(stored), "not_in_policy": len(unnamed)}
    if unnamed:
        return broken(f"{counted(len(unnamed), 'purpose')} that the policy does not name.", **figures)
    return kept(f"Data is stored for {len(stored)} purposes, and the policy names each.", **figures)


def rows_of_nobody(runtime: Runtime) -> Finding:
    """P13: no row belongs to an account there is not, but those the law keeps."""
    accounts = find_table("accounts")
    rows = left = 0
    with runtime.database.read() as session:
        for entry in tables():
            if entry.owner is None or entry.owner.parent is not None or entry.name == "accounts":
                continue
            if entry.kept_by_law or any(field.rules.retention in LAW for field in entry.fields):
                continue
            owner = find_table(entry.name).c[entry.owner.column]
            owned = select(func.count()).select_from(owner.table).where(owner.is_not(None))
            rows += session.scalar(owned) or 0
            left += session.scalar(owned.where(owner.not_in(select(accounts.c.id)))) or 0
    if left:
        return broken(f"{counted(left, 'row')} of accounts there are not.", rows=rows, left=left)
    return kept(f"{counted(rows, 'row')} looked at, each of an account there is.", rows=rows, left=0)


def log_age(runtime: Runtime) -> Finding:
    """P14: no run that has ended is older than its owner's plan keeps runs, but for who has a reason to keep them."""
    now, found = runtime.clock.now(), oldest_logs(runtime)
    days = {each.plan: (now - each.oldest).days if each.oldest else 0 for each in found}
    late, excepted = sum(each.is_late for each in found), sum(each.excepted for each in found)
    figures = {"late_plans": late, "excepted": excepted, **{f"oldest_days_{plan}": age for plan, age in days.items()}}
    if late:
        return broken(f"Runs of {counted(late, 'plan')} are older than the plan keeps them.", **figures)
    oldest = counted(max(days.values(), default=0), "day")
    return kept(f"The oldest run that has ended is {oldest} old, none older than its plan allows.", **figures)


def secrets(runtime: Runtime) -> Finding:
    """P24: every stored secret and vendor key opens, and says with which algorithm and key it was sealed."""
    proof = secrets_that_open(runtime)
    figures = {"secrets": proof.secrets, "not_open": proof.not_open, "not_aes_256_gcm": proof.other_algorithm}
    if proof.not_open or proof.other_algorithm:
        return broken(
            f"Of {counted(proof.secrets, 'secret')} {proof.not_open:,} do not open and {proof.other_algorithm:,} are "
            "not sealed with AES-256-GCM.",
            **figures,
        )
    return kept(f"{counted(proof.secrets, 'secret')}, all sealed with AES-256-GCM under their owner's key.", **figures)
