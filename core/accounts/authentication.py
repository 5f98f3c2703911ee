"""Signing in: the password, then the second factor where there is one."""

from typing import Any, cast

import jwt
from sqlalchemy import select, update
from sqlalchemy.engine import CursorResult

from core.accounts.devices import device_words, place_of
from core.accounts.domain import Account, SignedIn, clean_email
from core.accounts.hashing import hash_password, is_weaker, password_matches
from core.accounts.letters import tell
from core.accounts.models import AccountRow
from core.accounts.queries import account_view
from core.accounts.second_factor import check_code
from core.accounts.sessions import open_session
from core.accounts.standing import suspended
from core.accounts.throttle import admit_try, clear_try, client_network
from core.accounts.tokens import issue_challenge, read_challenge
from core.platform.ratelimits import is_remembered, remember
from core.platform.runtime import Runtime
from core.shared.errors import Forbidden, InvalidInput


def sign_in(
    runtime: Runtime,
    *,
    email: str,
    password: str,
    device: str = "",
    client_host: str | None = None,
    code: str | None = None,
) -> SignedIn:
    """Check a password, and a code where the second factor is on, and open a session.

    An unknown address takes as long as a known one and gets the same answer. `client_host` is where the request
    comes from. Raises Forbidden INVALID_CREDENTIALS; SECOND_FACTOR_REQUIRED where only the code is missing (its
    `challenge` lets `finish_sign_in` go on without the password) or WRONG_CODE; ACCOUNT_SUSPENDED, once all else was
    right; LimitExceeded after too many tries (`throttle`).
    """
    wrong = Forbidden("INVALID_CREDENTIALS", "The address or the password is wrong.")
    try:
        address = clean_email(email)
    except InvalidInput:
        raise wrong from None
    client = client_network(client_host)
    admit_try(runtime, address, client)
    index = runtime.vault.blind_index("email", address)
    with runtime.database.read() as session:
        row = session.scalar(select(AccountRow).where(AccountRow.email_index == index))
    if not password_matches(runtime, password, row.password_hash if row else None) or row is None:
        raise wrong
    if row.password_hash is not None and is_weaker(runtime, row.password_hash):
        _hash_anew(runtime, row, password)
    account = account_view(runtime, row)
    if account.has_second_factor and not code:
        challenge = issue_challenge(runtime, account.id, row.password_hash or "")
        message = "Enter the code of your authenticator app too."
        raise Forbidden("SECOND_FACTOR_REQUIRED", message, field="code", challenge=challenge)
    if account.has_second_factor:
        check_code(runtime, account.id, code)
    return _open(runtime, account, row.password_hash, device, client, wrong)


def finish_sign_in(
    runtime: Runtime, *, challenge: str, code: str, device: str = "", client_host: str | None = None
) -> SignedIn:
    """The second half of a sign-in, within five minutes after the first and before the password is changed.

    Raises Forbidden CHALLENGE_ENDED, SECOND_FACTOR_REQUIRED, WRONG_CODE, ACCOUNT_SUSPENDED; LimitExceeded.
    """
    ended = Forbidden("CHALLENGE_ENDED", "That took too long. Sign in again.")
    account_id = _challenged(challenge)
    with runtime.database.read() as session:
        row = session.get(AccountRow, account_id) if account_id else None
    if row is None or not read_challenge(runtime, challenge, row.id, row.password_hash or ""):
        raise ended
    check_code(runtime, row.id, code)
    account, client = account_view(runtime, row), client_network(client_host)
    return _open(runtime, account, row.password_hash, device, client, ended)


def _open(
    runtime: Runtime, account: Account, hashed: str | None, device: str, client: str, too_late: Forbidden
) -> SignedIn:
    """Open the session, unless the password that was checked was replaced meanwhile."""
    clear_try(runtime, account.email, client)
    words = device_words(device)
    place = place_of(account.id, device, client)
    known = is_remembered(runtime, "device", place)
    with runtime.database.write() as session:
        same = (AccountRow.id == account.id, AccountRow.password_hash == hashed)
        asked = select(AccountRow.signed_in_at, AccountRow.suspended_at).where(*same)
        row = session.execute(asked.with_for_update()).one_or_none()
        if row is None:
            raise too_late
        if row.suspended_at is not None:
            raise suspended()
        signed_in = open_session(runtime, session, account, device)
        if not known and row.signed_in_at is not None:
            tell(runtime, session, account, "new_sign_in", {"device": words})
    remember(runtime, "device", place)
    return signed_in


def _hash_anew(runtime: Runtime, row: AccountRow, password: str) -> None:
    # Only where nobody changed the password meanwhile.
    same = (AccountRow.id == row.id, AccountRow.password_hash == row.password_hash)
    hashed = hash_password(runtime, password)
    with runtime.database.write() as session:
        done = session.execute(update(AccountRow).where(*same).values(password_hash=hashed))
    if cast(CursorResult[Any], done).rowcount == 1:
        row.password_hash = hashed


def _challenged(challenge: str) -> str | None:
    """Whom a challenge names, not proven yet: it says where to look for the proof."""
    try:
        named = jwt.decode(challenge, options={"verify_signature": False}).get("sub")
    except jwt.PyJWTError:
        return None
    return named if isinstance(named, str) and len(named) <= 36 else None
