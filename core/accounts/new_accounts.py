"""The row of a new account, whichever way it comes about."""

from collections.abc import Mapping

from sqlalchemy.orm import Session

from core.accounts.acceptances import write_acceptance
from core.accounts.audit import record_act
from core.accounts.domain import check_password, clean_email, clean_language, clean_name, clean_roles
from core.accounts.hashing import hash_password
from core.accounts.models import AccountRow
from core.accounts.plans import check_plan
from core.platform.runtime import Runtime


def default_plan(runtime: Runtime) -> str:
    """The plan of an account that an operator makes: without payment there is nothing to buy, so all of it."""
    return "free" if runtime.settings.stripe_secret_key else "enterprise"


def new_account(
    runtime: Runtime,
    *,
    email: str,
    password: str,
    name: str | None,
    plan: str,
    roles: tuple[str, ...] = (),
    language: str = "en",
    signed_up: bool = False,
) -> AccountRow:
    """A row to be added. Hashing takes its time, so it is made outside any transaction. Raises InvalidInput."""
    address, shown = clean_email(email), clean_name(name)
    check_password(password, hints=(address, shown or ""))
    check_plan(plan)
    account_id = runtime.ids.new()
    runtime.vault.adopt(account_id)
    return AccountRow(
        id=account_id,
        email_index=runtime.vault.blind_index("email", address),
        email=runtime.vault.seal_text(account_id, f"accounts.email:{account_id}", address),
        name=runtime.vault.seal_text(account_id, f"accounts.name:{account_id}", shown) if shown else None,
        password_hash=hash_password(runtime, password),
        plan=plan,
        roles=",".join(clean_roles(roles)),
        language=clean_language(language),
        is_operator=False,
        signed_up=signed_up,
        created_at=runtime.clock.now(),
    )


def add_account(
    runtime: Runtime,
    session: Session,
    row: AccountRow,
    way: str,
    invited_by: str | None = None,
    policies: Mapping[str, str] | None = None,
) -> None:
    """Write the row in the caller's transaction. `way` says in a word how it came about.

    `policies`: the versions by document that the person was shown, where somebody was.
    """
    session.add(row)
    session.flush()
    if policies:
        write_acceptance(runtime, session, row.id, policies, "registration")
    actor = invited_by if way == "invitation" else row.id if way == "sign-up" else None
    record_act(runtime, session, "account.made", actor_id=actor, subject_id=row.id, way=way, plan=row.plan)
