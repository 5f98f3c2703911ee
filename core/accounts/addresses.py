"""A change of address: confirmed at the new one, announced at the old one, which can take it back for a week."""

from sqlalchemy import exists, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from core.accounts.audit import record_act
from core.accounts.domain import SessionView, clean_email
from core.accounts.letters import tell
from core.accounts.links import LIVES, end_later_undos, end_links, make_link, read_link, use_link
from core.accounts.models import AccountRow
from core.accounts.postings import end_sessions
from core.accounts.queries import account_view
from core.accounts.second_factor import forget_factor
from core.accounts.sessions import check_confirmed
from core.platform.ratelimits import count_try
from core.platform.runtime import Runtime
from core.shared.errors import Conflict, InvalidInput

ASKED, HOUR = 10, 3600


def ask_address_change(runtime: Runtime, view: SessionView, new: str) -> None:
    """Mail a link to the new address. Whether somebody else has it is not told here: its owner gets a mail.

    Raises InvalidInput, Forbidden CONFIRM_PASSWORD, LimitExceeded.
    """
    check_confirmed(runtime, view)
    account, address = view.account, clean_email(new)
    if address == account.email:
        raise InvalidInput("SAME_ADDRESS", "This is your address already.", field="email")
    count_try(runtime, "address-change", account.id, limit=ASKED, seconds=HOUR)
    index = runtime.vault.blind_index("email", address)
    site = runtime.settings.public_url
    with runtime.database.write() as session:
        taken = session.scalar(select(AccountRow).where(AccountRow.email_index == index))
        token = make_link(runtime, session, "address", account.id, address=address)
        if taken is not None:
            tell(runtime, session, account_view(runtime, taken), "address_known")
            return
        hours = str(int(LIVES["address"].total_seconds() // 3600))
        values = {"confirm_url": f"{site}/auth/address/confirm?token={token}", "hours": hours}
        tell(runtime, session, account, "address_confirm", values, to=address)


def check_address_link(runtime: Runtime, token: str, *, undo: bool = False) -> None:
    """Raises Forbidden LINK_INVALID for a link that changes nothing any more."""
    with runtime.database.read() as session:
        read_link(runtime, session, "address_undo" if undo else "address", token)


def confirm_address(runtime: Runtime, token: str) -> None:
    """Change the address with the link mailed to the new one; the old one is told, with a link that takes it back.

    Raises Forbidden LINK_INVALID, Conflict EMAIL_TAKEN.
    """
    with runtime.database.write() as session:
        used = use_link(runtime, session, "address", token)
        account_id, address = used.account_id, used.address
        assert address is not None
        account = account_view(runtime, session.get_one(AccountRow, account_id))
        undo = make_link(runtime, session, "address_undo", account_id, address=account.email)
        values = {
            "undo_url": f"{runtime.settings.public_url}/auth/address/undo?token={undo}",
            "days": str(LIVES["address_undo"].days),
        }
        tell(runtime, session, account, "address_changed", values)
        end_links(session, account_id, "reset")  # what was mailed to the old address
        _write(runtime, session, account_id, address)
        record_act(runtime, session, "account.address_changed", actor_id=account_id, subject_id=account_id)


def undo_address(runtime: Runtime, token: str) -> None:
    """Take a change back with the link mailed to the old address.

    Whoever changed it knew the password, and may hold a session and a second factor: every sign-in ends, the password
    counts no more until a new one is set by mail, and a second factor that was switched on since is off.
    Raises Forbidden LINK_INVALID, Conflict EMAIL_TAKEN.
    """
    with runtime.database.write() as session:
        used = use_link(runtime, session, "address_undo", token)
        account_id, address = used.account_id, used.address
        assert address is not None
        end_links(session, account_id, "reset", "address")
        end_later_undos(session, account_id, used.created_at)
        end_sessions(runtime, session, account_id)
        _write(runtime, session, account_id, address)
        row = session.get_one(AccountRow, account_id)
        row.password_hash = None
        if row.totp_on_at is not None and row.totp_on_at >= used.created_at:
            forget_factor(runtime, session, account_view(runtime, row), actor_id=account_id)
        record_act(runtime, session, "account.address_restored", actor_id=account_id, subject_id=account_id)


def _write(runtime: Runtime, session: Session, account_id: str, address: str) -> None:
    index = runtime.vault.blind_index("email", address)
    taken = Conflict("EMAIL_TAKEN", "Another account has this address now. Nothing was changed.")
    if session.scalar(select(exists().where(AccountRow.email_index == index, AccountRow.id != account_id))):
        raise taken
    row = session.get_one(AccountRow, account_id)
    row.email_index = index
    row.email = runtime.vault.seal_text(account_id, f"accounts.email:{account_id}", address)
    try:
        session.flush()
    except IntegrityError:  # somebody was first
        raise taken from None
