"""Making an account of one's own: an address is proven by a mailed code, then a password is chosen.

Whoever asks learns nothing about who has an account: a known address gets the same answer after the same work, and
its owner a mail that says so.
"""

import secrets
from collections.abc import Mapping
from datetime import datetime, timedelta
from hmac import compare_digest
from typing import Any, cast

from sqlalchemy import delete, exists, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import CursorResult
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from core.accounts.devices import place_of
from core.accounts.domain import Admission, SignedIn, check_password, clean_email, clean_language, clean_name
from core.accounts.invitations import find_admission, use_invitation
from core.accounts.letters import tell
from core.accounts.models import AccountRow, SignUpCodeRow
from core.accounts.new_accounts import add_account, new_account
from core.accounts.queries import account_view
from core.accounts.sessions import open_session
from core.accounts.throttle import client_network
from core.platform.mail.postings import enqueue_mail
from core.platform.ratelimits import count_try, remember, take_back_try
from core.platform.runtime import Runtime
from core.shared.errors import Forbidden, InvalidInput, LimitExceeded

CODE_LIFE = timedelta(minutes=10)
CODE_EVERY = timedelta(seconds=60)
CODE_TRIES = 5
CODES_A_DAY, CODES_A_CLIENT, TRIES_A_CLIENT = 20, 30, 60
HOUR, DAY = 3600, 24 * 3600


def request_code(runtime: Runtime, *, email: str, language: str = "en", client_host: str | None = None) -> int:
    """Mail a code to an address; answers for how many seconds it counts.

    Raises InvalidInput, Forbidden SIGNUP_CLOSED, LimitExceeded (one code a minute to an address).
    """
    if runtime.settings.signup == "closed":
        raise _closed()
    address, spoken = clean_email(email), clean_language(language)
    _limit(runtime, "sign-up-codes", client_host, CODES_A_CLIENT)
    count_try(runtime, "sign-up-address", address, limit=CODES_A_DAY, seconds=DAY)
    now, index = runtime.clock.now(), runtime.vault.blind_index("email", address)
    code = f"{secrets.randbelow(1_000_000):06d}"
    with runtime.database.write() as session:
        known = session.scalar(select(AccountRow).where(AccountRow.email_index == index))
        # Nobody can guess what was never a code.
        hashed = _hash(runtime, address, code if known is None else secrets.token_hex(16))
        fresh = {"code_hash": hashed, "tries_left": CODE_TRIES, "sent_at": now, "expires_at": now + CODE_LIFE}
        insert = sqlite.insert if runtime.database.is_sqlite else postgresql.insert
        statement = insert(SignUpCodeRow).values(email_index=index, **fresh)
        statement = statement.on_conflict_do_update(
            index_elements=["email_index"], set_=fresh, where=SignUpCodeRow.sent_at <= now - CODE_EVERY
        )
        written = session.scalar(statement.returning(SignUpCodeRow.sent_at))
        if written is not None:
            _mail(runtime, session, address, code, known, spoken)
        sent_at = written or session.scalar(select(SignUpCodeRow.sent_at).where(SignUpCodeRow.email_index == index))
    if written is None:
        take_back_try(runtime, "sign-up-address", address, seconds=DAY)  # nothing was mailed
        wait = (sent_at + CODE_EVERY - now).total_seconds() if sent_at else CODE_EVERY.total_seconds()
        raise LimitExceeded(
            "CODE_JUST_SENT",
            "A code was sent to this address less than a minute ago. Look for it, also among unwanted mail.",
            retry_after=max(1.0, wait),
        )
    return int(CODE_LIFE.total_seconds())


def register(
    runtime: Runtime,
    *,
    email: str,
    password: str,
    code: str,
    name: str | None = None,
    invitation: str | None = None,
    language: str = "en",
    device: str = "",
    client_host: str | None = None,
    policies: Mapping[str, str] | None = None,
) -> SignedIn:
    """Make an account for a proven address, and sign its person in. `policies`: the versions they were shown.

    Raises Forbidden SIGNUP_CLOSED, INVITATION_NEEDED or INVITATION_INVALID; InvalidInput, also INVALID_CODE for a
    code that is wrong, old or tried too often; LimitExceeded.
    """
    address, shown = clean_email(email), clean_name(name)
    check_password(password, hints=(address, shown or ""))
    admission = admit(runtime, address, invitation)
    _limit(runtime, "sign-up-tries", client_host, TRIES_A_CLIENT)
    row = new_account(
        runtime, email=address, password=password, name=shown, plan=admission.plan, roles=admission.roles,
        language=language, signed_up=admission.invitation_id is None,
    )  # fmt: skip
    signed_in: SignedIn | None = None
    try:
        with runtime.database.write() as session:
            signed_in = _take(runtime, session, address, code, row, admission, device, policies)
    except IntegrityError:  # somebody was first with this address, which the code does not prove any more
        pass
    finally:
        if signed_in is None:
            runtime.vault.forget(row.id)  # the key that was made for it
    if signed_in is None:
        raise InvalidInput(
            "INVALID_CODE", "This code is wrong, older than 10 minutes or was tried too often. Ask for another.",
            field="code",
        )  # fmt: skip
    remember(runtime, "device", place_of(signed_in.account.id, device, client_network(client_host)))
    return signed_in


def admit(runtime: Runtime, address: str, invitation: str | None) -> Admission:
    """What somebody may register as. Raises Forbidden."""
    policy = runtime.settings.signup
    if policy == "closed":
        raise _closed()
    if invitation:
        return find_admission(runtime, invitation, address)
    if policy == "invite":
        raise Forbidden(
            "INVITATION_NEEDED", "Accounts here are made by invitation. Ask an admin of this installation for one."
        )
    return Admission("free")


def delete_old_codes(runtime: Runtime, *, before: datetime) -> int:
    """Delete codes that ended before a moment; returns how many."""
    with runtime.database.write() as session:
        done = session.execute(delete(SignUpCodeRow).where(SignUpCodeRow.expires_at < before))
        return cast(CursorResult[Any], done).rowcount


def _take(
    runtime: Runtime,
    session: Session,
    address: str,
    code: str,
    row: AccountRow,
    admission: Admission,
    device: str,
    policies: Mapping[str, str] | None,
) -> SignedIn | None:
    """One try at the code: counted whatever comes of it, so it returns where it fails instead of raising."""
    index, now = runtime.vault.blind_index("email", address), runtime.clock.now()
    alive = (
        SignUpCodeRow.email_index == index,
        SignUpCodeRow.tries_left > 0,
        SignUpCodeRow.expires_at > now,
    )
    tried = update(SignUpCodeRow).where(*alive).values(tries_left=SignUpCodeRow.tries_left - 1)
    kept = session.scalar(tried.returning(SignUpCodeRow.code_hash))
    if kept is None or not compare_digest(kept, _hash(runtime, address, "".join(code.split()))):
        return None
    session.execute(delete(SignUpCodeRow).where(SignUpCodeRow.email_index == index))
    if session.scalar(select(exists().where(AccountRow.email_index == index))):
        return None
    invited_by = use_invitation(runtime, session, admission, row.id)
    add_account(runtime, session, row, "invitation" if invited_by else "sign-up", invited_by, policies)
    return open_session(runtime, session, account_view(runtime, row), device)


def _mail(runtime: Runtime, session: Session, address: str, code: str, known: AccountRow | None, language: str) -> None:
    if known is not None:
        tell(runtime, session, account_view(runtime, known), "address_known")
        return
    values = {"code": code, "minutes": str(int(CODE_LIFE.total_seconds() // 60))}
    cause = f"confirm_address:{runtime.ids.new()}"
    enqueue_mail(runtime, session, kind="confirm_address", to=address, values=values, cause=cause, language=language)


def _limit(runtime: Runtime, kind: str, client_host: str | None, limit: int) -> None:
    client = client_network(client_host)
    if client:
        count_try(runtime, kind, client, limit=limit, seconds=HOUR)


def _closed() -> Forbidden:
    return Forbidden("SIGNUP_CLOSED", "This installation takes no new accounts.")


def _hash(runtime: Runtime, address: str, code: str) -> bytes:
    return runtime.vault.blind_index("sign-up-code", f"{address} {code}")
