"""Copies of people whose account is suspended: they cannot sign in, so a link is mailed that fetches the copy, once.

It works while the account is suspended and the copy is there. Whoever holds it reads the mails of the account's
address, which is also what showed who asked.
"""

from typing import cast

from sqlalchemy.orm import Session

from core.accounts.letters import tell
from core.accounts.links import invalid
from core.accounts.queries import account_of
from core.accounts.standing import standing_of
from core.platform.runtime import Runtime
from core.privacy.domain import LINK_LIFE, Right
from core.privacy.export.fetching import Fetch, fetch_for
from core.privacy.letters import tell_fulfilled
from core.privacy.links import add_link, request_of_link
from core.privacy.models import PrivacyRequestRow
from core.privacy.rights import title_of

COPY = "/privacy/copy"


def tell_carried_out(runtime: Runtime, session: Session, row: PrivacyRequestRow, *, suspended: bool) -> None:
    """That a request was carried out; with a link to its copy where the person cannot sign in to fetch it."""
    tell_fulfilled(runtime, session, row)
    if not suspended or row.right not in ("access", "portability"):
        return
    account = account_of(runtime, session, row.account_id)
    values = {
        "right": title_of(cast(Right, row.right), account.language),
        "copy_url": f"{runtime.settings.public_url}{COPY}?token={add_link(runtime, session, row.id)}",
        "days": str(LINK_LIFE.days),
    }
    tell(runtime, session, account, "privacy_copy", values, cause=f"privacy_copy:{row.id}")


def check_copy_link(runtime: Runtime, token: str) -> tuple[str, str]:
    """Whose copy a link fetches, and that of which request. Raises Forbidden LINK_INVALID."""
    with runtime.database.read() as session:
        row = session.get_one(PrivacyRequestRow, request_of_link(runtime, session, token))
        found = row.account_id, row.id
    if standing_of(runtime, found[0]).suspended_at is None:
        raise invalid()  # they can sign in, and fetch it with their password
    return found


def fetch_by_link(runtime: Runtime, token: str) -> Fetch:
    """The copy a link is for; fetched whole it is used up. Raises Forbidden LINK_INVALID, NotFound."""
    return fetch_for(runtime, *check_copy_link(runtime, token))
