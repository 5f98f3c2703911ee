"""The second factor: codes of an authenticator app (TOTP, RFC 6238), and recovery codes for who lost it."""

import secrets
from typing import Any, cast

import pyotp
from sqlalchemy import delete, func, or_, select, update
from sqlalchemy.engine import CursorResult
from sqlalchemy.orm import Session

from core.accounts.audit import record_act
from core.accounts.domain import Account
from core.accounts.letters import tell
from core.accounts.models import AccountRow, RecoveryCodeRow
from core.accounts.postings import end_sessions
from core.accounts.queries import account_view
from core.platform.ratelimits import count_try, forget_tries
from core.platform.runtime import Runtime
from core.shared.errors import Conflict, Forbidden, InvalidInput

CODES = 10
SKEW = 1  # steps of 30 s that a clock may be early or late
TRIES, WINDOW = 10, 15 * 60
ALPHABET = "23456789abcdefghjkmnpqrstuvwxyz"  # nothing that looks like something else
ISSUER = "stepIQ"


def begin(runtime: Runtime, account: Account) -> str:
    """A fresh key to show as a picture, as an `otpauth://` address; it counts once `switch_on` saw a code of it.

    Raises Conflict where the second factor is on.
    """
    secret = pyotp.random_base32()
    sealed = runtime.vault.seal_text(account.id, _where(account.id), secret)
    with runtime.database.write() as session:
        off = (AccountRow.id == account.id, AccountRow.totp_on_at.is_(None))
        done = session.execute(update(AccountRow).where(*off).values(totp_secret=sealed, totp_last_step=None))
        if cast(CursorResult[Any], done).rowcount != 1:
            raise Conflict("SECOND_FACTOR_ON", "The second factor is on already. Switch it off to set up another.")
    return pyotp.TOTP(secret).provisioning_uri(name=account.email, issuer_name=ISSUER)


def pending_address(runtime: Runtime, account: Account) -> str | None:
    """The `otpauth://` address of a key that waits for its first code; None where there is none."""
    with runtime.database.read() as session:
        row = session.get(AccountRow, account.id)
    if row is None or row.totp_secret is None or row.totp_on_at is not None:
        return None
    return pyotp.TOTP(_secret(runtime, row)).provisioning_uri(name=account.email, issuer_name=ISSUER)


def switch_on(runtime: Runtime, account: Account, code: str) -> tuple[str, ...]:
    """Switch the second factor on with a code of the new key; answers recovery codes, to be shown once.

    Raises InvalidInput INVALID_CODE, Conflict.
    """
    count_try(runtime, "second-factor", account.id, limit=TRIES, seconds=WINDOW)
    with runtime.database.write() as session:
        row = session.get(AccountRow, account.id, with_for_update=True)
        if row is None or row.totp_secret is None or row.totp_on_at is not None:
            raise Conflict("SECOND_FACTOR_ON", "Begin again: this key is not waiting for a code.")
        step = _step_of(runtime, row, code)
        if step is None:
            raise InvalidInput(
                "INVALID_CODE", "This is not the code of now. Check the clock of your phone.", field="code"
            )
        row.totp_on_at, row.totp_last_step = runtime.clock.now(), step
        codes = _write_codes(runtime, session, account.id)
        tell(runtime, session, account, "second_factor_on")
        record_act(runtime, session, "second_factor.on", actor_id=account.id, subject_id=account.id)
    forget_tries(runtime, "second-factor", account.id)
    return codes


def switch_off(runtime: Runtime, account: Account, *, by_operator: bool = False) -> bool:
    """Switch the second factor off, and forget its key and recovery codes. The caller asked for the password.

    An operator does it for who lost phone and codes; every sign-in of theirs ends then. False where it was off.
    """
    with runtime.database.write() as session:
        off = forget_factor(runtime, session, account, actor_id=None if by_operator else account.id)
        if off and by_operator:
            end_sessions(runtime, session, account.id)
        return off


def forget_factor(runtime: Runtime, session: Session, account: Account, *, actor_id: str | None) -> bool:
    """The same in the caller's transaction, told by mail."""
    gone = {"totp_secret": None, "totp_on_at": None, "totp_last_step": None}
    on = (AccountRow.id == account.id, AccountRow.totp_on_at.is_not(None))
    if session.scalar(update(AccountRow).where(*on).values(gone).returning(AccountRow.id)) is None:
        return False
    session.execute(delete(RecoveryCodeRow).where(RecoveryCodeRow.account_id == account.id))
    tell(runtime, session, account, "second_factor_off")
    record_act(runtime, session, "second_factor.off", actor_id=actor_id, subject_id=account.id)
    return True


def renew_codes(runtime: Runtime, account: Account) -> tuple[str, ...]:
    """Ten new recovery codes, to be shown once; the old ones end."""
    with runtime.database.write() as session:
        codes = _write_codes(runtime, session, account.id)
        tell(runtime, session, account, "recovery_codes", {"left": str(CODES)})
        record_act(runtime, session, "second_factor.codes_made", actor_id=account.id, subject_id=account.id)
    return codes


def count_codes(runtime: Runtime, account_id: str) -> int:
    """How many recovery codes are left."""
    left = (RecoveryCodeRow.account_id == account_id, RecoveryCodeRow.used_at.is_(None))
    with runtime.database.read() as session:
        return session.scalar(select(func.count()).select_from(RecoveryCodeRow).where(*left)) or 0


def check_code(runtime: Runtime, account_id: str, code: str | None) -> None:
    """Take a code of the app or a recovery code; each counts once.

    Raises Forbidden SECOND_FACTOR_REQUIRED without one, WRONG_CODE for a wrong or used one, LimitExceeded.
    """
    if not code or not code.strip():
        raise Forbidden("SECOND_FACTOR_REQUIRED", "Enter the code of your authenticator app too.", field="code")
    count_try(runtime, "second-factor", account_id, limit=TRIES, seconds=WINDOW)
    with runtime.database.write() as session:
        row = session.get(AccountRow, account_id, with_for_update=True)
        taken = row is not None and row.totp_on_at is not None and _take(runtime, session, row, code)
    if not taken:
        raise Forbidden("WRONG_CODE", "This code is wrong or was used already. Enter the newest one.", field="code")
    forget_tries(runtime, "second-factor", account_id)


def _take(runtime: Runtime, session: Session, row: AccountRow, code: str) -> bool:
    step = _step_of(runtime, row, code)
    if step is not None:
        # Also under a lock that SQLite's drivers do not know: the newer step must win.
        newer = or_(AccountRow.totp_last_step.is_(None), AccountRow.totp_last_step < step)
        used = update(AccountRow).where(AccountRow.id == row.id, newer).values(totp_last_step=step)
        return cast(CursorResult[Any], session.execute(used)).rowcount == 1
    unused = (
        RecoveryCodeRow.code_hash == _hash(runtime, row.id, code),
        RecoveryCodeRow.account_id == row.id,
        RecoveryCodeRow.used_at.is_(None),
    )
    done = session.execute(update(RecoveryCodeRow).where(*unused).values(used_at=runtime.clock.now()))
    if cast(CursorResult[Any], done).rowcount != 1:
        return False
    unused_left = (RecoveryCodeRow.account_id == row.id, RecoveryCodeRow.used_at.is_(None))
    left = session.scalar(select(func.count()).select_from(RecoveryCodeRow).where(*unused_left)) or 0
    tell(runtime, session, account_view(runtime, row), "recovery_codes", {"left": str(left)})
    record_act(runtime, session, "second_factor.recovery_used", actor_id=row.id, subject_id=row.id)
    return True


def _step_of(runtime: Runtime, row: AccountRow, code: str) -> int | None:
    """The time step a code belongs to; None for a wrong one."""
    digits = "".join(code.split())
    if len(digits) != 6 or not (digits.isascii() and digits.isdigit()):
        return None
    totp = pyotp.TOTP(_secret(runtime, row))
    present = totp.timecode(runtime.clock.now())
    candidates = range(present - SKEW, present + SKEW + 1)
    return next((step for step in candidates if secrets.compare_digest(totp.generate_otp(step), digits)), None)


def _write_codes(runtime: Runtime, session: Session, account_id: str) -> tuple[str, ...]:
    codes = tuple("-".join(_word() for _ in range(2)) for _ in range(CODES))
    session.execute(delete(RecoveryCodeRow).where(RecoveryCodeRow.account_id == account_id))
    session.add_all(
        RecoveryCodeRow(code_hash=_hash(runtime, account_id, code), account_id=account_id) for code in codes
    )
    return codes


def _word() -> str:
    return "".join(secrets.choice(ALPHABET) for _ in range(5))


def _hash(runtime: Runtime, account_id: str, code: str) -> bytes:
    plain = "".join(c for c in code.lower() if c in ALPHABET)
    return runtime.vault.blind_index("recovery-code", f"{account_id}/{plain}")


def _secret(runtime: Runtime, row: AccountRow) -> str:
    assert row.totp_secret is not None
    return runtime.vault.open_text(row.id, _where(row.id), row.totp_secret)


def _where(account_id: str) -> str:
    return f"accounts.totp_secret:{account_id}"
