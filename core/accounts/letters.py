"""Mails about a person's own account, in their language, written with the act that causes them."""

from collections.abc import Mapping

from sqlalchemy.orm import Session

from core.accounts.domain import Account
from core.platform.mail.domain import KINDS
from core.platform.mail.postings import enqueue_mail
from core.platform.runtime import Runtime

SECURITY, LOGIN, FORGOT = "/app/profile", "/auth/login", "/auth/forgot"


def tell(
    runtime: Runtime,
    session: Session,
    account: Account,
    kind: str,
    values: Mapping[str, str] | None = None,
    *,
    to: str | None = None,
    cause: str | None = None,
) -> bool:
    """Write a mail to a person, in the caller's transaction. `when` and the usual addresses need not be given.

    Answers whether it was written: False for a cause that was mailed before, and for who has no address.

    `to`: another address than theirs, sealed with their key all the same. `cause`: mailed once for it.
    """
    address = to or account.email
    if not address:
        return False  # the operator has none
    common = {
        "when": f"{runtime.clock.now():%Y-%m-%d %H:%M} UTC",
        "security_url": runtime.settings.public_url + SECURITY,
        "login_url": runtime.settings.public_url + LOGIN,
        "reset_url": runtime.settings.public_url + FORGOT,
    }
    filled = {name: value for name, value in common.items() if name in KINDS[kind].values}
    return enqueue_mail(
        runtime, session, kind=kind, to=address, values={**filled, **(values or {})},
        cause=cause or f"{kind}:{runtime.ids.new()}", account_id=account.id, language=account.language,
    )  # fmt: skip
