"""Values of a person planted through every form of accounts, and looked for in the raw files and the log."""

from collections.abc import Callable
from pathlib import Path

import pyotp
import pytest
from sqlalchemy import text

from core.accounts import second_factor
from core.accounts.addresses import ask_address_change, confirm_address
from core.accounts.authentication import sign_in
from core.accounts.domain import ROLES
from core.accounts.invitations import invite
from core.accounts.passwords import change_password, forget_password, reset_password
from core.accounts.profile import update_profile
from core.accounts.queries import find_session
from core.accounts.registration import register, request_code
from core.accounts.roles import set_roles
from core.platform.runtime import Runtime
from core.privacy.asking import ask
from core.shared.errors import AppError
from tests.integration.accounts.conftest import session_of
from tests.support.clock import FixedClock
from tests.support.encodings import traces_of
from tests.support.letters import code_in, last_letter, token_in

FIRST, SECOND = "canary.first@planted.example", "canary.second@planted.example"
INVITED, UNKNOWN = "canary.invited@planted.example", "canary.unknown@planted.example"
NAME, DEVICE = "Canary Zyxwoman", "CanaryBrowser/77.31"
PASSWORDS = ("canary one pAssword 5512", "canary two pAssword 9043", "canary three pAssword 1177")


def test_nothing_a_person_gives_is_stored_or_logged_readable(
    runtime_with: Callable[..., Runtime], clock: FixedClock, capfd: pytest.CaptureFixture[str]
) -> None:
    runtime = runtime_with(clock=clock, signup="open")
    planted = {
        "address": FIRST,
        "new address": SECOND,
        "invited": INVITED,
        "unknown": UNKNOWN,
        "name": NAME,
        "device": DEVICE,
    }
    planted |= {f"password {number}": value for number, value in enumerate(PASSWORDS)}

    request_code(runtime, email=FIRST)
    planted["code"] = code_in(last_letter(runtime, FIRST)) + "!"  # six digits alone are found anywhere
    code = planted["code"].rstrip("!")
    with pytest.raises(AppError):
        register(runtime, email=FIRST, password=PASSWORDS[0], code="000000", name=NAME, device=DEVICE)
    made = register(runtime, email=FIRST, password=PASSWORDS[0], code=code, name=NAME, device=DEVICE)
    planted["session token"] = made.token
    view = find_session(runtime, made.token)
    assert view is not None
    update_profile(runtime, view.account.id, name=NAME + " again", language="fr")
    with pytest.raises(AppError):
        sign_in(runtime, email=FIRST, password="wrong", device=DEVICE)
    forget_password(runtime, email=FIRST)
    forget_password(runtime, email=UNKNOWN)
    planted["reset link"] = token_in(last_letter(runtime, FIRST), "/auth/reset")
    reset_password(runtime, token=planted["reset link"], password=PASSWORDS[1])
    view = session_of(runtime, FIRST, PASSWORDS[1], device=DEVICE)
    ask_address_change(runtime, view, SECOND)
    planted["address link"] = token_in(last_letter(runtime, SECOND), "/auth/address/confirm")
    confirm_address(runtime, planted["address link"])
    view = session_of(runtime, SECOND, PASSWORDS[1], device=DEVICE)
    app = pyotp.parse_uri(second_factor.begin(runtime, view.account))
    assert isinstance(app, pyotp.TOTP)
    planted["key"] = app.secret
    codes = second_factor.switch_on(runtime, view.account, app.at(clock.now()))
    planted |= {f"recovery code {number}": value for number, value in enumerate(codes)}
    clock.advance(seconds=60)
    change_password(runtime, view, current=PASSWORDS[1], password=PASSWORDS[2])
    with runtime.database.write() as session:
        session.execute(text("UPDATE accounts SET roles = :roles WHERE email IS NOT NULL"), {"roles": ",".join(ROLES)})
    view = session_of(runtime, SECOND, PASSWORDS[2], device=DEVICE, code=codes[0])
    invite(runtime, view, email=INVITED)
    planted["invitation"] = token_in(last_letter(runtime, INVITED), "/auth/register")
    set_roles(runtime, view, view.account.id, ("admin", "accounting"))
    with pytest.raises(AppError):
        ask(runtime, view, "erasure")  # the last admin

    places = {str(path): path.read_bytes() for path in _files(runtime.settings.data_dir)}
    said = capfd.readouterr()
    places["the log"] = (said.out + said.err).encode()
    assert any(path.endswith((".db-wal", ".db")) for path in places), list(places)
    found = [f"{place}: {trace}" for place, data in places.items() for trace in traces_of(planted, data)]
    assert found == []
    mails = b"".join(path.read_bytes() for path in runtime.settings.mail_dir.glob("*.eml"))
    assert traces_of({"address": FIRST}, mails), "and where they belong they are found"


def _files(folder: Path) -> list[Path]:
    """Every file but the mails of development, which say what they say to whom they are for."""
    return [path for path in folder.rglob("*") if path.is_file() and "mail" not in path.relative_to(folder).parts]
